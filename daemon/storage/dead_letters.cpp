#include "dead_letters.hpp"

#include <fmt/format.h>

#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "flowrelay/core/log_events.hpp"
#include "letter_index.hpp"
#include "letter_record.hpp"
#include "letter_rewrite.hpp"
#include "read_failures.hpp"
#include "record_journal.hpp"

namespace flowrelay::storage {

namespace {

// The file is rewritten when more than this, and more than half of it, is obsolete.
constexpr std::uint64_t compact_above = 1024 * 1024;

using Place = LetterIndex::Place;

Place place_of(const RecordHeader& header, std::span<const std::uint8_t> payload,
               std::uint64_t offset) {
    Place place;
    place.offset = offset;
    place.size = record_size(header);
    place.token = header.token;
    place.thread_hash = header.thread_hash;
    place.died = died_of(payload);
    place.outcome = outcome_of(payload);
    return place;
}

class Loader final : public RecordSink {
public:
    Loader(std::string path, Log& log) : path_(std::move(path)), log_(log) {}

    void record(const ScannedRecord& record) override {
        if (!record.intact || !take(record)) damage(record.offset, record_size(record.header));
    }
    void damage(std::uint64_t offset, std::uint64_t bytes) override {
        damaged.push_back({offset, bytes});
        log_.write(core::log_events::spool_damaged,
                   {{"file", path_}, {"offset", offset}, {"bytes", bytes}});
    }

    LetterIndex index;
    std::vector<JournalScan::Damage> damaged;

private:
    bool take(const ScannedRecord& record) {
        const RecordHeader& header = record.header;
        switch (header.type) {
            case RecordType::letter:
                if (!to_letter(header, record.payload)) return false;
                index.add(header.seq, place_of(header, record.payload, record.offset));
                return true;
            case RecordType::letters_removed:
                for (const Seq seq : read_withdrawal(record.payload)) index.withdraw(seq);
                return true;
            case RecordType::letters_left: {
                const auto ends = read_settlements(record.payload);
                if (!ends) return false;
                for (const auto& end : *ends) index.leave(end.seq, end.outcome);
                return true;
            }
            case RecordType::letters_replayed:
                for (const Replay& replay : read_replays(record.payload)) {
                    index.replay(replay.seq, replay.when);
                }
                return true;
            case RecordType::letter_books: {
                const auto books = read_books(record.payload);
                if (books) index.set_books(*books);
                return books.has_value();
            }
            default:
                return false;
        }
    }

    std::string path_;
    Log& log_;
};

core::Ledger with_changes(core::Ledger ledger, const LetterBooks& books) {
    const auto add = [&](std::uint64_t& column, core::Outcome outcome) {
        const std::int64_t change = books.change.at(static_cast<std::size_t>(outcome) - 1);
        column += static_cast<std::uint64_t>(change);
        if (change >= 0 || column <= std::numeric_limits<std::uint64_t>::max() / 2) return;
        // The letters are newer than the log: it was replaced by an earlier one.
        ledger.accepted -= std::exchange(column, 0);
    };
    add(ledger.delivered, core::Outcome::delivered);
    add(ledger.dead, core::Outcome::dead);
    add(ledger.expired, core::Outcome::expired);
    add(ledger.erased, core::Outcome::erased);
    add(ledger.dropped, core::Outcome::dropped);
    return ledger;
}

class JournalDeadLetters final : public DeadLetters {
public:
    JournalDeadLetters(RecordJournal journal, LetterIndex index, bool damaged, Log& log)
        : journal_(std::move(journal)), index_(std::move(index)), damaged_(damaged), log_(log) {}

