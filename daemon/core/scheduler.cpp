#include "flowrelay/core/scheduler.hpp"

#include <algorithm>
#include <cassert>
#include <set>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "breaker.hpp"
#include "lane_waits.hpp"
#include "lately_active.hpp"
#include "pacing.hpp"
#include "shares.hpp"
#include "turns.hpp"

namespace flowrelay::core {

using scheduling::Breaker;
using scheduling::Event;
using scheduling::Gate;
using scheduling::is_limit;
using scheduling::Lane;
using scheduling::LatelyActive;
using scheduling::must_wait;
using scheduling::not_the_next_probe;
using scheduling::shows_health;
using scheduling::TokenQueue;
using scheduling::Turns;
using scheduling::who_was_asked;

namespace {

struct Attempt {
    Event* event = nullptr;
    Breaker::Pass destination;
    Gate::Pass token;
    scheduling::Pacing::Ticket pace;
    bool unproven = false;  // its token had not been answered well of late
    bool removed = false;   // its token was, and another may stand in its place
};

// How many attempts of one era of the destination are under way. Those of an earlier one do not
// count.
class CountOfEra {
public:
    std::size_t count(std::uint32_t era) const noexcept { return era == era_ ? count_ : 0; }
    void add(std::size_t attempts, std::uint32_t era) noexcept {
        count_ = count(era) + attempts;
        era_ = era;
    }
    void take(std::size_t attempts, std::uint32_t era) noexcept {
        if (era != era_) return;
        assert(count_ >= attempts);
        count_ -= attempts;
    }

private:
    std::uint32_t era_ = 0;
    std::size_t count_ = 0;
};

// Nobody sleeps longer than this, and the sum of any two times stays in range.
constexpr Milliseconds farthest_wakeup = std::chrono::hours(24 * 365);
// A token is active as long after a good answer: whose trouble it is, and whether it may hang.
constexpr Seconds active_after_success{60};
// Places are left free for others as long as they are among the last that began.
constexpr std::uint64_t attempts_with_company = 1000;

}  // namespace

// The attempts: how they begin, and what their ends mean for event, lane, token and destination.
struct Scheduler::Impl {
    Impl(SchedulerOptions scheduler_options, Random scheduler_random)
        : options(std::move(scheduler_options)),
          random(scheduler_random),
          breaker(options.max_in_flight),
          pacing(options.rate_limit, options.rate_burst) {}

    bool may_begin(MonoTime now) const noexcept {
        return (breaker.may_begin(now) || breaker.is_open_to_others()) &&
               pacing.limited_from() <= now;
    }

    bool may_begin_in_step(MonoTime now) const noexcept {
        return has_room_in_step() && paced_from() <= now;
    }

    bool may_begin(const TokenQueue& token, MonoTime now) const noexcept {
        return (breaker.admits(now) || breaker.admits_early(token.id)) &&
               under_way(token) < share_of(token);
    }

    // For tokens in step. A probe goes when its time has come, whatever the server took before.
    MonoTime paced_from() const noexcept {
        return breaker.closed_until() ? MonoTime::min() : pacing.paced_from();
    }

    MonoTime available_from(const TokenQueue& token) const noexcept {
        return token.in_step ? std::max(pacing.limited_from(), paced_from())
                             : pacing.limited_from();
    }

    bool has_room_in_step() const noexcept {
        return in_step.count(breaker.era()) < pacing.allowance();
    }

    bool has_room(const TokenQueue* token) const noexcept {
        return breaker.has_room() && (!token || !token->in_step || has_room_in_step());
    }

    // Those aside that began before an outage.
    std::size_t under_way(const TokenQueue& token) const noexcept {
        return token.era == breaker.era() ? token.under_way : 0;
    }

    void set_in_step(TokenQueue& token, bool now_in_step) noexcept {
        if (token.in_step == now_in_step) return;
        const std::size_t of_token = under_way(token);
        now_in_step ? in_step.add(of_token, breaker.era()) : in_step.take(of_token, breaker.era());
        turns.set_in_step(token, now_in_step);
    }

    bool is_well(const TokenQueue& token) const noexcept {
        const MonoTime since = looked_at - active_after_success;
        return token.good_at >= since || good_lately.has(token.id, since);
    }

    // A token's own limit takes nothing from its share of the places that all tokens have.
    std::size_t share_of(const TokenQueue& token) const noexcept {
        return std::min(share_of_all(token), pacing.allowance(token));
    }

