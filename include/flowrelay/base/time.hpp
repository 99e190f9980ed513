// Time types and formats. Nothing below `runtime` reads a clock: time is an argument. Two kinds of
// time, never mixed: monotonic time for waiting, wall time for what is stored and survives a
// restart.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace flowrelay {

using Milliseconds = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;

/// A time on the monotonic clock of this process.
using MonoTime = std::chrono::steady_clock::time_point;

/// A time in UTC, in milliseconds since 1970-01-01, as the spool stores it.
using WallTime = std::chrono::sys_time<Milliseconds>;

/// The readings of both clocks at one moment.
struct Now {
    MonoTime mono;
    WallTime wall;
};

/// Source of the time; simulations provide their own. Thread-safe.
class Clock {
public:
    virtual ~Clock() = default;
    virtual Now now() const = 0;
};

/// Reads the clocks of the machine (CLOCK_MONOTONIC, CLOCK_REALTIME).
class SystemClock final : public Clock {
public:
    Now now() const override;
};

/// Converts a duration to seconds, with the fraction.
template <class Rep, class Period>
constexpr double in_seconds(std::chrono::duration<Rep, Period> duration) noexcept {
    return std::chrono::duration<double>(duration).count();
}

/// Formats as RFC 3339 in UTC with milliseconds: "2026-11-23T09:00:00.123Z". Times outside the
/// years 0000 to 9999 (such as WallTime::max()) are shown as the nearest one inside.
std::string format_time(WallTime time);

/// Formats a duration for people: "850ms", "8s", "1m30s", "2h", "5d". Shows the largest unit and
/// the next smaller one, truncated, not rounded; "0s" for zero, a leading "-" if negative.
std::string format_duration(Milliseconds duration);

/// The longest duration that parse_duration() accepts: 100 years of 365 days.
inline constexpr Milliseconds max_duration{36'500LL * 86'400'000};

/// Parses "850ms", "10s", "1m30s", "5d": whole numbers with the units d, h, m, s and ms, each at
/// most once and the largest first; "0" needs no unit. Returns nothing for any other text, or for
/// more than max_duration.
std::optional<Milliseconds> parse_duration(std::string_view text) noexcept;

}  // namespace flowrelay
