#include "flowrelay/core/timeline.hpp"

#include <algorithm>

namespace flowrelay::core {

namespace {

/// Returns whether both may be from the same boot. If the reading is from a later boot after all,
/// the difference of the clocks since the boot is at most the elapsed time.
bool may_be_one_boot(const ClockAnchor& anchor, const ClockReading& now) {
    const bool is_told = !anchor.boot_id.empty() && !now.boot_id.empty();
    return anchor.since_boot <= now.since_boot && (!is_told || anchor.boot_id == now.boot_id);
}

}  // namespace

Timeline::Timeline(const std::optional<ClockAnchor>& anchor, const ClockReading& now)
    : began_(now.wall - now.since_boot) {
    if (!anchor) return;
    const bool same_boot = may_be_one_boot(*anchor, now);
    Milliseconds passed = now.since_boot - anchor->since_boot;
    if (!same_boot) {
        passed = now.wall - anchor->wall;
        // At least the time since the boot has passed.
        distrusts_wall_ = passed < now.since_boot || passed > max_time_off;
        if (distrusts_wall_) passed = now.since_boot;
    }
    began_ = anchor->timeline + passed - now.since_boot;
    offset_ = same_boot ? anchor->wall - anchor->timeline : now.wall - at(now.since_boot);
}

std::optional<Milliseconds> Timeline::look(const ClockReading& now) {
    const Milliseconds offset = now.wall - at(now.since_boot);
    const Milliseconds step = offset - offset_;
    if (step <= tolerance && step >= -tolerance) return std::nullopt;
    offset_ = offset;
    return step;
}

ClockAnchor Timeline::anchor(const ClockReading& now) const {
    return {at(now.since_boot), now.wall, now.since_boot, now.boot_id};
}

}  // namespace flowrelay::core
