#include "flowrelay/core/refusals.hpp"

#include <algorithm>
#include <utility>

namespace flowrelay::core {

// One thread may be refused for ever: only the last of its events are remembered.
constexpr std::size_t max_letters = 1000;

void Refusals::Seen::note(std::uint64_t thread, bool is_new) {
    if (threads.size() < enough_threads) threads.insert(thread);
    if (is_new) ++events;
}

bool Refusals::Seen::is_all(const Threads& of_token) const {
    if (threads.size() >= enough_threads) return true;
    return events >= enough_events && of_token &&
           std::ranges::all_of(*of_token, [this](auto thread) { return threads.contains(thread); });
}

// Once it is the destination's, it is that for tokens that were not asked for yet, too.
bool Refusals::is_everybodys() const noexcept {
    return lately_.tokens.size() >= enough_tokens &&
           (lately_.threads >= enough_threads || lately_.wide >= enough_tokens);
}

void Refusals::note_lately(const LaneId& lane, bool is_new, const Threads& threads) {
    Seen& seen = lately_.tokens[lane.token];
    const std::size_t before = seen.threads.size();
    seen.note(lane.thread_hash, is_new);
    lately_.threads += seen.threads.size() - before;
    if (seen.is_wide || !seen.is_all(threads)) return;
    seen.is_wide = true;
    ++lately_.wide;
}

Refusals::Found Refusals::refused(const LaneId& lane, Seq seq, const Threads& threads) {
    Row& row = rows_[lane.token];
    // One that is held may be refused many times.
    const bool is_new = !row.letters.contains(seq);
    row.note(lane.thread_hash, is_new);
    note_lately(lane, is_new, threads);
    const bool is_tokens = row.is_all(threads);
    const bool is_destinations = is_everybodys();
    if (!is_tokens && !is_destinations) {
        if (is_new && row.letters.size() == max_letters) row.letters.erase(row.letters.begin());
        row.letters.insert_or_assign(seq, deliveries_);
        return {};
    }
    Found found;
    found.scope = is_destinations ? Scope::destination : Scope::token;
    row.letters.erase(seq);
    if (is_tokens) {
        for (const auto& [letter, when] : std::exchange(row.letters, {})) {
            found.go_back.push_back(letter);
        }
    }
    if (!is_destinations) return found;
    for (const auto& [token, seen] : lately_.tokens) {
        std::erase_if(rows_[token].letters, [&](const auto& letter) {
            if (letter.second != deliveries_) return false;
            found.go_back.push_back(letter.first);
            return true;
        });
    }
    return found;
}

void Refusals::delivered(TokenId token) {
    ++deliveries_;
    rows_.erase(token);
    if (!lately_.tokens.empty()) lately_ = {};
}

void Refusals::forget(TokenId token) {
    rows_.erase(token);
    const auto lately = lately_.tokens.find(token);
    if (lately == lately_.tokens.end()) return;
    lately_.threads -= lately->second.threads.size();
    if (lately->second.is_wide) --lately_.wide;
    lately_.tokens.erase(lately);
}

void Refusals::forget_all() {
    rows_.clear();
    lately_ = {};
}

}  // namespace flowrelay::core
