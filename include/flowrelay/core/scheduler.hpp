// Which event may be posted next, and what waits for what until when.
//
// Three levels, each with its own reason to wait: the destination (parked, asked to wait, down, as
// much under way as it can take, rate limit), the token (parked, asked to wait, paused, gone, rate
// limit), the lane (an event of it in flight, backoff).
// Within a lane strictly one at a time in the order of Seq; tokens take turns, and within a token
// its lanes do (round robin). Each step costs O(log n) or less; only remove_token() costs O(events
// of the token). A lane is remembered as long as it has events.
//
// What an answer says about the destination or a token counts only if its attempt began after the
// last time that they were closed: many requests that fail together are one failure. What the
// server asks for explicitly (Retry-After) counts whenever it comes.
//
// Trouble belongs to the narrowest scope that explains what was seen since the last good answers:
// the table is in daemon/core/evidence.cpp. A 401 or 404 may be about one event and not about the
// token or the URL. So when others have been answered well since, the same answer to the same event
// delays its lane alone, as a 5xx would.
//
// The number of attempts under way adapts to what the destination can take (ConcurrencyLimit):
// SchedulerOptions::max_in_flight at most, one probe at a time while it is not well, and few in the
// slow start after that. Attempts that began before an outage and still hang are not counted. A
// lane that goes on failing, or a token that goes on being throttled, does not bring it down. A
// token has at most half of them while others are ready, and leaves an eighth of them free as long
// as others have been active lately, or as it had no good answer lately: its requests may hang.
//
// A server that refuses for going too fast (429, 503 among good answers) is sent what it was seen
// to take, evenly spaced: see daemon/core/pace.hpp. That goes for the token that was refused, or
// for all when others were, too.
//
// An attempt takes from the buckets of its rate limits when it is given, whatever becomes of it.
//
// Pure: time and randomness are arguments. Owned by one thread (the I/O thread).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flowrelay/base/fingerprint.hpp"
#include "flowrelay/base/random.hpp"
#include "flowrelay/core/backoff.hpp"
#include "flowrelay/core/queued_event.hpp"
#include "flowrelay/core/verdict.hpp"

