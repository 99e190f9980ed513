#include "flowrelay/core/submitter.hpp"

#include <algorithm>

namespace flowrelay::core {

bool AllowRule::admits(const Submitter& by) const noexcept {
    if (!restricted) return true;
    if (!by.producer) return false;
    if (by.producer->uid == 0) return true;
    if (std::ranges::find(uids, by.producer->uid) != uids.end()) return true;
    return std::ranges::any_of(by.groups, [this](std::uint32_t group) {
        return std::ranges::find(gids, group) != gids.end();
    });
}

}  // namespace flowrelay::core
