// How many attempts may be under way at once: between 1 and a maximum, by what the destination can
// take.
//
// It grows with good answers, as long as that many are really under way: one more with each answer
// in a slow start, one more with each round of answers otherwise (additive increase). It is cut by
// half, at most once for the attempts that were under way together, when
//   * of a round of answers an eighth, and at least two, are trouble (a connection that failed, a
//     timeout, a 5xx, a 429), or
//   * answers take more than twice as long as the base and 100 ms: by as much as they do, at most
//     by half. Only where they take less than one and a half times the base and 50 ms it grows
//     again; in between it stays.
// The base is the shortest time that has been usual (the median of a round). It goes up only at an
// allowance of 1: what one attempt at a time takes is no doing of ours. So a destination that has
// become slow for good is taken as it is as soon as that has been tried, and one that is slow
// because of us never looks normal. Where the allowance has stayed in between for long, it goes to
// 1 for a round to find out which of both it is.
//
// The 100 ms are what nobody minds: a fast server that takes three times as long with 32 requests
// as with one is busy, and not in trouble.
//
// The ideas are those of TCP's congestion control (RFC 5681), and of the gradient limits in
// Netflix's concurrency-limits and Envoy's adaptive concurrency filter.
//
// Pure: no clock, only durations. Constant cost, amortised. Owned by one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "flowrelay/base/time.hpp"

namespace flowrelay::core {

class ConcurrencyLimit {
public:
    /// What an attempt carries with it from begin() to its end.
    struct Ticket {
        std::uint32_t era = 0;
    };
    using Duration = MonoTime::duration;

    /// What a slow start begins with.
    static constexpr std::size_t slow_start_begin = 2;

    /// At first as many as there may be: nothing is known against it. `max` of 0 counts as 1.
    explicit ConcurrencyLimit(std::size_t max) noexcept;

    std::size_t allowance() const noexcept { return allowance_; }

    /// Another maximum. One that is higher is grown into.
    void set_max(std::size_t max) noexcept;

    /// An attempt begins; `under_way` with it.
    Ticket begin(std::size_t under_way) noexcept;

    /// It was answered as by a destination that is well, and took so long; zero when that says
    /// nothing about others.
    void answered(Ticket ticket, Duration elapsed) noexcept;

    /// It ended in trouble.
    void failed(Ticket ticket) noexcept;

    /// The destination comes back after an outage: a slow start.
    void restart() noexcept;

    /// There was none: it goes on with the allowance of before.
    void resume(std::size_t allowance) noexcept;

private:
    static constexpr std::size_t max_samples = 64;

    bool is_used() const noexcept;
    void grow() noexcept;
    void cut_to(std::size_t allowance) noexcept;
    void begin_round() noexcept;
    void begin_era(std::size_t allowance) noexcept;
    void end_round() noexcept;
    Duration median() noexcept;
    void look_at(Duration usual) noexcept;
    void learn_base(Duration alone) noexcept;
    Duration calm_below() const noexcept;
    Duration congested_above() const noexcept;

    std::size_t max_;
    std::size_t allowance_;
    std::uint32_t era_ = 0;  // counts the cuts: what began before one tells nothing after it
    bool slow_start_ = false;
    bool calm_ = true;           // answers are as fast as they can be: it may grow
    std::size_t credit_ = 0;     // good answers since it last grew
    std::size_t resume_at_ = 0;  // the allowance to return to after a look at the base; 0: none
    std::size_t held_ = 0;       // rounds in a row that were neither calm nor congested
    Duration base_{0};           // 0: not known yet

    // This round; a new one begins with a new era, too.
    std::size_t round_ = 0;  // how many answers it has
    std::size_t answers_ = 0;
    std::size_t failures_ = 0;
    std::size_t most_under_way_ = 0;
    std::size_t most_before_ = 0;  // the same of the round before
    std::size_t sample_count_ = 0;
    std::array<Duration, max_samples> samples_{};
};

}  // namespace flowrelay::core