namespace flowrelay::core {

struct SchedulerOptions {
    BackoffOptions lane_backoff;
    BackoffOptions token_backoff;            ///< 429 without Retry-After
    BackoffOptions destination_backoff;      ///< probes of a destination that is down
    Milliseconds token_probe{300'000};       ///< between probes of a parked token
    Milliseconds destination_probe{60'000};  ///< between probes of a parked destination
    Milliseconds max_age{5 * 86'400'000LL};  ///< retry.max_age
    /// The breaker: the destination is down after this many connection failures in a row, or ...
    unsigned breaker_failures = 5;
    /// ... after 5xx answers from this many different lanes with no success between.
    unsigned breaker_lanes = 3;
    std::size_t max_in_flight = 32;  ///< at least 1
    /// Events per second, all tokens together; 0: no limit.
    double rate_limit = 0;
    /// How many may go at once after a pause; 0: what rate_limit lets go in a second, at least 1.
    double rate_burst = 0;
};

/// Other than `up`: nothing is sent until a time, and after it one probe at a time, until an answer
/// shows that the destination is well: any but a failure, a 5xx and those that park it.
enum class DestinationState {
    up,
    held,    ///< 503 with Retry-After
    parked,  ///< 3xx, 404, 405: the base URL is wrong
    down,    ///< the breaker is open
};

/// `throttled`, `parked` and `failing` end like those of the destination: with the first probe that
/// is answered otherwise (2xx or a rejection; for `parked` and `failing` a 429 as well).
enum class TokenState {
    active,
    throttled,  ///< 429, or 503 with Retry-After to several threads of this token alone
    parked,     ///< 401, 403; or 3xx, 404, 405 to this token alone
    failing,    ///< 5xx, or no answers, to several threads of this token alone
    paused,     ///< by an operator
    gone,       ///< removed; some of its events are still in flight
};

std::string_view to_string(DestinationState state) noexcept;
std::string_view to_string(TokenState state) noexcept;

/// What a time to wait that the server named is about.
enum class Scope { thread, token, destination };

/// What decides whose an answer is: the token in the slot and the way to the destination.
struct SentWith {
    Fingerprint token{};
    std::uint32_t destination = 0;  ///< changes with the base URL, the path or the proxy

    friend bool operator==(const SentWith&, const SentWith&) = default;
};

/// An event whose turn it is.
struct Assignment {
    Seq seq = Seq::none;
    LaneId lane;
    WallTime accepted;
    unsigned attempt = 1;  ///< of this event, this one included; 429 is not counted
    bool probe = false;    ///< sent to find out whether a token or the destination is well again
    bool sent = false;     ///< it may have been sent before, by this process
    SentWith with;         ///< as Destination::sent_with_now() says
};

/// What has to be done after an attempt.
///
/// An event whose token was removed while it was in flight is always settled: as delivered if it
/// was, otherwise as erased. It then belongs to what the erasure of its token settles, so where
/// that is still to come it needs no record of its own.
struct Completion {
    enum class Action {
        settle,         ///< record `outcome`; it left the scheduler
        retry,          ///< stays queued; next try not before `wait`
        hold,           ///< stays queued; its lane waits for an operator
        disable_token,  ///< 410: the whole token left the scheduler; record it and erase
    };
    Action action = Action::retry;
    Outcome outcome = Outcome::delivered;  ///< of `settle`
    Milliseconds wait{0};     ///< of `retry`: the longest of the lane's, token's, destination's
    unsigned attempt = 0;     ///< the number that the Assignment had
    std::size_t removed = 0;  ///< of `disable_token`: events that left, this one included
    /// The server named a time to wait: who waits for it.
    std::optional<Scope> asked_to_wait;
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

    /// If the destination is in trouble the next probe may be sent at once.
    void try_destination_now(Now now);

    /// Takes an event that is durable. Its token may be unknown yet, or was removed and is there
    /// again. An event may come with a smaller seq than others of its lane (replay): it takes its
    /// place in the order; a wait of the lane goes on. Throws std::logic_error for a seq that is in
    /// the scheduler already.
    void enqueue(const QueuedEvent& event);

    /// The next event that may be posted now, marked as in flight; nothing when all wait. Events
    /// that are over their age are never given, nor what is behind them in their lane: see
    /// take_expired.
    std::optional<Assignment> next(Now now);

    /// An attempt has ended. Throws std::logic_error if `seq` is not in flight.
    Completion complete(Seq seq, const Judgement& judgement, Now now);

    /// The attempt did not take place (shutdown): as if never given. False if its token was removed
    /// meanwhile and the event left with it. Throws std::logic_error if `seq` is not in flight.
    bool release(Seq seq, Now now);

    /// An attempt has ended that was made with another token than the slot has now, or went to
    /// another destination. Unless it was delivered the event can be given again at once, and no
    /// attempt is counted; either way the answer says nothing of its thread, the token and the
    /// destination. `sent`: the event may have been sent. Throws like complete().
    Completion complete_outdated(Seq seq, bool delivered, bool sent, Now now);

    /// Whether the event is in flight, and its token neither paused nor removed since it was given.
    bool may_be_sent(Seq seq) const;

    /// The attempt did not take place because the event could not be read, which says nothing of
    /// token and destination. `lost`: it never will be, and dies; otherwise its lane waits.
    Completion unreadable(Seq seq, bool lost, Now now);

    /// Takes an event out that is not in flight (an operator drops it); nothing if it is in flight
    /// or not there.
    std::optional<QueuedEvent> take(Seq seq);

    /// An operator wants the lane of an event that was rejected to go on: the event is tried again.
    /// False: its lane is not held.
    bool release_lane(Seq seq);

    /// An event of the lane has left for good, and after a crash it may be there again: nothing
    /// more of the lane is given until as many calls with false have followed as there were with
    /// true. The lane may have no events.
    void block_lane(const LaneId& lane, bool blocked);

    /// The events of a token that were rejected and hold their lanes.
    std::vector<Seq> held(TokenId token) const;

    /// The threads of a token that have events here, so many of them at most.
    std::vector<std::uint64_t> threads(TokenId token, std::size_t limit) const;

    /// An operator wants it tried now: its lane's wait ends, and where its token or the destination
    /// waits, the next probe may be sent at once. A pause and the rate limits stay. False: it is
    /// not in the scheduler.
    bool try_now(Seq seq, Now now);

    /// Whether events expire: true unless this says otherwise. While they do not, take_expired()
    /// takes none, and events over their age are given like others.
    void set_expiring(bool expiring);

    /// Takes events that are over their age and not in flight, at most `limit`. Each lane goes on
    /// at once with what is left: waits and attempts are those of the event that left.
    std::vector<QueuedEvent> take_expired(Now now, std::size_t limit);

    /// The earliest time after now at which next() may have something that it does not have now,
    /// or take_expired() may have something, be it now; nothing if only an input can change that.
    /// What next() has now already is no reason to wake up: who has no free connection for it calls
    /// next() when one is free again. May be too early, never too late.
    std::optional<MonoTime> next_wakeup(Now now) const;

    /// Takes a token with all its events that are not in flight out; gives how many there were.
    /// Events in flight end with complete(), whose verdict then only settles or drops them. What
    /// was known of the token (parked, paused) is forgotten.
    std::size_t remove_token(TokenId token);

    /// By an operator, or at start from what is recorded. Nothing more is given until resumed.
    void pause_token(TokenId token);
    /// Ends a pause, and a park too: it is tried at once. A throttle goes on.
    void resume_token(TokenId token);
    /// Another token lies in the slot: all that was said of the former one is forgotten, and its
    /// threads do not wait any longer, except for an operator and for the rate limit.
    void renew_token(TokenId token);
    /// Events go somewhere else now: the same for all tokens, and for the destination itself, which
    /// begins again as after an outage.
    void renew_destination();
    /// Events per second of this token, in bursts of max(1, rate); 0: no limit. Stays until it is
    /// set again, also when the token is removed.
    void set_token_rate(TokenId token, double rate);
    /// At start: the server had asked to wait until then.
    void hold_token(TokenId token, MonoTime until);
    void hold_destination(MonoTime until);
    /// As if it had been answered 401 now.
    void park_token(TokenId token, Now now);

    struct Status {
        std::size_t queued = 0;  ///< in flight included
        std::size_t in_flight = 0;
        std::size_t lanes = 0;          ///< with at least one event
        std::size_t waiting_lanes = 0;  ///< in backoff
        std::size_t held_lanes = 0;     ///< for an operator
        WallTime oldest;                ///< when the event with the smallest seq was accepted
        DestinationState destination = DestinationState::up;
        /// Of the other states: the next probe. In the past: as soon as there is one to send.
        std::optional<MonoTime> destination_until;
        std::size_t allowance = 0;  ///< attempts that may be under way: 1 to max_in_flight
        /// Its rate limit lets nothing begin before. In the past: it does not any more.
        std::optional<MonoTime> rate_limited_until;
    };
    /// O(1).
    Status status() const;

    struct TokenStatus {
        std::size_t queued = 0;
        std::size_t held_lanes = 0;  ///< for an operator
        TokenState state = TokenState::active;
        /// Of throttled, parked and failing, as destination_until.
        std::optional<MonoTime> until;
        /// Of parked: when one of its few threads is tried, if no other event comes before.
        std::optional<MonoTime> probe_by;
        /// Its rate limit lets nothing begin before. In the past: it does not any more.
        std::optional<MonoTime> rate_limited_until;
        /// As rate_limited_until: what the server was seen to take of this token lets nothing
        /// begin.
        std::optional<MonoTime> paced_until;
    };
    /// A token of which nothing is known is active and has no events.
    TokenStatus token_status(TokenId token) const;

    bool contains(Seq seq) const;

    /// Events of a lane that are in the scheduler, in flight included. O(log n).
    std::size_t lane_size(const LaneId& lane) const;

    /// The chain of causes: why an event has not been posted yet.
    struct WaitReason {
        LaneId lane;
        bool in_flight = false;  ///< this event
        unsigned attempts = 0;   ///< of this event, so far
        Seq lane_next;  ///< the event of the lane that is in flight, or holds it, or has its turn
        bool lane_next_in_flight = false;
        std::optional<MonoTime> lane_until;  ///< the lane is in backoff
        bool lane_held = false;              ///< until an operator decides: release_lane(), take()
        bool lane_blocked = false;           ///< see block_lane()
        TokenStatus token;
        DestinationState destination = DestinationState::up;
        std::optional<MonoTime> destination_until;
        std::optional<MonoTime> destination_rate_limited_until;
        std::optional<MonoTime> destination_paced_until;  ///< as TokenStatus::paced_until, of all
        bool destination_full = false;  ///< as many attempts are under way as it can take
        bool token_full = false;  ///< as many attempts of the token are under way as its share
    };
    /// Nothing for an event that is not in the scheduler.
    std::optional<WaitReason> why(Seq seq) const;
    /// What holds a lane as a whole: of an event that is not in the scheduler yet. `lane_next` is
    /// none when nothing of the lane is.
    WaitReason why(const LaneId& lane) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace flowrelay::core
