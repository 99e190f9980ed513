#include "flowrelay/core/scheduler.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>

#include "breaker.hpp"
#include "flowrelay/core/rate_limiter.hpp"
#include "turns.hpp"

namespace flowrelay::core {

std::string_view to_string(DestinationState state) noexcept {
    switch (state) {
        case DestinationState::up:
            return "up";
        case DestinationState::held:
            return "held";
        case DestinationState::parked:
            return "parked";
        case DestinationState::down:
            return "down";
    }
    return "unknown";
}

std::string_view to_string(TokenState state) noexcept {
    switch (state) {
        case TokenState::active:
            return "active";
        case TokenState::throttled:
            return "throttled";
        case TokenState::parked:
            return "parked";
        case TokenState::paused:
            return "paused";
        case TokenState::gone:
            return "gone";
    }
    return "unknown";
}

using scheduling::Breaker;
using scheduling::Event;
using scheduling::Gate;
using scheduling::Lane;
using scheduling::Token;
using scheduling::Turns;

namespace {

struct Attempt {
    Event* event = nullptr;
    Breaker::Pass destination;
    Gate::Pass token;
    bool removed = false;  // its token was, and another may stand in its place
};

// Nobody sleeps longer than this, and the sum of any two times stays in range.
constexpr Milliseconds farthest_wakeup = std::chrono::hours(24 * 365);

TokenState state_of(const Token& token) noexcept {
    if (token.removed && token.queued > 0) return TokenState::gone;
    return token.paused ? TokenState::paused : token.gate.state();
}

}  // namespace

// The attempts: how they begin, and what their ends mean for event, lane, token and destination.
struct Scheduler::Impl {
    Impl(SchedulerOptions scheduler_options, Random scheduler_random)
        : options(std::move(scheduler_options)),
          random(scheduler_random),
          breaker(options.max_in_flight),
          rate(options.rate_limit) {}

    bool may_begin(MonoTime now) const noexcept {
        return breaker.may_begin(now) && rate.available_from() <= now;
    }

    Assignment begin(Event& event, Gate::Pass token, MonoTime now) {
        rate.take(now);
        const auto destination = breaker.begin();
        in_flight.emplace(event.seq, Attempt{&event, destination, token});
        return Assignment{event.seq, event.lane->id(), event.accepted, event.attempts + 1,
                          destination.probe || token.probe};
    }

    Attempt take_attempt(Seq seq) {
        const auto found = in_flight.find(seq);
        if (found == in_flight.end()) {
            throw std::logic_error("event " + std::to_string(to_number(seq)) + " is not in flight");
        }
        const Attempt attempt = found->second;
        in_flight.erase(found);
        return attempt;
    }

    // For an attempt that did not take place: nothing was learned.
    Attempt cancel_attempt(Seq seq) {
        const Attempt attempt = take_attempt(seq);
        breaker.cancel(attempt.destination);
        if (!attempt.removed) attempt.event->lane->token->gate.cancel(attempt.token);
        return attempt;
    }

    Completion settle(Event& event, Outcome outcome, Completion completion) {
        completion.action = Completion::Action::settle;
        completion.outcome = outcome;
        turns.settle(event);
        return completion;
    }

    Completion keep(Event& event, bool lane_waits, Completion completion, MonoTime now) {
        Lane& lane = *event.lane;
        std::optional<MonoTime> until;
        if (lane_waits) until = now + backoff(options.lane_backoff, ++lane.failures, random);
        turns.put_back(event, until);
        completion.action = Completion::Action::retry;
        const MonoTime all =
            std::max({now, until.value_or(now), lane.token->gate.closed_until().value_or(now),
                      turns.rate_limited_until(*lane.token).value_or(now),
                      breaker.closed_until().value_or(now), rate.available_from()});
        completion.wait = std::chrono::ceil<Milliseconds>(all - now);
        return completion;
    }

    // Whether the lane has to wait, or only its token or the destination.
    bool must_wait(const Lane& lane, const Judgement& judgement) const noexcept {
        switch (judgement.verdict) {
            case Verdict::retry:
                return !judgement.connection_failure || judgement.after_sending ||
                       breaker.state() != DestinationState::down;
            case Verdict::park_token:
                return lane.blamed_token && !lane.token->gate.is_closed();
            case Verdict::park_destination:
                return lane.blamed_destination && !breaker.closed_until();
            case Verdict::delivered:
            case Verdict::gone:
            case Verdict::throttled:
            case Verdict::rejected:
                break;
        }
        return false;
    }

