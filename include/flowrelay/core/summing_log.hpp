// Keeps what happens again and again from flooding the log. It stands between those who write lines
// and the log that puts them out.
//
// Of each kind of event a burst of lines goes through, then one after a minute, after two more, and
// so on up to one an hour; `suppressed` in it says how many were left out before it. What concerns
// a token has a burst of its own for each source, so that one that comes and goes does not hide the
// others; and so does control.refused for each user. When it has been quiet for ten minutes the
// next line goes through again; and what was left out before is told by flush() (log.left_out).
//
// Debug lines, relay.stats and what operators do (every line of it counts) go through untouched.
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

/// Which of the lines of one kind go through. Pure; owned by one thread at a time.
class SummingLimiter {
public:
    explicit SummingLimiter(unsigned burst) noexcept : burst_(burst) {}

    /// Whether the line at `now` goes through.
    bool admit(MonoTime now) noexcept;

private:
    unsigned burst_;
    unsigned used_ = 0;
    Milliseconds spacing_{0};
    std::optional<MonoTime> last_;  ///< line, put out or not
    MonoTime next_{};
};

/// Any thread.
class SummingLog final : public Log {
public:
    using Log::write;

    /// `out` and `clock` outlive the log.
    SummingLog(Log& out, const Clock& clock) : out_(out), clock_(clock) {}

    bool enabled(Severity severity) const noexcept override { return out_.enabled(severity); }
    void write(const LogEvent& event, std::span<const LogField> fields) noexcept override;

    /// Tells what was left out of events that have stopped since. To be called about once a minute.
    void flush() noexcept;
    /// The same of all events: nothing more comes.
    void finish() noexcept;

private:
    struct Kind {
        SummingLimiter limiter;
        std::uint64_t left_out = 0;
        MonoTime last{};
        WallTime last_wall{};
    };
    /// What was left out of an event that has stopped.
    struct Rest {
        std::string event;
        std::string whom;  ///< the source, or of control.refused the user
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
