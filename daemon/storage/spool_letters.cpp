// The dead letters of a spool, and the rule that a letter is durable before its outcome in the log.
#include <string>
#include <unordered_set>
#include <utility>

#include "dead_letters.hpp"
#include "flowrelay/core/log_events.hpp"
#include "flowrelay/storage/spool.hpp"

namespace flowrelay::storage {

namespace ev = core::log_events;

namespace {

constexpr std::size_t letters_at_once = 64;  // each with its body

}  // namespace

void Spool::bury(std::vector<core::DeadLetter> letters) {
    letters_taken_ += letters.size();
    for (auto& letter : letters) unburied_.push_back(std::move(letter));
    // Events that can't be settled any more are delivered, or die again, after the next start.
    if (failed_) {
        unburied_.clear();
        unrecorded_.clear();
    }
    if (unburied_.empty()) return;
    std::vector<core::DeadLetter> waiting = std::exchange(unburied_, {});
    std::vector<core::DeadLetter> portion;
    std::vector<Settlement> outcomes;
    for (std::size_t i = 0; i < waiting.size(); ++i) {
        auto event = read(waiting[i].seq);
        if (event.has_value()) {
            outcomes.push_back({waiting[i].seq, waiting[i].outcome});
            portion.push_back(std::move(waiting[i]));
            portion.back().event = std::move(*event);
        } else if (event.error().code == QueueErrc::damaged) {
            // Bury the letter without contents, with an id that identifies the event.
            outcomes.push_back({waiting[i].seq, waiting[i].outcome});
            portion.push_back(std::move(waiting[i]));
            portion.back().event.id = "seq-" + std::to_string(to_number(portion.back().seq));
        } else if (event.error().code != QueueErrc::not_found) {
            unburied_.push_back(std::move(waiting[i]));
        } else {
            buried_.push_back(waiting[i].seq);  // erased meanwhile
        }
        if (portion.size() < letters_at_once && i + 1 < waiting.size()) continue;
        if (!portion.empty()) add_letters(portion, outcomes);
        portion.clear();
        outcomes.clear();
    }
}

void Spool::add_letters(std::vector<core::DeadLetter>& portion, std::vector<Settlement>& outcomes) {
    // An event that dies again has its outcome in the log already.
    std::erase_if(outcomes,
                  [this](const Settlement& outcome) { return letters_->is_replayed(outcome.seq); });
    const auto added = letters_->add(portion);
    note_letters(added);
    if (added.has_value()) {
        const auto settled = queue_->commit({}, outcomes);
        note_commit(settled, {});
        // A letter without outcome is withdrawn at the next start.
        auto& done = settled.has_value() ? buried_ : unrecorded_;
        for (const auto& letter : portion) done.push_back(letter.seq);
        if (settled.has_error() && failed_) withdraw(outcomes);
        return;
    }
    for (auto& letter : portion) {
        letter.event.body.clear();  // read again at the next attempt
        unburied_.push_back(std::move(letter));
    }
}

/// Withdraws letters; their events are still queued.
void Spool::withdraw(std::span<const Settlement> outcomes) {
    std::vector<Seq> seqs;
    for (const auto& outcome : outcomes) seqs.push_back(outcome.seq);
    note_letters(letters_->withdraw(seqs));
}

void Spool::note_letters(const Result<void>& result) {
    if (result.has_error() && !letters_failed_) {
        log_.write(ev::dead_letters_failed, {{"reason", result.error().message}});
    }
    letters_failed_ = result.has_error();
}

/// Letters that could not be written yet count as not done.
core::LetterUsage Spool::letter_usage() const {
    const auto kept = letters_->kept();
    return {kept.letters, kept.bytes, letters_taken_ - unburied_.size()};
}

Result<std::vector<core::QueuedEvent>> Spool::replay(std::span<const Seq> letters, WallTime now) {
    return letters_->replay(letters, now);
}

std::vector<core::QueuedEvent> Spool::replays() const {
    return letters_->replays();
}

Result<std::uint64_t> Spool::drop_letters(std::span<const Seq> letters) {
    return letters_->remove(letters);
}

Result<std::uint64_t> Spool::drop_older(Milliseconds max_age, WallTime now) {
    if (letter_age_keeper_) {
        if (const auto noted = letter_age_keeper_(max_age); noted.has_error()) {
            note_letters(noted.error());
            return noted.error();
        }
    }
    const auto dropped = letters_->drop_older(max_age, now);
    if (dropped.has_error()) {
        note_letters(dropped.error());
        return dropped.error();
    }
    if (dropped->letters > 0) {
        log_.write(ev::dead_letters_dropped, {{"events", dropped->letters},
                                              {"oldest", format_time(dropped->oldest)},
                                              {"limit", "dead_letters.max_age"}});
    }
    return dropped->letters;
}

std::vector<std::pair<Seq, TokenId>> Spool::letters() const {
    return letters_->all();
}

std::vector<core::DeadLetter> Spool::letters_after(Seq after, std::size_t limit) const {
    return letters_->list_after(after, limit);
}

Result<core::DeadLetter> Spool::read_letter(Seq seq) {
    return letters_->read(seq);
}

std::optional<WallTime> Spool::oldest_death() const {
    if (letters_->kept().letters == 0) return std::nullopt;
    return letters_->list(1).front().died;
}

std::vector<TokenId> Spool::without_letters(std::vector<TokenId> tokens) {
    if (flush().has_error()) return {};
    std::unordered_set<TokenId> with_letters;
    for (const auto& [seq, token] : letters_->all()) with_letters.insert(token);
    std::erase_if(tokens, [&](TokenId token) { return with_letters.contains(token); });
    return tokens;
}

}  // namespace flowrelay::storage
