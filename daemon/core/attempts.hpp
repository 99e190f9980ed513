// The attempts: how they begin, and what their ends mean for event, lane, token and destination.
// What Scheduler does, without its interface. Pure; owned by one thread.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "breaker.hpp"
#include "flowrelay/core/scheduler.hpp"
#include "lane_waits.hpp"
#include "lately_active.hpp"
#include "pacing.hpp"
#include "shares.hpp"
#include "turns.hpp"

namespace flowrelay::core::scheduling {

struct Attempt {
    Event* event = nullptr;
    Breaker::Pass destination;
    Gate::Pass token;
    Pacing::Ticket pace;
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
inline constexpr Milliseconds farthest_wakeup = std::chrono::hours(24 * 365);
// A token is active as long after a good answer: whose trouble it is, and whether it may hang.
inline constexpr Seconds active_after_success{60};
// Places are left free for others as long as they are among the last that began.
inline constexpr std::uint64_t attempts_with_company = 1000;

struct Attempts {
    using Status = Scheduler::Status;
    using TokenStatus = Scheduler::TokenStatus;
    using WaitReason = Scheduler::WaitReason;

    Attempts(SchedulerOptions scheduler_options, Random scheduler_random)
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
        return share_of_places(
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

    void try_destination_now(MonoTime now) {
        breaker.try_now(now);
        for (const LaneId& id : yielding) {
            Lane* lane = turns.find(id);
            if (lane && lane->yields && !lane->in_flight) turns.try_now(*lane);
        }
        yielding.clear();
    }

    // What waited for a token of its own may have waited for the destination.
    void destination_is_back(MonoTime now) {
        yielding.clear();
        std::erase_if(failing, [&](TokenId id) {
            TokenQueue* token = turns.find(id);
            if (!token || token->gate.state() != TokenState::failing) return true;
            token->gate.try_now(now);
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
                           probe_by(token),
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
    Pacing pacing;
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

}  // namespace flowrelay::core::scheduling