    std::size_t share_of_all(const TokenQueue& token) const noexcept {
        const MonoTime since = looked_at - active_after_success;
        const bool few = token.in_step && pacing.allowance() < breaker.allowance();
        return scheduling::share_of_places(
            {few ? pacing.allowance() : breaker.allowance(),
             few ? in_step.count(breaker.era()) : breaker.under_way(),
             unproven.count(breaker.era()), under_way(token),
             few ? turns.is_another_ready_in_step(token) : turns.is_another_ready(token),
             !begun_lately.others(token.id, begun - attempts_with_company), is_well(token),
             good_lately.others(token.id, since)});
    }

    // Nobody else has events, or was answered well a short while ago.
    bool is_alone(const TokenQueue& token, MonoTime now) const noexcept {
        return turns.table().events() == token.queued &&
               !good_lately.others(token.id, now - active_after_success);
    }

    Assignment begin(Event& event, Gate::Pass token, MonoTime now) {
        TokenQueue& of = *event.lane->token;
        const auto destination = breaker.begin(of.id);
        if (of.in_step && pacing.may_leave_step(of, now)) set_in_step(of, false);
        of.under_way = under_way(of) + 1;
        of.era = destination.epoch;
        if (of.in_step) in_step.add(1, of.era);
        const bool is_unproven = !is_well(of);
        if (is_unproven) unproven.add(1, of.era);
        begun_lately.note(of.id, ++begun);
        const auto pace = pacing.begin(
            of, now, of.in_step ? in_step.count(of.era) : breaker.under_way(), of.under_way);
        if (of.pace) turns.update(of);
        in_flight.emplace(event.seq, Attempt{&event, destination, token, pace, is_unproven});
        return Assignment{event.seq,
                          event.lane->id(),
                          event.accepted,
                          event.attempts + 1,
                          destination.probe || token.probe,
                          event.attempts > 0 || event.sent,
                          {}};
    }

    Attempt take_attempt(Seq seq) {
        const auto found = in_flight.find(seq);
        if (found == in_flight.end()) {
            throw std::logic_error("event " + std::to_string(to_number(seq)) + " is not in flight");
        }
        const Attempt attempt = found->second;
        in_flight.erase(found);
        TokenQueue& token = *attempt.event->lane->token;
        if (token.era == attempt.destination.epoch && token.under_way > 0) {
            if (token.in_step) in_step.take(1, token.era);
            --token.under_way;
        }
        if (attempt.unproven) unproven.take(1, attempt.destination.epoch);
        return attempt;
    }

    // For an attempt that did not take place: nothing was learned.
    Attempt cancel_attempt(Seq seq) {
        const Attempt attempt = take_attempt(seq);
        breaker.cancel(attempt.destination);
        if (!attempt.removed) attempt.event->lane->token->gate.cancel(attempt.token);
        return attempt;
    }

    // Says nothing of lane, token or destination: it did not take place, or was about others.
    Completion end_without_evidence(Seq seq, bool delivered, bool sent, MonoTime now) {
        const Attempt attempt = cancel_attempt(seq);
        Event& event = *attempt.event;
        event.sent = event.sent || sent;
        Completion completion;
        completion.attempt = event.attempts + 1;
        if (delivered) return settle(event, Outcome::delivered, completion);
        if (attempt.removed) return settle(event, Outcome::erased, completion);
        return keep(event, std::nullopt, completion, now);
    }

    Completion settle(Event& event, Outcome outcome, Completion completion) {
        completion.action = Completion::Action::settle;
        completion.outcome = outcome;
        turns.settle(event);
        return completion;
    }

    /// `asked`: the server named a time, before which the event is not sent again.
    MonoTime lane_backoff(Lane& lane, Milliseconds asked, MonoTime now) noexcept {
        return now + std::max(asked, backoff(options.lane_backoff, ++lane.failures, random));
    }

    /// `until`: before that its lane waits.
    Completion keep(Event& event, std::optional<MonoTime> until, Completion completion,
                    MonoTime now) {
        Lane& lane = *event.lane;
        turns.put_back(event, until);
        completion.action = Completion::Action::retry;
        const MonoTime all =
            std::max({now, until.value_or(now), lane.token->gate.closed_until().value_or(now),
                      turns.limited_until(*lane.token).value_or(now),
                      breaker.closed_until().value_or(now), available_from(*lane.token)});
        completion.wait = std::chrono::ceil<Milliseconds>(all - now);
        return completion;
    }

