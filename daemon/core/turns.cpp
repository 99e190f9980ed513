#include "turns.hpp"

#include <algorithm>
#include <cassert>

namespace flowrelay::core::scheduling {

namespace {
constexpr int timers_at_once = 256;
}

void Turns::add(const QueuedEvent& queued) {
    Event& event = table_.add(queued);
    expiry_.insert(event);
    Lane& lane = *event.lane;
    lane.token->removed = false;
    lane.blocked = !blocked_.empty() && blocked_.contains(queued.lane);
    // An older event is now the head of a lane, whose former head may have expired.
    if (lane.is_listed() && &event == &lane.head()) lane.leave_list();
    place(lane);
}

// Makes a lane overdue if its head has expired and must leave first.
bool Turns::put_overdue(Lane& lane, WallTime now, std::optional<Milliseconds> max_age) {
    if (!max_age || !is_over_age(lane.head(), now, *max_age)) return false;
    overdue_.push_back(lane);
    overdue_seen_ = std::max(overdue_seen_, now);
    return true;
}

Turns::Begun Turns::begin(TokenQueue& token, Lane& lane, MonoTime now) {
    Event& head = lane.head();
    // Ready lanes: in order, one event at a time, and not while an operator must decide.
    assert(!lane.in_flight && !lane.held && !lane.blocked && !lane.is_armed());
    assert(!token.paused);
    lane.in_flight = &head;
    lane.yields = false;
    expiry_.erase(head);
    if (token.rate) token.rate->take(now);
    const auto pass = token.gate.begin();
    refresh(token);
    return Begun{head, pass};
}

void Turns::settle(Event& event) noexcept {
    Lane& lane = *event.lane;
    assert(!lane.in_flight || lane.in_flight == &event);
    lane.in_flight = nullptr;
    begin_anew(lane);
    table_.remove(event);
    place(lane);
}

void Turns::put_back(Event& event, std::optional<MonoTime> until) {
    Lane& lane = *event.lane;
    assert(lane.in_flight == &event);
    lane.in_flight = nullptr;
    if (until) timers_.arm(lane, *until);
    expiry_.insert(event);
    place(lane);
}

void Turns::hold(Event& event) {
    Lane& lane = *event.lane;
    assert(lane.in_flight == &event && !lane.held);
    lane.in_flight = nullptr;
    lane.held = &event;
    ++held_lanes_;
    ++lane.token->held_lanes;
    expiry_.insert(event);
    place(lane);
}

void Turns::release(Lane& lane) noexcept {
    if (!lane.held) return;
    forget_hold(lane);
    place(lane);
}

void Turns::block(const LaneId& id) {
    ++blocked_[id];
    Lane* lane = table_.find(id);
    if (!lane) return;
    lane->blocked = true;
    if (lane->is_listed()) lane->leave_list();
    refresh(*lane->token);
}

void Turns::unblock(const LaneId& id) noexcept {
    const auto blocked = blocked_.find(id);
    if (blocked == blocked_.end() || --blocked->second > 0) return;
    blocked_.erase(blocked);
    Lane* lane = table_.find(id);
    if (!lane) return;
    lane->blocked = false;
    place(*lane);
}

void Turns::try_now(Lane& lane) noexcept {
    timers_.disarm(lane);
    place(lane);
}

QueuedEvent Turns::leave(Event& event) noexcept {
    Lane& lane = *event.lane;
    assert(&event != lane.in_flight);
    const QueuedEvent left = to_queued_event(event);
    if (&event == &lane.head() && !lane.in_flight) begin_anew(lane);
    if (&event == lane.held) forget_hold(lane);
    expiry_.erase(event);
    table_.remove(event);
    place(lane);
    return left;
}

void Turns::set_in_step(TokenQueue& token, bool in_step) noexcept {
    if (token.in_step == in_step) return;
    if (token.is_listed()) token.leave_list();
    token.in_step = in_step;
    refresh(token);
}

void Turns::update(TokenQueue& token) noexcept {
    set_timer(token);
    refresh(token);
    forget_if_idle(token);
}

void Turns::resume(TokenQueue& token) noexcept {
    token.paused = false;
    const TokenState state = token.gate.state();
    if (state == TokenState::failing) token.gate.open();
    if (state == TokenState::parked) {
        token.gate.open();
        // The next answer of this kind is about the token again, not about one event.
        for (Lane& lane : token.lanes) {
            lane.blamed_token = false;
            if (lane.yields && !lane.in_flight) try_now(lane);
        }
    }
    update(token);
}

void Turns::renew(TokenQueue& token) noexcept {
    token.gate.renew();
    token.pace.reset();
    token.good_at = MonoTime::min();
    set_in_step(token, false);
    for (Lane& lane : token.lanes) {
        if (!lane.in_flight) timers_.disarm(lane);
        forget_trouble(lane);
        place(lane);
    }
    update(token);
}

void Turns::renew_all() {
    table_.for_each_token([this](TokenQueue& token) { renew(token); });
}

void Turns::set_timer(TokenQueue& token) noexcept {
    if (const auto until = token.gate.closed_until()) {
        timers_.arm(token, std::max(*until, rate_limited_until(token).value_or(*until)));
    } else {
        timers_.disarm(token);
    }
}

void Turns::set_rate(TokenId id, double rate) {
    if (rate <= 0) {
        TokenQueue* token = table_.find(id);
        if (!token || !token->rate) return;
        token->rate.reset();
        update(*token);
        return;
    }
    TokenQueue& token = table_.find_or_add(id);
    if (!token.rate) token.rate = std::make_unique<RateLimiter>();
    token.rate->set_rate(rate);
    update(token);
}

std::optional<MonoTime> Turns::rate_limited_until(const TokenQueue& token) const noexcept {
    if (!token.rate) return std::nullopt;
    const MonoTime from = token.rate->available_from();
    return from > advanced_to_ ? std::optional(from) : std::nullopt;
}

std::optional<MonoTime> Turns::paced_until(const TokenQueue& token) const noexcept {
    if (!token.pace || token.gate.is_closed()) return std::nullopt;
    const MonoTime from = token.pace->available_from();
    return from > advanced_to_ ? std::optional(from) : std::nullopt;
}

std::optional<MonoTime> Turns::limited_until(const TokenQueue& token) const noexcept {
    return std::max(rate_limited_until(token),
                    paced_until(token));  // an empty optional is the smallest
}

void Turns::advance(Now now) noexcept {
    advanced_to_ = std::max(advanced_to_, now.mono);
    // Limit the work: a million lanes may have waited for the same moment.
    for (int ended = 0; ended < timers_at_once || !is_any_ready(); ++ended) {
        Timer* timer = timers_.take_due(now.mono);
        if (!timer) break;
        end_wait(*timer);
    }
    const bool was_set_back = now.wall < overdue_seen_;
    if (was_set_back) reconsider_overdue();
}

void Turns::end_wait(Timer& timer) noexcept {
    if (timer.owner == Timer::Owner::lane) {
        place(static_cast<Lane&>(timer));
        return;
    }
    auto& token = static_cast<TokenQueue&>(timer);
    refresh(token);
    forget_if_idle(token);
}

void Turns::reconsider_overdue() noexcept {
    overdue_seen_ = WallTime::min();
    while (!overdue_.empty()) {
        Lane& lane = overdue_.front();
        lane.leave_list();
        place(lane);
    }
}

// Moves a lane to its state after any change.
void Turns::place(Lane& lane) noexcept {
    TokenQueue& token = *lane.token;
    if (lane.events.empty()) {
        table_.remove(lane);
    } else if (!lane.in_flight && !lane.held && !lane.blocked && !lane.is_armed() &&
               !lane.is_listed()) {
        token.ready.push_back(lane);
    }
    refresh(token);
    forget_if_idle(token);
}

// Updates whether a token takes turns, after any change.
void Turns::refresh(TokenQueue& token) noexcept {
    const bool wants = !token.paused && !token.ready.empty();
    const auto limited = wants ? limited_until(token) : std::nullopt;
    // While the gate is open, the timer is that of the rate limit.
    if (!token.gate.is_closed() && token.is_armed() && token.at != limited) timers_.disarm(token);
    const bool gate_admits = !token.is_armed() && !token.gate.has_probe();
    if (gate_admits && limited) timers_.arm(token, *limited);
    const bool takes_turns = wants && gate_admits && !limited;
    if (takes_turns == token.is_listed()) return;
    if (takes_turns) {
        (token.in_step ? in_step_ : free_).push_back(token);
    } else {
        token.leave_list();
    }
}

void Turns::forget_if_idle(TokenQueue& token) noexcept {
    const bool remembers = token.paused || token.is_armed() || token.rate ||
                           token.gate.has_trouble() || token.gate.state() == TokenState::parked;
    if (token.lanes.empty() && !remembers) table_.remove(token);
}

// Resets a lane because its next event leaves: what is known of that event's failures is dropped.
void Turns::begin_anew(Lane& lane) noexcept {
    timers_.disarm(lane);
    if (lane.is_listed()) lane.leave_list();
    forget_trouble(lane);
}

void Turns::forget_trouble(Lane& lane) noexcept {
    lane.failures = 0;
    lane.blamed_token = false;
    lane.blamed_destination = false;
    lane.yields = false;
}

void Turns::forget_hold(Lane& lane) noexcept {
    lane.held = nullptr;
    --held_lanes_;
    --lane.token->held_lanes;
}

}  // namespace flowrelay::core::scheduling
