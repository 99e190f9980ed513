// Rates of arriving and leaving events, and when the queue will be empty at these rates.
//
// Pure: time is an argument. Used by one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "flowrelay/base/time.hpp"

namespace flowrelay::core {

/// Events per second, averaged over the time `over`.
struct Rates {
    double accepted = 0;
    double left = 0;  ///< delivered, dead, dropped or erased
    MonoTime::duration over{};
};

/// Remembers the counters of the last minute.
class Throughput {
public:
    static constexpr Seconds memory{60};

    /// Records the counters; called about once a second. `accepted` counts since the start,
    /// `queued` is the present number.
    void note(MonoTime now, std::uint64_t accepted, std::uint64_t queued);

    /// Returns the rates over the last 10, 30 and 60 seconds, as far as they are known.
    std::vector<Rates> rates() const;

    /// Returns how long the counters have been recorded, at most `memory`.
    MonoTime::duration watched() const noexcept;

private:
    struct Sample {
        MonoTime at;
        std::uint64_t accepted = 0;
        std::uint64_t queued = 0;
    };
    std::deque<Sample> samples_;  ///< oldest first
};

/// The part of the queue's state that determines when it will be empty.
struct Backlog {
    std::uint64_t queued = 0;
    std::uint64_t stuck = 0;  ///< of these, events of tokens that wait or are paused
    bool held = false;        ///< the destination is not up, or nothing may be posted
};

struct DrainEstimate {
    enum class State {
        empty,    ///< nothing is queued
        held,     ///< nothing can leave, so rates mean nothing
        unknown,  ///< recorded for less than 10 seconds
        never,    ///< at least as many events arrive as leave
        drains,   ///< in `from` at the earliest, in `to` at the latest
    };
    State state = State::empty;
    Seconds from{0};
    /// Nothing if in one of the periods at least as many events arrived as left.
    std::optional<Seconds> to;
};

/// Estimates when the queue will be empty except for stuck events, from Throughput::rates(). The
/// range comes from the fastest and the slowest rate.
DrainEstimate estimate_drain(const Backlog& backlog, std::span<const Rates> rates) noexcept;

}  // namespace flowrelay::core
