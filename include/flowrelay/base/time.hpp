// Time is an argument: nothing below `runtime` reads a clock. Two time lines, never mixed:
// monotonic time for waiting, wall time for what is written down and survives a restart.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace flowrelay {

using Milliseconds = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;

/// A point on the monotonic clock of this process.
using MonoTime = std::chrono::steady_clock::time_point;

/// UTC in milliseconds since 1970-01-01, as the spool stores it.
using WallTime = std::chrono::sys_time<Milliseconds>;

/// One reading of both clocks.
struct Now {
    MonoTime mono;
    WallTime wall;
};

/// Where the time comes from; a simulation puts its own in place. Any thread.
class Clock {
public:
    virtual ~Clock() = default;
    virtual Now now() const = 0;
};

/// The clocks of the machine (CLOCK_MONOTONIC, CLOCK_REALTIME).
class SystemClock final : public Clock {
public:
    Now now() const override;
};

/// A duration as a number of seconds, with its fraction.
template <class Rep, class Period>
constexpr double in_seconds(std::chrono::duration<Rep, Period> duration) noexcept {
    return std::chrono::duration<double>(duration).count();
}

/// RFC 3339 in UTC with milliseconds: "2026-11-23T09:00:00.123Z". Times outside of the years 0000
/// to 9999 (such as WallTime::max()) are shown as the nearest one inside.
std::string format_time(WallTime time);

/// A duration as people write it: "850ms", "8s", "1m30s", "2h", "5d": the largest unit and the one
/// below it, cut off and not rounded; "0s" for zero, a leading "-" for less.
std::string format_duration(Milliseconds duration);

/// The longest duration that a user may ask for: 100 years of 365 days.
inline constexpr Milliseconds max_duration{36'500LL * 86'400'000};

/// Reads "850ms", "10s", "1m30s", "5d": whole numbers with the units d, h, m, s and ms, each at
/// most once and the largest first; "0" needs no unit. At most max_duration. Nothing when it is not
/// that.
std::optional<Milliseconds> parse_duration(std::string_view text) noexcept;

}  // namespace flowrelay