    Completion retry(Event& event, const Judgement& judgement, Completion completion,
                     MonoTime now) {
        Lane& lane = *event.lane;
        const bool lane_waits = must_wait(lane, judgement, breaker);
        event.sent = event.sent || !judgement.connection_failure || judgement.after_sending;
        if (judgement.verdict != Verdict::throttled) ++event.attempts;
        if (judgement.verdict == Verdict::park_token) lane.blamed_token = true;
        if (judgement.verdict == Verdict::park_destination) lane.blamed_destination = true;
        if (!lane_waits) {
            const auto until = not_the_next_probe(lane, judgement, breaker, options, now);
            lane.yields = until.has_value();
            if (until && breaker.state() == DestinationState::parked) {
                yielding.push_back(lane.id());
            }
            return keep(event, until, completion, now);
        }
        return keep(event, lane_backoff(lane, judgement.least_wait(), now), completion, now);
    }

    Completion hold(Event& event, Completion completion) {
        ++event.attempts;
        turns.hold(event);
        completion.action = Completion::Action::hold;
        return completion;
    }

    std::size_t remove(TokenQueue& token) {
        set_in_step(token, false);
        return turns.clear(token,
                           [this](const Event& event) { in_flight.at(event.seq).removed = true; });
    }

    Completion disable(Event& event, Completion completion) {
        TokenQueue& token = *event.lane->token;
        completion.action = Completion::Action::disable_token;
        completion.outcome = Outcome::erased;
        completion.token_changed = TokenState::gone;
        event.lane->in_flight = nullptr;
        completion.removed = remove(token);
        return completion;
    }

    Breaker::Known known_of(const Lane& lane, const Attempt& attempt, const Judgement& judgement,
                            MonoTime now) const noexcept {
        const auto& gate = lane.token->gate;
        const bool first_throttle =
            gate.state() == TokenState::active && gate.is_current(attempt.token);
        const bool trouble =
            judgement.verdict == Verdict::throttled ? !first_throttle : lane.failures > 0;
        return {lane.blamed_destination, trouble, gate.state() == TokenState::failing,
                judgement.of_everybody || is_alone(*lane.token, now)};
    }

    void hurry_destination(MonoTime now) {
        breaker.hurry(now);
        for (const LaneId& id : yielding) {
            Lane* lane = turns.find(id);
            if (lane && lane->yields && !lane->in_flight) turns.hurry(*lane);
        }
        yielding.clear();
    }

    // What waited for a token of its own may have waited for the destination.
    void destination_is_back(MonoTime now) {
        yielding.clear();
        std::erase_if(failing, [&](TokenId id) {
            TokenQueue* token = turns.find(id);
            if (!token || token->gate.state() != TokenState::failing) return true;
            token->gate.hurry(now);
            turns.update(*token);
            return false;
        });
    }