    Result<void> add(std::span<const DeadLetter> letters) override {
        if (letters.empty()) return {};
        if (auto ready = make_ready(); ready.has_error()) return ready;
        std::vector<JournalRecord> records;
        records.reserve(letters.size());
        for (const DeadLetter& letter : letters) records.push_back(to_record(letter));
        const auto first = journal_.append(records);
        if (first.has_error()) return first.error();
        std::uint64_t offset = *first;
        for (JournalRecord& record : records) {
            record.header.payload_length = static_cast<std::uint32_t>(record.payload.size());
            const Place place = place_of(record.header, record.payload, offset);
            index_.add(record.header.seq, place);
            offset += place.size;
        }
        return {};
    }

    std::vector<DeadLetter> list(std::size_t limit) const override {
        std::vector<DeadLetter> letters;
        for (const auto& [died, seq] : index_.by_age()) {
            if (letters.size() == limit) break;
            letters.push_back(without_body(seq));
        }
        return letters;
    }

    std::vector<DeadLetter> list_after(Seq after, std::size_t limit) const override {
        std::vector<DeadLetter> letters;
        const auto& places = index_.places();
        for (auto at = places.upper_bound(after); at != places.end() && letters.size() < limit;
             ++at) {
            letters.push_back(without_body(at->first));
        }
        return letters;
    }

    Result<DeadLetter> read(Seq seq) override {
        const Place* place = index_.find(seq);
        if (place == nullptr) {
            return Error{QueueErrc::not_found,
                         fmt::format("event {} is not among the dead letters", to_number(seq))};
        }
        auto letter = read_at(*place);
        if (letter.has_value()) {
            read_failures_.forget(seq);
            letter->replayed = place->replayed.has_value();
        } else if (letter.error().code != QueueErrc::damaged && read_failures_.give_up(seq)) {
            return Error{QueueErrc::damaged, letter.error().message};
        }
        return letter;
    }

    Result<std::uint64_t> remove(std::span<const Seq> seqs) override {
        std::set<Seq> present;
        for (const Seq seq : seqs) {
            const Place* place = index_.find(seq);
            if (place != nullptr && !place->replayed) present.insert(seq);
        }
        std::vector<core::Settlement> ends;
        for (const Seq seq : present) ends.push_back({seq, core::Outcome::dropped});
        if (auto left = leave(ends); left.has_error()) return left.error();
        return ends.size();
    }

    Result<void> withdraw(std::span<const Seq> seqs) override {
        if (seqs.empty()) return {};
        if (auto done = append(withdrawal_record(seqs)); done.has_error()) return done;
        for (const Seq seq : seqs) index_.withdraw(seq);
        return {};
    }

    Result<std::vector<core::QueuedEvent>> replay(std::span<const Seq> seqs,
                                                  WallTime now) override {
        std::set<Seq> wanted;
        for (const Seq seq : seqs) {
            const Place* place = index_.find(seq);
            if (place == nullptr || place->replayed) continue;
            const auto letter = read_at(*place);
            if (letter.has_error() && letter.error().code != QueueErrc::damaged) {
                return letter.error();
            }
            if (letter.has_value() && letter->has_event) wanted.insert(seq);
        }
        std::vector<core::QueuedEvent> events;
        if (wanted.empty()) return events;
        std::vector<Replay> replays;
        for (const Seq seq : wanted) replays.push_back({seq, now});
        if (auto done = append(replay_record(replays)); done.has_error()) return done.error();
        for (const Seq seq : wanted) {
            index_.replay(seq, now);
            events.push_back(queued(seq));
        }
        return events;
    }

    std::vector<core::QueuedEvent> replays() const override {
        std::vector<core::QueuedEvent> events;
        for (const Seq seq : index_.replays()) events.push_back(queued(seq));
        return events;
    }

    std::vector<core::QueuedEvent> replays_after(Seq after, std::size_t limit) const override {
        std::vector<core::QueuedEvent> events;
        const auto& all = index_.replays();
        for (auto at = all.upper_bound(after); at != all.end() && events.size() < limit; ++at) {
            events.push_back(queued(*at));
        }
        return events;
    }

    bool is_replayed(Seq seq) const override { return index_.replays().contains(seq); }

