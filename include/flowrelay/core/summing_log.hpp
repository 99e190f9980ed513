// Keeps repeated events from flooding the log. It is between the code that writes lines and the
// output.
//
// For each kind of event, a burst of lines passes, then one line after a minute, after two more
// minutes, and so on up to one per hour. Its field `suppressed` says how many lines were left out
// before it. Events about tokens have a burst for each source, so that one failing source does not
// hide the others; control.refused has one for each user. After ten quiet minutes the next line
// passes again, and flush() reports what was left out before (log.left_out).
//
// Debug lines, relay.stats and the actions of operators always pass, since every line matters.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/base/log.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::core {

/// Decides which lines of one kind pass. Pure; used by one thread at a time.
class SummingLimiter {
public:
    explicit SummingLimiter(unsigned burst) noexcept : burst_(burst) {}

    /// Returns whether the line at `now` passes.
    bool admit(MonoTime now) noexcept;

private:
    unsigned burst_;
    unsigned used_ = 0;
    Milliseconds spacing_{0};
    std::optional<MonoTime> last_;  ///< time of the last line, whether it passed or not
    MonoTime next_{};
};

/// Any thread.
class SummingLog final : public Log {
public:
    using Log::write;

    /// `out` and `clock` must outlive the log.
    SummingLog(Log& out, const Clock& clock) : out_(out), clock_(clock) {}

    bool enabled(Severity severity) const noexcept override { return out_.enabled(severity); }
    void write(const LogEvent& event, std::span<const LogField> fields) noexcept override;

    /// Reports the lines left out of events that have stopped since. Must be called about once a
    /// minute.
    void flush() noexcept;
    /// Reports the lines left out of all events. Called at the end.
    void finish() noexcept;

private:
    struct Kind {
        SummingLimiter limiter;
        std::uint64_t left_out = 0;
        MonoTime last{};
        WallTime last_wall{};
    };
    /// The lines left out of an event that has stopped.
    struct Rest {
        std::string event;
        std::string whom;  ///< the source; for control.refused the user
        std::uint64_t lines;
        WallTime last;
    };

    bool admit(std::string_view name, std::string_view source, std::uint64_t left_out_before,
               std::uint64_t& suppressed);
    Kind& kind(std::string_view name, std::string_view source);
    std::vector<Rest> take_rests(Milliseconds quiet_for);
    void tell_rests(Milliseconds quiet_for) noexcept;

    Log& out_;
    const Clock& clock_;
    std::mutex mutex_;
    std::map<std::string, SummingLimiter, std::less<>> names_;
    std::map<std::string, Kind, std::less<>> kinds_;  ///< by name, or name and source
};

}  // namespace flowrelay::core