    Completion retry(Event& event, const Judgement& judgement, Completion completion,
                     MonoTime now) {
        Lane& lane = *event.lane;
        const bool lane_waits = must_wait(lane, judgement);
        if (judgement.verdict != Verdict::throttled) ++event.attempts;
        if (judgement.verdict == Verdict::park_token) lane.blamed_token = true;
        if (judgement.verdict == Verdict::park_destination) lane.blamed_destination = true;
        return keep(event, lane_waits, completion, now);
    }

    Completion hold(Event& event, Completion completion) {
        ++event.attempts;
        turns.hold(event);
        completion.action = Completion::Action::hold;
        return completion;
    }

    std::size_t remove(Token& token) {
        return turns.clear(token,
                           [this](const Event& event) { in_flight.at(event.seq).removed = true; });
    }

    Completion disable(Event& event, Completion completion) {
        Token& token = *event.lane->token;
        completion.action = Completion::Action::disable_token;
        completion.outcome = Outcome::erased;
        completion.token_changed = TokenState::gone;
        event.lane->in_flight = nullptr;
        completion.removed = remove(token);
        return completion;
    }

    static Breaker::Known known_of(const Lane& lane, const Attempt& attempt,
                                   const Judgement& judgement) noexcept {
        const auto& gate = lane.token->gate;
        const bool first_throttle =
            gate.state() == TokenState::active && gate.is_current(attempt.token);
        const bool trouble =
            judgement.verdict == Verdict::throttled ? !first_throttle : lane.failures > 0;
        return {lane.blamed_destination, trouble};
    }

    Completion complete(Seq seq, const Judgement& judgement, MonoTime now) {
        const Attempt attempt = take_attempt(seq);
        Event& event = *attempt.event;
        Lane& lane = *event.lane;
        Completion completion;
        completion.attempt = event.attempts + 1;
        completion.destination_changed =
            breaker.end(attempt.destination, judgement, lane.id(),
                        known_of(lane, attempt, judgement), options, now, random);
        if (attempt.removed) {
            const bool delivered = judgement.verdict == Verdict::delivered;
            return settle(event, delivered ? Outcome::delivered : Outcome::erased, completion);
        }
        if (judgement.verdict == Verdict::gone) return disable(event, completion);

        Token& token = *lane.token;
        completion.token_changed =
            token.gate.end(attempt.token, judgement, lane.blamed_token, options, now, random);
        turns.set_timer(token);
        switch (judgement.verdict) {
            case Verdict::delivered:
                return settle(event, Outcome::delivered, completion);
            case Verdict::rejected:
                return judgement.hold_lane ? hold(event, completion)
                                           : settle(event, Outcome::dead, completion);
            default:
                return retry(event, judgement, completion, now);
        }
    }

    TokenStatus status_of(const Token& token) const {
        return TokenStatus{token.queued, token.held_lanes, state_of(token),
                           token.gate.closed_until(), turns.rate_limited_until(token)};
    }

    WaitReason why_lane(const Lane& lane) const {
        WaitReason reason;
        reason.lane = lane.id();
        reason.lane_next = lane.in_flight ? lane.in_flight->seq : lane.head().seq;
        reason.lane_next_in_flight = lane.in_flight != nullptr;
        if (lane.is_armed()) reason.lane_until = lane.at;
        reason.lane_held = lane.held != nullptr;
        reason.token = status_of(*lane.token);
        add_destination(reason);
        return reason;
    }

    void add_destination(WaitReason& reason) const {
        reason.destination = breaker.state();
        reason.destination_until = breaker.closed_until();
        reason.destination_rate_limited_until = rate_limited_until();
        reason.destination_full = !breaker.has_room();
    }

    // Like that of a token: as far as it was still to come when there was last a look for turns.
    std::optional<MonoTime> rate_limited_until() const noexcept {
        const MonoTime from = rate.available_from();
        return from > looked_at ? std::optional(from) : std::nullopt;
    }

    // The time from which an attempt may begin; nothing when the end of another has to come first.
    std::optional<MonoTime> may_begin_from() const noexcept {
        const auto open = breaker.may_begin_from();
        return open ? std::optional(std::max(*open, rate.available_from())) : std::nullopt;
    }

