// The state of the destination: whether an attempt may begin, and what its end says.
//
//   up      as many may be under way as the concurrency limit allows
//   held    the server asked to wait (503 with Retry-After)
//   parked  the base URL seems to be wrong (3xx, 404, 405)
//   down    no connection several times in a row, or no answers or 5xx for several threads
//
// What it takes is in evidence.hpp: only what cannot be the trouble of one token is the
// destination's. In the last three states nothing begins until a time, and from then on one probe
// at a time until an answer shows that the destination is well again; after that the concurrency
// limit begins small. As long as no more than two tokens have shown the trouble, the next probe may
// be that of another token at any time: if it is answered well, it was theirs. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "concurrency_limit.hpp"
#include "evidence.hpp"
#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/random.hpp"
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
        /// The trouble is the token's already: there is nothing new in it.
        bool token_waits = false;
        /// No other token is active: the trouble of this one may be the destination's.
        bool alone = true;
    };

    explicit Breaker(std::size_t max_in_flight) noexcept : limit_(max_in_flight) {}

    void set_max_in_flight(std::size_t max) noexcept { limit_.set_max(max); }

    DestinationState state() const noexcept { return state_; }
    std::optional<MonoTime> closed_until() const noexcept { return gate_.closed_until(); }

    bool may_begin(MonoTime now) const noexcept { return gate_.admits(now) && has_room(); }

    /// Closed, and a token that has not shown the trouble may be tried before the time of the next
    /// probe: any of which admits_early() is true. A probe may hang for a request_timeout, so one
    /// may go beside it: where it is of a token that has shown the trouble, or else that of the
    /// token which was answered well last.
    bool is_open_to_others() const noexcept {
        return gate_.is_closed() && gate_.probes() < 2 && has_room() && can_be_others();
    }
    bool admits_early(TokenId token) const noexcept {
        const bool beside = is_suspect(probe_token_) || token == good_token_;
        return is_open_to_others() && !is_suspect(token) && (!gate_.has_probe() || beside);
    }
    bool admits(MonoTime now) const noexcept { return gate_.admits(now); }

    /// Changes with each outage: attempts of an earlier one tell nothing of the time after it.
    std::uint32_t era() const noexcept { return gate_.epoch(); }

    /// Attempts that may be under way at once, those aside that began before an outage.
    std::size_t allowance() const noexcept { return limit_.allowance(); }
    std::size_t under_way() const noexcept { return gate_.inside(); }
    bool has_room() const noexcept { return gate_.inside() < limit_.allowance(); }

    /// The time from which an attempt may begin: long ago when it may now, nothing when the end of
    /// an attempt has to come first.
    std::optional<MonoTime> may_begin_from() const noexcept;

    /// An attempt begins. Precondition: may_begin(), or admits_early() of its token.
    Pass begin(TokenId token) noexcept;

    /// By an operator: the next probe may begin at once.
    void try_now(MonoTime now) noexcept { gate_.try_now(now); }

    /// The server had asked to wait before the start.
    void hold(MonoTime until);

    /// Events go somewhere else now: forgets all that is known of the former destination.
    void renew();

    /// It did not take place after all.
    void cancel(const Pass& pass) noexcept { gate_.leave(pass); }

    /// It has ended. What is known of the event counts only when others were answered well since.
    /// Gives the new state if this changed it.
    std::optional<DestinationState> end(const Pass& pass, const Judgement& judgement, LaneId lane,
                                        Known known, const SchedulerOptions& options, MonoTime now,
                                        Random& random);

private:
    bool can_be_others() const noexcept {
        return !suspects_.empty() && suspects_.size() < Trouble::enough_tokens;
    }
    bool is_suspect(TokenId token) const noexcept;
    void suspect(TokenId token);
    bool is_ours(Evidence evidence, Known known, const SchedulerOptions& options,
                 MonoTime now) const noexcept;
    std::optional<DestinationState> change(DestinationState state);
    std::optional<DestinationState> close(DestinationState state, MonoTime until);
    std::optional<DestinationState> blame(Evidence evidence, DestinationState state,
                                          MonoTime until);
    std::optional<DestinationState> asked_to_wait(MonoTime until, bool current, LaneId lane,
                                                  Known known, const SchedulerOptions& options,
                                                  MonoTime now);
    std::optional<DestinationState> answered(TokenId token, MonoTime now);
    bool was_another_well(TokenId token, MonoTime since) const noexcept {
        return good_token_ != token && good_at_ != MonoTime::min() && good_at_ >= since;
    }
    void adapt(const Pass& pass, const Judgement& judgement, TokenId token, Known known,
               MonoTime now) noexcept;
    std::optional<DestinationState> probe_failed(Evidence evidence, LaneId lane, Known known,
                                                 const SchedulerOptions& options, MonoTime now,
                                                 Random& random);
    MonoTime next_probe(const SchedulerOptions& options, MonoTime now, Random& random);

    Gate gate_;
    DestinationState state_ = DestinationState::up;
    ConcurrencyLimit limit_;
    std::size_t allowance_before_ = 0;  // the outage
    Trouble trouble_;                   // while up
    std::vector<LaneId> outage_lanes_;  // of the outage: a server was there, and did no better
    std::vector<TokenId> suspects_;     // of the outage; empty: it can't be that of a few tokens
    MonoTime good_at_ = MonoTime::min();
    TokenId good_token_ = TokenId::none;  // whose answer that was
    unsigned passes_ = 0;  // probes of a parked one that may say nothing new and cost no wait
    TokenId probe_token_ = TokenId::none;  // of the probe that began last
    unsigned probes_failed_ = 0;           // each good answer takes one off
};

}  // namespace flowrelay::core::scheduling