    Result<void> settle(std::span<const core::Settlement> ends) override {
        std::vector<core::Settlement> replayed;
        for (const auto& end : ends) {
            if (is_replayed(end.seq)) replayed.push_back(end);
        }
        return leave(replayed);
    }

    void begin_erasure(std::span<const TokenId> tokens) override { erasure_.begin(tokens); }
    Result<std::optional<Erased>> erase_some() override { return erasure_.step(); }

    Result<Trimmed> drop_older(Milliseconds max_age, WallTime now) override {
        Trimmed trimmed;
        std::vector<core::Settlement> ends;
        for (const auto& [died, seq] : index_.by_age()) {
            if (now - died <= max_age) break;
            if (index_.find(seq)->replayed) continue;
            if (ends.empty()) trimmed.oldest = died;
            ends.push_back({seq, core::Outcome::dropped});
        }
        trimmed.letters = ends.size();
        if (auto left = leave(ends); left.has_error()) return left.error();
        return trimmed;
    }

    Size kept() const override { return {index_.letters(), index_.letter_bytes()}; }

    std::uint64_t size() const override { return index_.places().size(); }

    std::vector<std::pair<Seq, TokenId>> all() const override {
        std::vector<std::pair<Seq, TokenId>> letters;
        letters.reserve(index_.places().size());
        for (const auto& [seq, place] : index_.places()) letters.emplace_back(seq, place.token);
        return letters;
    }

    core::Ledger corrected(core::Ledger ledger) const override {
        return with_changes(ledger, index_.books());
    }

    Result<void> drop_damage() override {
        if (!damaged_) return {};
        auto done = rewrite();
        damaged_ = done.has_error();
        return done;
    }

    Result<void> confirm() override { return journal_.confirm(); }

private:
    DeadLetter without_body(Seq seq) const {
        const Place& place = *index_.find(seq);
        DeadLetter letter;
        letter.seq = seq;
        letter.event.token = place.token;
        letter.died = place.died;
        letter.reason = "its record can't be read";
        letter.has_event = false;
        if (auto read = read_at(place); read.has_value()) letter = std::move(*read);
        letter.event.body.clear();
        letter.replayed = place.replayed.has_value();
        return letter;
    }

    Result<DeadLetter> read_at(const Place& place) const {
        const auto record = journal_.read(place.offset, place.size);
        if (record.has_error()) {
            const bool is_damaged = record.error().code == boost::system::errc::bad_message;
            if (!is_damaged) return record.error();
            return Error{QueueErrc::damaged, record.error().message};
        }
        auto letter = to_letter(record->header, record->payload);
        if (!letter) return Error{QueueErrc::damaged, "a dead letter makes no sense"};
        letter->has_event = !letter->event.body.empty();
        return std::move(*letter);
    }

    // A replayed event is as old as its replay, and its expires_in does not apply any more.
    core::QueuedEvent queued(Seq seq) const {
        const Place& place = *index_.find(seq);
        return {seq, LaneId{place.token, place.thread_hash}, place.replayed.value_or(place.died),
                WallTime::max(), static_cast<std::uint32_t>(place.size)};
    }

    Result<void> leave(std::span<const core::Settlement> ends) {
        if (ends.empty()) return {};
        if (auto done = append(departure_record(ends)); done.has_error()) return done;
        for (const auto& end : ends) index_.leave(end.seq, end.outcome);
        return {};
    }

    Result<void> append(const JournalRecord& record) {
        if (auto ready = make_ready(); ready.has_error()) return ready;
        if (auto added = journal_.append({&record, 1}); added.has_error()) return added.error();
        return {};
    }

    /// Prepares a change: rewrites the file if it can't be used or most of it is obsolete.
    Result<void> make_ready() {
        const std::uint64_t past = journal_.end() - journal_header_size - index_.bytes();
        if (!journal_.broken() && (past < compact_above || past < index_.bytes())) return {};
        return rewrite();
    }

