#include "letter_rewrite.hpp"

#include <utility>
#include <vector>

#include "flowrelay/core/log_events.hpp"
#include "letter_record.hpp"

namespace flowrelay::storage {

namespace {

constexpr std::uint64_t step_bytes = 1024 * 1024;

}  // namespace

void LetterRewrite::begin(std::span<const TokenId> tokens) {
    tokens_ = {tokens.begin(), tokens.end()};
    journal_.drop_draft();
}

Result<std::optional<LetterRewrite::Erased>> LetterRewrite::step() {
    using Progress = std::optional<Erased>;
    // Begin again if another rewrite has replaced the file: the copies were made from the former
    // file.
    const bool begins = !journal_.has_draft() || generation_ != journal_.generation();
    Result<void> begun;
    if (begins) begun = begin_draft();
    Result<bool> copied = begun.has_error() ? Result<bool>(begun.error()) : copy_some();
    if (copied.has_value() && !*copied) {
        // Leaves little to be synced at the end.
        if (auto synced = journal_.sync_draft(); synced.has_error()) copied = synced.error();
    }
    if (copied.has_error()) {
        journal_.drop_draft();
        return copied.error();
    }
    if (!*copied) return Progress();
    auto erased = finish();
    copies_.clear();
    if (erased.has_error()) return erased.error();
    return Progress(std::move(*erased));
}

Result<void> LetterRewrite::begin_draft() {
    copies_.clear();
    copied_to_ = Seq::none;
    generation_ = journal_.generation();
    return journal_.begin_draft();
}

/// Returns false if there is more to copy.
Result<bool> LetterRewrite::copy_some() {
    const std::uint64_t enough = journal_.draft_end() + step_bytes;
    const auto& places = index_.places();
    for (auto next = places.upper_bound(copied_to_); next != places.end();
         next = places.upper_bound(copied_to_)) {
        copied_to_ = next->first;
        if (tokens_.contains(next->second.token)) continue;
        if (auto done = copy(copied_to_); done.has_error()) return done.error();
        if (journal_.draft_end() >= enough) return false;
    }
    // Letters added meanwhile.
    for (const Seq seq : not_copied()) {
        if (auto done = copy(seq); done.has_error()) return done.error();
        if (journal_.draft_end() >= enough) return false;
    }
    return true;
}

Result<void> LetterRewrite::copy(Seq seq) {
    const LetterIndex::Place place = *index_.find(seq);
    const auto record = journal_.read(place.offset, place.size);
    if (record.has_value()) {
        copies_[seq] = {place.offset, journal_.draft_end()};
        return journal_.draft(*record);
    }
    // An unreadable letter must not block the erasure of others for ever.
    const bool is_damaged = record.error().code == boost::system::errc::bad_message;
    if (!is_damaged && !failures_.give_up(seq)) return record.error();
    log_.write(core::log_events::spool_damaged, {{"file", journal_.path()},
                                                 {"offset", place.offset},
                                                 {"bytes", place.size},
                                                 {"reason", record.error().message}});
    index_.withdraw(seq);
    return {};
}

std::set<Seq> LetterRewrite::not_copied() const {
    std::set<Seq> seqs;
    for (const auto& [seq, place] : index_.places()) {
        if (tokens_.contains(place.token)) continue;
        const auto copy = copies_.find(seq);
        if (copy == copies_.end() || copy->second.from != place.offset) seqs.insert(seq);
    }
    return seqs;
}

/// Writes what became of the copied letters meanwhile, and the books. The books of the index
/// replace the sum of the records before them.
Result<LetterRewrite::Erased> LetterRewrite::finish() {
    LetterBooks books = index_.books();
    for (const auto& [seq, place] : index_.places()) {
        if (tokens_.contains(place.token)) books.move(place.outcome, core::Outcome::erased);
    }
    std::vector<Seq> left;
    for (const auto& [seq, copy] : copies_) {
        if (index_.find(seq) == nullptr) left.push_back(seq);
    }
    std::vector<Replay> replays;
    for (const Seq seq : index_.replays()) {
        const LetterIndex::Place& place = *index_.find(seq);
        if (!tokens_.contains(place.token)) replays.push_back({seq, *place.replayed});
    }
    Result<void> done;
    if (!left.empty()) done = journal_.draft(withdrawal_record(left));
    if (done.has_value() && !replays.empty()) done = journal_.draft(replay_record(replays));
    if (done.has_value()) done = journal_.draft(books_record(books));
    if (done.has_error()) {
        journal_.drop_draft();
        return done.error();
    }
    done = journal_.put_draft_in_place();
    Erased erased;
    if (journal_.generation() != generation_) {
        erased = index_.erase(tokens_);
        for (const auto& [seq, copy] : copies_) {
            if (index_.find(seq) != nullptr) index_.move(seq, copy.to);
        }
    }
    if (done.has_error()) return done.error();
    return erased;
}

}  // namespace flowrelay::storage
