// Which event may be posted next, and what waits for what until when.
//
// Three levels, each with its own reason to wait: the destination (parked, asked to wait, down),
// the token (parked, asked to wait, paused, gone), the lane (an event of it in flight, backoff).
// Within a lane strictly one at a time in the order of Seq; tokens take turns, and within a token
// its lanes do (round robin). Each step costs O(log n) or less.
//
// Pure: time and randomness are arguments. Owned by one thread (the I/O thread).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flowrelay/base/random.hpp"
#include "flowrelay/core/backoff.hpp"
#include "flowrelay/core/queued_event.hpp"
#include "flowrelay/core/verdict.hpp"

namespace flowrelay::core {

struct SchedulerOptions {
    BackoffOptions lane_backoff;
    BackoffOptions token_backoff;             ///< 429 without Retry-After
    BackoffOptions destination_backoff;       ///< probes of a destination that is down
    Milliseconds token_probe{300'000};        ///< between probes of a parked token
    Milliseconds destination_probe{60'000};   ///< between probes of a parked destination
    Milliseconds max_age{5 * 86'400'000LL};   ///< retry.max_age
    /// The breaker: the destination is down after this many connection failures in a row, or ...
    unsigned breaker_failures = 5;
    /// ... after 5xx answers from this many different lanes with no success between.
    unsigned breaker_lanes = 3;
};

enum class DestinationState { up, held, parked, down };
enum class TokenState { active, throttled, parked, paused, gone };

std::string_view to_string(DestinationState state) noexcept;
std::string_view to_string(TokenState state) noexcept;

/// An event whose turn it is.
struct Assignment {
    Seq seq = Seq::none;
    LaneId lane;
    WallTime accepted;
    unsigned attempt = 1;  ///< of this event, this one included; 429 is not counted
    bool probe = false;    ///< sent to find out whether a token or the destination is well again
};

/// What has to be done after an attempt.
struct Completion {
    enum class Action {
        settle,        ///< record `outcome`; it left the scheduler
        retry,         ///< stays queued; next try not before `wait`
        disable_token, ///< 410: the whole token left the scheduler; record it and erase
    };
    Action action = Action::retry;
    Outcome outcome = Outcome::delivered;
    Milliseconds wait{0};
    unsigned attempt = 0;
    /// What changed by this attempt, for the log; nothing when it stayed as it was.
    std::optional<DestinationState> destination_changed;
    std::optional<TokenState> token_changed;
};

class Scheduler {
public:
    Scheduler(SchedulerOptions options, Random random);
    ~Scheduler();
    Scheduler(const Scheduler&) = delete;
    Scheduler& operator=(const Scheduler&) = delete;

    /// A new set of options from now on; waits that already run keep their ends.
    void set_options(SchedulerOptions options);

    /// Takes an event that is durable. Its token may be unknown yet. An event may come with a
    /// smaller seq than others of its lane (replay): it takes its place in the order.
    void enqueue(const QueuedEvent& event);

    /// The next event that may be posted now, marked as in flight; nothing when all wait. Events
    /// that are over their age are never given: see take_expired.
    std::optional<Assignment> next(Now now);

    /// An attempt has ended. `seq` is in flight.
    Completion complete(Seq seq, const Judgement& judgement, Now now);

    /// The attempt did not take place (shutdown, the event could not be read): as if never given.
    void release(Seq seq, Now now);

    /// Takes events that are over their age and not in flight, at most `limit`.
    std::vector<QueuedEvent> take_expired(Now now, std::size_t limit);

    /// The earliest time at which next() or take_expired() may have something that they do not
    /// have now; nothing if only an input can change that.
    std::optional<MonoTime> next_wakeup(Now now) const;

    /// Takes a token with all its events that are not in flight out; gives how many there were.
    /// Events in flight end with complete(), whose verdict then only settles or drops them.
    std::size_t remove_token(TokenId token);

    /// By an operator, or at start from what is recorded.
    void pause_token(TokenId token);
    void resume_token(TokenId token);
    void park_token(TokenId token, Now now);

    struct Status {
        std::size_t queued = 0;     ///< in flight included
        std::size_t in_flight = 0;
        std::size_t lanes = 0;      ///< with at least one event
        std::size_t waiting_lanes = 0;  ///< in backoff
        WallTime oldest;            ///< accept time of the oldest event; meaningless if none
        DestinationState destination = DestinationState::up;
        std::optional<MonoTime> destination_until;
    };
    Status status() const;

    struct TokenStatus {
        std::size_t queued = 0;
        TokenState state = TokenState::active;
        std::optional<MonoTime> until;
    };
    TokenStatus token_status(TokenId token) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace flowrelay::core
