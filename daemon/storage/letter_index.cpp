#include "letter_index.hpp"

namespace flowrelay::storage {

void LetterIndex::remove(Places::iterator at) {
    bytes_ -= at->second.size;
    by_age_.erase({at->second.died, at->first});
    if (replays_.erase(at->first) > 0) replayed_bytes_ -= at->second.size;
    places_.erase(at);
}

void LetterIndex::add(Seq seq, const Place& place) {
    const auto old = places_.find(seq);
    if (old != places_.end()) {
        // The event died again, perhaps with another outcome.
        books_.move(old->second.outcome, place.outcome);
        remove(old);
    }
    places_.emplace(seq, place);
    by_age_.emplace(place.died, seq);
    bytes_ += place.size;
}

void LetterIndex::withdraw(Seq seq) {
    const auto found = places_.find(seq);
    if (found != places_.end()) remove(found);
}

void LetterIndex::leave(Seq seq, core::Outcome outcome) {
    const auto found = places_.find(seq);
    if (found == places_.end()) return;
    books_.move(found->second.outcome, outcome);
    remove(found);
}

void LetterIndex::replay(Seq seq, WallTime when) {
    const auto found = places_.find(seq);
    if (found == places_.end()) return;
    found->second.replayed = when;
    if (replays_.insert(seq).second) replayed_bytes_ += found->second.size;
}

std::map<TokenId, std::uint64_t> LetterIndex::erase(const std::set<TokenId>& tokens) {
    std::map<TokenId, std::uint64_t> erased;
    for (auto next = places_.begin(); next != places_.end();) {
        const auto at = next++;
        if (!tokens.contains(at->second.token)) continue;
        books_.move(at->second.outcome, core::Outcome::erased);
        ++erased[at->second.token];
        remove(at);
    }
    return erased;
}

}  // namespace flowrelay::storage