    // When next() may have something new; nothing when only an input can bring it.
    std::optional<MonoTime> next_turn(MonoTime now) const noexcept {
        const auto open = may_begin_from();
        if (!open) return std::nullopt;
        if (*open > now && turns.is_any_ready(now)) return open;
        const auto timer = turns.next_timer(now);
        return timer ? std::optional(std::max(*timer, *open)) : std::nullopt;
    }

    std::optional<MonoTime> next_expiry(Now now) const noexcept {
        const auto due = expiring ? turns.next_expiry(options.max_age) : std::nullopt;
        if (!due) return std::nullopt;
        if (*due <= now.wall) return now.mono;
        return now.mono + std::min<Milliseconds>(*due - now.wall, farthest_wakeup);
    }

    SchedulerOptions options;
    Random random;
    Turns turns;
    Breaker breaker;
    RateLimiter rate;  // of the destination
    MonoTime looked_at = MonoTime::min();
    bool expiring = true;
    std::unordered_map<Seq, Attempt> in_flight;
};

Scheduler::Scheduler(SchedulerOptions options, Random random)
    : impl_(std::make_unique<Impl>(std::move(options), random)) {}

Scheduler::~Scheduler() = default;

void Scheduler::set_options(SchedulerOptions options) {
    impl_->options = std::move(options);
    impl_->breaker.set_max_in_flight(impl_->options.max_in_flight);
    impl_->rate.set_rate(impl_->options.rate_limit);
    impl_->turns.reconsider_overdue();
}

void Scheduler::hurry_destination(Now now) {
    impl_->breaker.hurry(now.mono);
}

void Scheduler::enqueue(const QueuedEvent& event) {
    impl_->turns.add(event);
}

std::optional<Assignment> Scheduler::next(Now now) {
    impl_->looked_at = std::max(impl_->looked_at, now.mono);
    if (!impl_->may_begin(now.mono)) return std::nullopt;
    do {
        impl_->turns.advance(now);
        const auto begun = impl_->turns.begin(
            now, impl_->expiring ? std::optional(impl_->options.max_age) : std::nullopt);
        if (begun) return impl_->begin(begun->event, begun->pass, now.mono);
    } while (impl_->turns.is_any_ready(now.mono));
    return std::nullopt;
}

Completion Scheduler::complete(Seq seq, const Judgement& judgement, Now now) {
    return impl_->complete(seq, judgement, now.mono);
}

bool Scheduler::release(Seq seq, Now) {
    const Attempt attempt = impl_->cancel_attempt(seq);
    if (attempt.removed) {
        impl_->turns.settle(*attempt.event);
    } else {
        impl_->turns.put_back(*attempt.event, std::nullopt);
    }
    return !attempt.removed;
}

Completion Scheduler::unreadable(Seq seq, bool lost, Now now) {
    const Attempt attempt = impl_->cancel_attempt(seq);
    Completion completion;
    completion.attempt = attempt.event->attempts + 1;
    if (attempt.removed) return impl_->settle(*attempt.event, Outcome::erased, completion);
    if (lost) return impl_->settle(*attempt.event, Outcome::dead, completion);
    return impl_->keep(*attempt.event, true, completion, now.mono);
}

std::optional<QueuedEvent> Scheduler::take(Seq seq) {
    Event* event = impl_->turns.find(seq);
    if (!event || event == event->lane->in_flight) return std::nullopt;
    return impl_->turns.leave(*event);
}

bool Scheduler::release_lane(Seq seq) {
    Event* event = impl_->turns.find(seq);
    if (!event || !event->lane->held) return false;
    impl_->turns.release(*event->lane);
    return true;
}

bool Scheduler::hurry(Seq seq, Now now) {
    Event* event = impl_->turns.find(seq);
    if (!event) return false;
    Lane& lane = *event->lane;
    Token& token = *lane.token;
    impl_->breaker.hurry(now.mono);
    token.gate.hurry(now.mono);
    impl_->turns.update(token);
    if (!lane.in_flight) {
        impl_->turns.release(lane);
        impl_->turns.hurry(lane);
    }
    return true;
}

void Scheduler::set_expiring(bool expiring) {
    if (expiring == impl_->expiring) return;
    impl_->expiring = expiring;
    impl_->turns.reconsider_overdue();
}

std::vector<QueuedEvent> Scheduler::take_expired(Now now, std::size_t limit) {
    std::vector<QueuedEvent> taken;
    while (impl_->expiring && taken.size() < limit) {
        Event* event = impl_->turns.find_expired(now.wall, impl_->options.max_age);
        if (!event) break;
        taken.push_back(impl_->turns.leave(*event));
    }
    return taken;
}

std::optional<MonoTime> Scheduler::next_wakeup(Now now) const {
    const auto turn = impl_->next_turn(now.mono);
    const auto expiry = impl_->next_expiry(now);
    if (turn && expiry) return std::min(*turn, *expiry);
    return turn ? turn : expiry;
}

std::size_t Scheduler::remove_token(TokenId id) {
    Token* token = impl_->turns.find(id);
    return token ? impl_->remove(*token) : 0;
}

void Scheduler::pause_token(TokenId id) {
    Token& token = impl_->turns.find_or_add(id);
    token.paused = true;
    token.removed = false;
    impl_->turns.update(token);
}

void Scheduler::resume_token(TokenId id) {
    Token* token = impl_->turns.find(id);
    if (!token) return;
    token->paused = false;
    if (token->gate.state() == TokenState::parked) {
        token->gate.open();
        // Another answer of the same kind is about the token again, not about one event.
        for (Lane& lane : token->lanes) lane.blamed_token = false;
    }
    impl_->turns.update(*token);
}

void Scheduler::set_token_rate(TokenId id, double rate) {
    impl_->turns.set_rate(id, rate);
}

void Scheduler::hold_token(TokenId id, MonoTime until) {
    Token& token = impl_->turns.find_or_add(id);
    token.gate.hold(until);
    impl_->turns.update(token);
}

void Scheduler::hold_destination(MonoTime until) {
    impl_->breaker.hold(until);
}

void Scheduler::park_token(TokenId id, Now now) {
    Token& token = impl_->turns.find_or_add(id);
    token.gate.park(now.mono + impl_->options.token_probe);
    token.removed = false;
    impl_->turns.update(token);
}

Scheduler::Status Scheduler::status() const {
    const auto& table = impl_->turns.table();
    Status status;
    status.queued = table.events();
    status.in_flight = impl_->in_flight.size();
    status.lanes = table.lanes();
    status.waiting_lanes = impl_->turns.waiting_lanes();
    status.held_lanes = impl_->turns.held_lanes();
    if (const Event* oldest = table.oldest()) status.oldest = oldest->accepted;
    status.destination = impl_->breaker.state();
    status.destination_until = impl_->breaker.closed_until();
    status.allowance = impl_->breaker.allowance();
    status.rate_limited_until = impl_->rate_limited_until();
    return status;
}

Scheduler::TokenStatus Scheduler::token_status(TokenId id) const {
    const Token* token = impl_->turns.table().find(id);
    return token ? impl_->status_of(*token) : TokenStatus();
}

bool Scheduler::contains(Seq seq) const {
    return impl_->turns.table().find(seq) != nullptr;
}

std::size_t Scheduler::lane_size(const LaneId& lane) const {
    const Token* token = impl_->turns.table().find(lane.token);
    if (!token) return 0;
    const auto found = token->lanes.find(lane.thread_hash);
    return found == token->lanes.end() ? 0 : found->events.size();
}

std::optional<Scheduler::WaitReason> Scheduler::why(Seq seq) const {
    const Event* event = impl_->turns.table().find(seq);
    if (!event) return std::nullopt;
    WaitReason reason = impl_->why_lane(*event->lane);
    reason.in_flight = event == event->lane->in_flight;
    reason.attempts = event->attempts;
    return reason;
}

Scheduler::WaitReason Scheduler::why(const LaneId& id) const {
    const Token* token = impl_->turns.table().find(id.token);
    if (token) {
        const auto found = token->lanes.find(id.thread_hash);
        if (found != token->lanes.end()) return impl_->why_lane(*found);
    }
    WaitReason reason;
    reason.lane = id;
    reason.lane_next = Seq::none;
    if (token) reason.token = impl_->status_of(*token);
    impl_->add_destination(reason);
    return reason;
}

}  // namespace flowrelay::core
