// The time scale for ages and deadlines. It never steps: it is the wall clock at the first start
// plus the elapsed time, including suspends. A step of the wall clock (NTP after a start without a
// clock battery, an operator with `date`) changes only the difference between the two.
//
// After a restart, the timeline continues from an anchor on the disk. Within one boot, the clock
// since the boot tells exactly how much time has passed. Across a reboot only the wall clock can.
// It is believed if it has moved forward by at most max_time_off. Otherwise no time is taken to
// have passed, so that nothing expires, is dropped or is erased too early. If the boot id can't be
// read (a sandbox without /proc/sys), a different boot is assumed only if the clock since the boot
// went back.
//
// Pure. at() may be called from any thread, the rest from one.
#pragma once

#include <optional>
#include <string>

#include "flowrelay/base/time.hpp"

namespace flowrelay::core {

/// A reading of the machine's clocks.
struct ClockReading {
    WallTime wall;
    Milliseconds since_boot{0};  ///< CLOCK_BOOTTIME
    std::string boot_id;         ///< 36 characters, different for each boot; "" if unknown
};

/// The same moment on the timeline and on the machine's clocks.
struct ClockAnchor {
    WallTime timeline;
    WallTime wall;
    Milliseconds since_boot{0};
    std::string boot_id;

    friend bool operator==(const ClockAnchor&, const ClockAnchor&) = default;
};

class Timeline {
public:
    /// If the machine was off for longer according to its wall clock, that clock is taken to be
    /// wrong.
    static constexpr Milliseconds max_time_off = std::chrono::days(30);
    /// Maximum difference between wall clock and elapsed time between two readings that is no step.
    static constexpr Milliseconds tolerance{1000};

    /// Without an anchor, the timeline begins at the wall clock.
    Timeline(const std::optional<ClockAnchor>& anchor, const ClockReading& now);

    /// Returns the time on the timeline at a moment of this boot.
    WallTime at(Milliseconds since_boot) const noexcept { return began_ + since_boot; }

    /// Returns by how much the wall clock has stepped since the last reading or the anchor; the
    /// caller should log it and save an anchor. Returns nothing if it has not stepped.
    std::optional<Milliseconds> look(const ClockReading& now);

    /// Returns whether the anchor was from another boot and the wall clock was not believed.
    bool distrusts_wall() const noexcept { return distrusts_wall_; }

    ClockAnchor anchor(const ClockReading& now) const;

private:
    WallTime began_;          ///< the time on the timeline when the machine was booted
    Milliseconds offset_{0};  ///< of the wall clock from the timeline
    bool distrusts_wall_ = false;
};

}  // namespace flowrelay::core
