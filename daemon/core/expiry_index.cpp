#include "expiry_index.hpp"

#include <algorithm>

namespace flowrelay::core::scheduling {

void ExpiryIndex::insert(Event& event) {
    if (event.expires != WallTime::max()) by_own_time_.insert(&event);
    by_age_.insert(by_age_.end(), event);
}

void ExpiryIndex::erase(Event& event) noexcept {
    if (!static_cast<const TreeHook<ByAge>&>(event).is_linked()) return;
    by_age_.erase(Aging::s_iterator_to(event));
    if (event.expires != WallTime::max()) by_own_time_.erase(&event);
}

Event* ExpiryIndex::due(WallTime now, Milliseconds max_age) noexcept {
    if (!by_own_time_.empty() && is_over_age(**by_own_time_.begin(), now, max_age)) {
        return *by_own_time_.begin();
    }
    if (!by_age_.empty() && is_over_age(*by_age_.begin(), now, max_age)) return &*by_age_.begin();
    return nullptr;
}

std::optional<WallTime> ExpiryIndex::next_due(Milliseconds max_age) const noexcept {
    if (by_age_.empty()) return std::nullopt;
    const WallTime oldest = by_age_.begin()->accepted;
    // An unlimited age is a very large number.
    WallTime due = max_age >= WallTime::max() - oldest ? WallTime::max() : oldest + max_age;
    if (!by_own_time_.empty()) due = std::min(due, (*by_own_time_.begin())->expires);
    return due == WallTime::max() ? std::nullopt : std::optional(due);
}

}  // namespace flowrelay::core::scheduling
