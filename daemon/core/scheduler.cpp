#include "flowrelay/core/scheduler.hpp"

#include <algorithm>
#include <utility>

#include "attempts.hpp"

namespace flowrelay::core {

using scheduling::Attempts;
using scheduling::Event;
using scheduling::Lane;
using scheduling::TokenQueue;

struct Scheduler::Impl : Attempts {
    using Attempts::Attempts;
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

void Scheduler::try_destination_now(Now now) {
    impl_->try_destination_now(now.mono);
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
    const scheduling::Attempt attempt = impl_->cancel_attempt(seq);
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

bool Scheduler::try_now(Seq seq, Now now) {
    Event* event = impl_->turns.find(seq);
    if (!event) return false;
    Lane& lane = *event->lane;
    TokenQueue& token = *lane.token;
    impl_->breaker.try_now(now.mono);
    token.gate.try_now(now.mono);
    impl_->turns.update(token);
    if (!lane.in_flight) {
        impl_->turns.release(lane);
        impl_->turns.try_now(lane);
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
