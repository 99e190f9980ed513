// The state of the destination: whether an attempt may begin, and what its end says.
//
//   up      all may begin, after an outage no more than the allowance of the slow start
//   held    the server asked to wait (503 with Retry-After)
//   parked  the base URL seems to be wrong (3xx, 404, 405)
//   down    no connection or no answer several times in a row, or 5xx for several lanes
//
// In the last three nothing begins until a time, and from then on one probe at a time until an
// answer shows that the destination is well again. Pure.
#pragma once

#include <limits>
#include <optional>
#include <vector>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/random.hpp"
#include "flowrelay/core/scheduler.hpp"
#include "gate.hpp"

namespace flowrelay::core::scheduling {

class Breaker {
public:
    using Pass = Gate::Pass;

    /// Attempts that may be under way at once when the destination has just come back. Each good
    /// answer allows one more, which doubles them with every round, ...
    static constexpr std::size_t slow_start_begin = 2;
    /// ... and from here on there is no limit.
    static constexpr std::size_t slow_start_end = 32;

    DestinationState state() const noexcept { return state_; }
    std::optional<MonoTime> closed_until() const noexcept { return gate_.closed_until(); }

    bool may_begin(MonoTime now) const noexcept {
        return gate_.admits(now) && gate_.inside() < allowance_;
    }

    /// The time from which an attempt may begin: long ago when it may now, nothing when the end of
    /// an attempt has to come first.
    std::optional<MonoTime> may_begin_from() const noexcept;

    /// An attempt begins. Precondition: may_begin().
    Pass begin() noexcept { return gate_.enter(); }

    /// It did not take place after all.
    void cancel(Pass pass) noexcept { gate_.leave(pass); }

    /// It has ended. `blamed`: the lane's head has been answered as if the base URL were wrong
    /// before; when others were answered well since, that is the lane's own trouble. Gives the new
    /// state if this changed it.
    std::optional<DestinationState> end(Pass pass, const Judgement& judgement, LaneId lane,
                                        bool blamed, const SchedulerOptions& options, MonoTime now,
                                        Random& random);

private:
    std::optional<DestinationState> change(DestinationState state);
    std::optional<DestinationState> close(DestinationState state, MonoTime until);
    std::optional<DestinationState> answered();
    std::optional<DestinationState> probe_failed(const Judgement& judgement,
                                                 const SchedulerOptions& options, MonoTime now,
                                                 Random& random);
    bool too_many_failures(const Judgement& judgement, LaneId lane,
                           const SchedulerOptions& options);
    MonoTime next_probe(const SchedulerOptions& options, MonoTime now, Random& random);

    static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

    Gate gate_;
    DestinationState state_ = DestinationState::up;
    std::size_t allowance_ = unlimited;
    unsigned failures_in_a_row_ = 0;     // of connections, while up
    unsigned probes_failed_ = 0;         // kept until a slow start is over: a relapse goes on here
    std::vector<LaneId> failing_lanes_;  // answered 5xx since the last success
};

}  // namespace flowrelay::core::scheduling