    /// Rewrites the file in one call.
    Result<void> rewrite() {
        LetterRewrite rewrite(journal_, index_, read_failures_, log_);
        rewrite.begin({});
        while (true) {
            const auto done = rewrite.step();
            if (done.has_error()) return done.error();
            if (*done) return {};
        }
    }

    RecordJournal journal_;
    LetterIndex index_;
    bool damaged_;  ///< the file had unreadable records when it was opened
    ReadFailures read_failures_;
    Log& log_;
    LetterRewrite erasure_{journal_, index_, read_failures_, log_};
};

}  // namespace

std::uint64_t DeadLetters::missing(const core::Ledger& ledger) const {
    return missing_letters(corrected(ledger), size());
}

core::Loss DeadLetters::missing_loss(const core::Ledger& ledger) const {
    const std::uint64_t letters = missing(ledger);
    const std::uint64_t dead = std::min(letters, corrected(ledger).dead);
    return {0, dead, letters - dead};
}

Result<DeadLetters::Erased> DeadLetters::erase(std::span<const TokenId> tokens) {
    begin_erasure(tokens);
    while (true) {
        auto done = erase_some();
        if (done.has_error()) return done.error();
        if (*done) return std::move(**done);
    }
}

Result<std::uint64_t> DeadLetters::erase(TokenId token) {
    const auto erased = erase(std::span(&token, 1));
    if (erased.has_error()) return erased.error();
    const auto letters = erased->find(token);
    return letters == erased->end() ? 0 : letters->second;
}

Result<std::unique_ptr<DeadLetters>> DeadLetters::open(FileSystem& file_system,
                                                       const std::string& path, Log& log) {
    RecordJournal journal(file_system, path, JournalKind::dead_letters);
    const auto exists = journal.exists();
    if (exists.has_error()) return exists.error();
    Loader loaded(path, log);
    if (*exists) {
        if (auto opened = journal.open(loaded, log); opened.has_error()) {
            Error error = opened.error();
            if (error.code == boost::system::errc::io_error) {
                error.message +=
                    journal.was_cut_short()
                        ? fmt::format(
                              ": put it back from a copy, or give up what was cut off, and "
                              "keep the other letters: `flowrelay spool declare-damaged "
                              "{}`",
                              path)
                        : ": put it back from a copy, or move it away: its letters are lost then, "
                          "and the next start says how many (dead_letters.missing)";
            }
            return error;
        }
    } else if (auto made = journal.rewrite(std::span<const JournalRecord>()); made.has_error()) {
        return made.error();
    }
    return std::unique_ptr<DeadLetters>(std::make_unique<JournalDeadLetters>(
        std::move(journal), std::move(loaded.index), !loaded.damaged.empty(), log));
}

Result<DeadLetters::Contents> DeadLetters::inspect(FileSystem& file_system,
                                                   const std::string& path) {
    NullLog silent;
    Loader loaded(path, silent);
    auto scan = RecordJournal::inspect(file_system, path, JournalKind::dead_letters, loaded);
    if (scan.has_error()) return scan.error();
    scan->damage.insert(scan->damage.begin(), loaded.damaged.begin(), loaded.damaged.end());
    Contents contents{
        std::move(*scan), loaded.index.places().size(), {}, loaded.index.books().change};
    for (const auto& [seq, place] : loaded.index.places()) contents.seqs.push_back(seq);
    return contents;
}

core::Ledger corrected(core::Ledger ledger, const DeadLetters::Contents& contents) {
    return with_changes(ledger, LetterBooks{contents.changes});
}

std::uint64_t missing_letters(const core::Ledger& corrected, std::uint64_t letters) noexcept {
    const std::uint64_t dead = corrected.dead + corrected.expired;
    return dead > letters ? dead - letters : 0;  // more letters: the log is an earlier one
}

}  // namespace flowrelay::storage
