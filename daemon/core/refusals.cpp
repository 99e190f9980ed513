#include "flowrelay/core/refusals.hpp"

#include <algorithm>
#include <utility>

namespace flowrelay::core {

// One thread may be refused for ever: only the last of its events are remembered.
constexpr std::size_t max_events = 1000;

Refusals::Found Refusals::refused(const LaneId& lane, Seq seq, int status) {
    Row& row = rows_[lane.token];
    if (row.status != status) row = Row{status, deliveries_, {}, {}};
    if (!row.is_full()) row.threads.insert(lane.thread_hash);
    const auto alike = std::ranges::count_if(rows_, [&](const auto& item) {
        const Row& other = item.second;
        return other.is_full() && other.status == status && other.began == deliveries_;
    });
    // Once it is the destination's, it is that for tokens that were not asked for yet, too.
    const bool is_of_all = static_cast<std::size_t>(alike) >= enough_tokens;
    if (!row.is_full() && !is_of_all) {
        if (row.events.size() == max_events) row.events.erase(row.events.begin());
        row.events.push_back(seq);
        return {};
    }
    Found found;
    found.scope = is_of_all ? Scope::destination : Scope::token;
    found.go_back = std::exchange(row.events, {});
    std::erase(found.go_back, seq);
    return found;
}

void Refusals::delivered(TokenId token) {
    ++deliveries_;
    rows_.erase(token);
}

}  // namespace flowrelay::core