    Completion complete(Seq seq, const Judgement& judgement, MonoTime now) {
        const Attempt attempt = take_attempt(seq);
        Event& event = *attempt.event;
        Lane& lane = *event.lane;
        Completion completion;
        completion.attempt = event.attempts + 1;
        const auto known = known_of(lane, attempt, judgement, now);
        completion.destination_changed =
            breaker.end(attempt.destination, judgement, lane.id(), known, options, now, random);
        if (completion.destination_changed == DestinationState::up) destination_is_back(now);
        if (shows_health(judgement.verdict)) {
            good_lately.note(lane.token->id, now);
            lane.token->good_at = now;
        }
        if (attempt.removed) {
            const bool delivered = judgement.verdict == Verdict::delivered;
            completion.asked_to_wait =
                who_was_asked(judgement, breaker.closed_until(), std::nullopt, now);
            return settle(event, delivered ? Outcome::delivered : Outcome::erased, completion);
        }
        if (judgement.verdict == Verdict::gone) return disable(event, completion);

        TokenQueue& token = *lane.token;
        const bool paced = pacing.is_limiting(token);
        set_in_step(token, pacing.end(token, attempt.pace, judgement, known, now));
        const bool destinations = breaker.closed_until().has_value();
        completion.token_changed =
            token.gate.end(attempt.token, judgement,
                           {lane.id(), lane.blamed_token, lane.blamed_destination, destinations,
                            paced, is_limit(judgement, token.good_at, now)},
                           options, now, random);
        if (completion.token_changed == TokenState::failing) failing.insert(token.id);
        completion.asked_to_wait =
            who_was_asked(judgement, breaker.closed_until(), token.gate.closed_until(), now);
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

    TokenStatus status_of(const TokenQueue& token) const {
        return TokenStatus{token.queued,
                           token.held_lanes,
                           token.state(),
                           token.gate.closed_until(),
                           scheduling::probe_by(token),
                           turns.rate_limited_until(token),
                           turns.paced_until(token)};
    }

    WaitReason why_lane(const Lane& lane) const {
        WaitReason reason;
        reason.lane = lane.id();
        // A letter that was replayed may lie in front of the event that was refused.
        reason.lane_next = lane.in_flight ? lane.in_flight->seq
                           : lane.held    ? lane.held->seq
                                          : lane.head().seq;
        reason.lane_next_in_flight = lane.in_flight != nullptr;
        if (lane.is_armed()) reason.lane_until = lane.at;
        reason.lane_held = lane.held != nullptr;
        reason.lane_blocked = lane.blocked;
        reason.token = status_of(*lane.token);
        reason.token_full = under_way(*lane.token) >= share_of(*lane.token);
        add_destination(reason, lane.token);
        return reason;
    }

    // `token`: null when it has nothing to remember.
    void add_destination(WaitReason& reason, const TokenQueue* token) const {
        reason.destination = breaker.state();
        reason.destination_until = breaker.closed_until();
        reason.destination_rate_limited_until = ahead(pacing.limited_from());
        if (token && token->in_step) reason.destination_paced_until = ahead(paced_from());
        reason.destination_full = !has_room(token);
    }

    // Like that of a token: as far as it was still to come when there was last a look for turns.
    std::optional<MonoTime> ahead(MonoTime from) const noexcept {
        return from > looked_at ? std::optional(from) : std::nullopt;
    }

    // When next() may have something new; nothing when only an input can bring it.
    std::optional<MonoTime> next_turn(MonoTime now) const noexcept {
        const auto open = breaker.may_begin_from();
        // Of a token that is not kept waiting for the destination as the others are.
        const bool early = breaker.is_open_to_others();
        if (!open && !early) return std::nullopt;
        std::optional<MonoTime> next;
        const auto consider = [&](MonoTime from) {
            if (from > now) next = std::min(next.value_or(from), from);
        };
        // Of tokens that are ready and may begin from then on, as far as it is theirs.
        const auto consider_ready = [&](MonoTime from) {
            if (open) consider(std::max(*open, from));
            if (early) consider(from);
        };
        const bool due = turns.has_due(now);
        if (turns.is_any_free_ready() || due) consider_ready(pacing.limited_from());
        if ((turns.is_any_ready_in_step() || due) && has_room_in_step()) {
            consider_ready(std::max(pacing.limited_from(), paced_from()));
        }
        if (const auto timer = turns.next_timer(now)) {
            consider(std::max({*timer, pacing.limited_from(), early ? *timer : *open}));
        }
        return next;
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
    scheduling::Pacing pacing;
    MonoTime looked_at{};
    bool expiring = true;
    std::unordered_map<Seq, Attempt> in_flight;
    std::set<TokenId> failing;     // tokens that may be
    std::vector<LaneId> yielding;  // that let others be the probe of a parked destination
    CountOfEra in_step;            // attempts under way of tokens that are in step: see pacing.hpp
    CountOfEra unproven;           // of tokens that had not been answered well of late
    LatelyActive<MonoTime> good_lately;
    LatelyActive<std::uint64_t> begun_lately;
    std::uint64_t begun = attempts_with_company;  // attempts, and these
};

Scheduler::Scheduler(SchedulerOptions options, Random random)
    : impl_(std::make_unique<Impl>(std::move(options), random)) {}

Scheduler::~Scheduler() = default;

void Scheduler::set_options(SchedulerOptions options) {
    impl_->options = std::move(options);
    impl_->breaker.set_max_in_flight(impl_->options.max_in_flight);
    impl_->pacing.set_limit(impl_->options.rate_limit, impl_->options.rate_burst);
    impl_->turns.reconsider_overdue();
}

void Scheduler::hurry_destination(Now now) {
    impl_->hurry_destination(now.mono);
}

void Scheduler::enqueue(const QueuedEvent& event) {
    impl_->turns.add(event);
}

std::optional<Assignment> Scheduler::next(Now now) {
    impl_->looked_at = std::max(impl_->looked_at, now.mono);
    if (!impl_->may_begin(now.mono)) return std::nullopt;
    const auto max_age = impl_->expiring ? std::optional(impl_->options.max_age) : std::nullopt;
    do {
        impl_->turns.advance(now);
        const auto begun = impl_->turns.begin(
            now, max_age, impl_->may_begin_in_step(now.mono),
            [&](const TokenQueue& token) { return impl_->may_begin(token, now.mono); });
        if (begun) return impl_->begin(begun->event, begun->pass, now.mono);
    } while (impl_->turns.has_due(now.mono));
    return std::nullopt;
}

Completion Scheduler::complete(Seq seq, const Judgement& judgement, Now now) {
    return impl_->complete(seq, judgement, now.mono);
}

bool Scheduler::release(Seq seq, Now now) {
    return impl_->end_without_evidence(seq, false, false, now.mono).action ==
           Completion::Action::retry;
}

Completion Scheduler::complete_outdated(Seq seq, bool delivered, bool sent, Now now) {
    return impl_->end_without_evidence(seq, delivered, sent, now.mono);
}

bool Scheduler::may_be_sent(Seq seq) const {
    const auto attempt = impl_->in_flight.find(seq);
    return attempt != impl_->in_flight.end() && !attempt->second.removed &&
           !attempt->second.event->lane->token->paused;
}

Completion Scheduler::unreadable(Seq seq, bool lost, Now now) {
    const Attempt attempt = impl_->cancel_attempt(seq);
    Completion completion;
    completion.attempt = attempt.event->attempts + 1;
    if (attempt.removed) return impl_->settle(*attempt.event, Outcome::erased, completion);
    if (lost) return impl_->settle(*attempt.event, Outcome::dead, completion);
    const MonoTime until = impl_->lane_backoff(*attempt.event->lane, Milliseconds(0), now.mono);
    return impl_->keep(*attempt.event, until, completion, now.mono);
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

void Scheduler::block_lane(const LaneId& lane, bool blocked) {
    blocked ? impl_->turns.block(lane) : impl_->turns.unblock(lane);
}

std::vector<Seq> Scheduler::held(TokenId id) const {
    const TokenQueue* token = impl_->turns.table().find(id);
    return token ? scheduling::held_events(*token) : std::vector<Seq>();
}

std::vector<std::uint64_t> Scheduler::threads(TokenId id, std::size_t limit) const {
    const TokenQueue* token = impl_->turns.table().find(id);
    return token ? scheduling::threads_of(*token, limit) : std::vector<std::uint64_t>();
}

bool Scheduler::hurry(Seq seq, Now now) {
    Event* event = impl_->turns.find(seq);
    if (!event) return false;
    Lane& lane = *event->lane;
    TokenQueue& token = *lane.token;
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
    TokenQueue* token = impl_->turns.find(id);
    return token ? impl_->remove(*token) : 0;
}

void Scheduler::pause_token(TokenId id) {
    TokenQueue& token = impl_->turns.find_or_add(id);
    token.paused = true;
    token.removed = false;
    impl_->turns.update(token);
}

void Scheduler::resume_token(TokenId id) {
    if (TokenQueue* token = impl_->turns.find(id)) impl_->turns.resume(*token);
}

void Scheduler::renew_token(TokenId id) {
    TokenQueue* token = impl_->turns.find(id);
    if (!token) return;
    impl_->set_in_step(*token, false);
    impl_->turns.renew(*token);
}

void Scheduler::renew_destination() {
    impl_->breaker.renew();
    impl_->pacing.renew();
    impl_->failing.clear();
    impl_->good_lately = {};
    impl_->turns.renew_all();
    impl_->in_step = {};
}

void Scheduler::set_token_rate(TokenId id, double rate) {
    impl_->turns.set_rate(id, rate);
}

void Scheduler::hold_token(TokenId id, MonoTime until) {
    TokenQueue& token = impl_->turns.find_or_add(id);
    token.gate.hold(until);
    impl_->turns.update(token);
}

void Scheduler::hold_destination(MonoTime until) {
    impl_->breaker.hold(until);
}

void Scheduler::park_token(TokenId id, Now now) {
    TokenQueue& token = impl_->turns.find_or_add(id);
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
    status.rate_limited_until = impl_->ahead(impl_->pacing.limited_from());
    return status;
}

Scheduler::TokenStatus Scheduler::token_status(TokenId id) const {
    const TokenQueue* token = impl_->turns.table().find(id);
    return token ? impl_->status_of(*token) : TokenStatus();
}

bool Scheduler::contains(Seq seq) const {
    return impl_->turns.table().find(seq) != nullptr;
}

std::size_t Scheduler::lane_size(const LaneId& lane) const {
    const Lane* found = impl_->turns.table().find(lane);
    return found ? found->events.size() : 0;
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
    if (const Lane* lane = impl_->turns.table().find(id)) return impl_->why_lane(*lane);
    WaitReason reason;
    reason.lane = id;
    reason.lane_next = Seq::none;
    reason.lane_blocked = impl_->turns.is_blocked(id);
    reason.token = token_status(id.token);
    impl_->add_destination(reason, impl_->turns.table().find(id.token));
    return reason;
}

}  // namespace flowrelay::core
