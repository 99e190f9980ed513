// The time that ages and deadlines are measured in. It never steps: it is the wall clock of the
// first start plus the time that has passed since, suspends included. A step of the wall clock (NTP
// after a start without a clock battery, an operator with `date`) changes only how far the two are
// apart.
//
// Over a restart it goes on from an anchor on the disk. Within one boot the clock since the boot
// says exactly how much time has passed. Over a reboot only the wall clock can: it is believed if
// it has gone forward, and by no more than max_time_off; otherwise no time has passed, so that
// nothing expires, is dropped or erased too soon. Where the boot id can't be read (a sandbox
// without /proc/sys), it is another boot only if the clock since the boot has gone back.
//
// Pure. at() may be called from any thread, the rest from one.
#pragma once

#include <optional>
#include <string>

#include "flowrelay/base/time.hpp"

namespace flowrelay::core {

/// One look at the clocks of the machine.
struct ClockReading {
    WallTime wall;
    Milliseconds since_boot{0};  ///< CLOCK_BOOTTIME
    std::string boot_id;         ///< 36 characters; another one for each boot; "" if unknown
};

/// A moment on the timeline and on the clocks of the machine.
struct ClockAnchor {
    WallTime timeline;
    WallTime wall;
    Milliseconds since_boot{0};
    std::string boot_id;

    friend bool operator==(const ClockAnchor&, const ClockAnchor&) = default;
};

class Timeline {
public:
    /// A machine that was off for longer by its wall clock is thought to have a wrong clock.
    static constexpr Milliseconds max_time_off = std::chrono::days(30);
    /// What the wall clock may differ from elapsed time between two looks without being a step.
    static constexpr Milliseconds tolerance{1000};

    /// Without an anchor it begins with the wall clock.
    Timeline(const std::optional<ClockAnchor>& anchor, const ClockReading& now);

    /// The time on it at a moment of this boot.
    WallTime at(Milliseconds since_boot) const noexcept { return began_ + since_boot; }

    /// The wall clock has stepped by this since the last look, or since the anchor's: log it and
    /// save an anchor. Nothing if it has not.
    std::optional<Milliseconds> look(const ClockReading& now);

    /// Whether the anchor was of another boot whose wall clock could not be believed.
    bool distrusts_wall() const noexcept { return distrusts_wall_; }

    ClockAnchor anchor(const ClockReading& now) const;

private:
    WallTime began_;          ///< on it, when the machine was booted
    Milliseconds offset_{0};  ///< of the wall clock to it
    bool distrusts_wall_ = false;
};

}  // namespace flowrelay::core
