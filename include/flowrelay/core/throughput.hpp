// How fast events come and go, and when the queue will be empty if that goes on.
//
// Pure: the caller says what time it is. Single thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "flowrelay/base/time.hpp"

namespace flowrelay::core {

/// Events a second, averaged over the time `over`.
struct Rates {
    double accepted = 0;
    double left = 0;  ///< delivered, dead, dropped or erased
    MonoTime::duration over{};
};

/// Remembers the counters of the last minute.
class Throughput {
public:
    static constexpr Seconds memory{60};

    /// Notes the counters, about once a second. `accepted`: since the start; `queued`: now.
    void note(MonoTime now, std::uint64_t accepted, std::uint64_t queued);

    /// Returns the rates over the last 10, 30 and 60 seconds, those of them that are known.
    std::vector<Rates> rates() const;

    /// How long the counters have been watched, at most `memory`.
    MonoTime::duration watched() const noexcept;

private:
    struct Sample {
        MonoTime at;
        std::uint64_t accepted = 0;
        std::uint64_t queued = 0;
    };
    std::deque<Sample> samples_;  ///< oldest first
};

/// The queue, as far as it matters for when it will be empty.
struct Backlog {
    std::uint64_t queued = 0;
    std::uint64_t stuck = 0;  ///< of these: events of tokens that wait or are paused
    bool held = false;        ///< the destination is not up, or nothing may be posted
};

struct DrainEstimate {
    enum class State {
        empty,    ///< nothing is queued
        held,     ///< nothing can leave: until that changes a rate says nothing
        unknown,  ///< it has not been watched for 10 seconds yet
        never,    ///< no less comes in than leaves
        drains,   ///< in `from` at the soonest, in `to` at the latest
    };
    State state = State::empty;
    Seconds from{0};
    /// Nothing: in one of the times looked at no less came in than left.
    std::optional<Seconds> to;
};

/// Returns when the queue will be empty but for what is stuck, at the rates of Throughput::rates().
/// The range is what the fastest and the slowest of them lead to.
DrainEstimate estimate_drain(const Backlog& backlog, std::span<const Rates> rates) noexcept;

}  // namespace flowrelay::core
