// The state of the destination: whether an attempt may begin, and what its end says.
//
//   up      as many may be under way as the concurrency limit allows
//   held    the server asked to wait (503 with Retry-After)
//   parked  the base URL seems to be wrong (3xx, 404, 405)
//   down    no connection or no answer several times in a row, or 5xx for several lanes; no answers
//           must have been those of several lanes, too: an event may be too much for the server
//
// In the last three nothing begins until a time, and from then on one probe at a time until an
// answer shows that the destination is well again; after that the concurrency limit begins small.
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/random.hpp"
#include "flowrelay/core/concurrency_limit.hpp"
#include "flowrelay/core/scheduler.hpp"
#include "gate.hpp"

namespace flowrelay::core::scheduling {

class Breaker {
public:
    struct Pass : Gate::Pass {
        ConcurrencyLimit::Ticket ticket;
    };

    /// What was known of the trouble with an event, its lane or its token before it was sent this
    /// time. It says less about the destination, or nothing.
    struct Known {
        bool wrong_url = false;  ///< the event has been answered as if the base URL were wrong
        bool trouble = false;    ///< the lane has failed, or the token been throttled
    };

    /// After so many good answers an outage is over: the next one begins with a short backoff.
    static constexpr unsigned answers_to_recover = 32;

    explicit Breaker(std::size_t max_in_flight) noexcept : limit_(max_in_flight) {}

    void set_max_in_flight(std::size_t max) noexcept { limit_.set_max(max); }

    DestinationState state() const noexcept { return state_; }
    std::optional<MonoTime> closed_until() const noexcept { return gate_.closed_until(); }

    bool may_begin(MonoTime now) const noexcept { return gate_.admits(now) && has_room(); }

    /// Attempts that may be under way at once, those aside that began before an outage.
    std::size_t allowance() const noexcept { return limit_.allowance(); }
    bool has_room() const noexcept { return gate_.inside() < limit_.allowance(); }

    /// The time from which an attempt may begin: long ago when it may now, nothing when the end of
    /// an attempt has to come first.
    std::optional<MonoTime> may_begin_from() const noexcept;

    /// An attempt begins. Precondition: may_begin().
    Pass begin() noexcept;

    /// By an operator: the next probe may begin at once.
    void hurry(MonoTime now) noexcept { gate_.hurry(now); }

    /// The server had asked to wait before the start.
    void hold(MonoTime until) { close(DestinationState::held, until); }

    /// It did not take place after all.
    void cancel(const Pass& pass) noexcept { gate_.leave(pass); }

    /// It has ended. What is known of the event counts only when others were answered well since.
    /// Gives the new state if this changed it.
    std::optional<DestinationState> end(const Pass& pass, const Judgement& judgement, LaneId lane,
                                        Known known, const SchedulerOptions& options, MonoTime now,
                                        Random& random);

private:
    std::optional<DestinationState> change(DestinationState state);
    std::optional<DestinationState> close(DestinationState state, MonoTime until);
    std::optional<DestinationState> answered(MonoTime now);
    void adapt(const Pass& pass, const Judgement& judgement, Known known) noexcept;
    std::optional<DestinationState> probe_failed(const Judgement& judgement, LaneId lane,
                                                 const SchedulerOptions& options, MonoTime now,
                                                 Random& random);
    void break_row() noexcept;
    bool too_many_failures(const Judgement& judgement, LaneId lane,
                           const SchedulerOptions& options);
    MonoTime next_probe(const SchedulerOptions& options, MonoTime now, Random& random);

    Gate gate_;
    DestinationState state_ = DestinationState::up;
    ConcurrencyLimit limit_;
    unsigned failures_in_a_row_ = 0;     // of connections, while up
    std::vector<LaneId> silent_lanes_;   // of these, that were sent and not answered
    unsigned probes_failed_ = 0;         // kept until it has recovered: a relapse goes on here
    unsigned answers_since_outage_ = 0;  // good ones, until it has recovered
    std::vector<LaneId> failing_lanes_;  // answered 5xx since the last success
    std::vector<LaneId> outage_lanes_;   // of the outage: a server was there, and did no better
};

}  // namespace flowrelay::core::scheduling
