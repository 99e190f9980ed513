#include "breaker.hpp"

#include <algorithm>

namespace flowrelay::core::scheduling {

namespace {

// The destination took the request and answered it as one that is well.
bool shows_health(Verdict verdict) noexcept {
    switch (verdict) {
        case Verdict::delivered:
        case Verdict::gone:
        case Verdict::throttled:
        case Verdict::park_token:
        case Verdict::rejected:
            return true;
        case Verdict::retry:
        case Verdict::park_destination:
            break;
    }
    return false;
}

void note(std::vector<LaneId>& lanes, LaneId lane) {
    if (std::find(lanes.begin(), lanes.end(), lane) == lanes.end()) lanes.push_back(lane);
}

}  // namespace

std::optional<MonoTime> Breaker::may_begin_from() const noexcept {
    if (gate_.has_probe() || !has_room()) return std::nullopt;
    return gate_.is_closed() ? gate_.until() : MonoTime::min();
}

Breaker::Pass Breaker::begin() noexcept {
    const auto entered = gate_.enter();
    return {entered, limit_.begin(gate_.inside())};
}

std::optional<DestinationState> Breaker::end(const Pass& pass, const Judgement& judgement,
                                             LaneId lane, Known known,
                                             const SchedulerOptions& options, MonoTime now,
                                             Random& random) {
    const bool current = gate_.is_current(pass);
    gate_.leave(pass);
    if (current && !gate_.is_closed()) adapt(pass, judgement, known);
    // What the server asks for explicitly counts whenever it comes.
    if (judgement.verdict == Verdict::retry &&
        judgement.hold.value_or(Milliseconds(0)).count() > 0) {
        const MonoTime until = now + *judgement.hold;
        if (!gate_.is_closed() || current) return close(DestinationState::held, until);
        gate_.extend(until);
        return std::nullopt;
    }
    if (!current) return std::nullopt;
    if (shows_health(judgement.verdict)) return answered(now);
    if (judgement.verdict == Verdict::park_destination) {
        break_row();
        if (known.wrong_url && !gate_.is_closed()) return std::nullopt;
        return close(DestinationState::parked, now + options.destination_probe);
    }
    if (gate_.is_closed()) return probe_failed(judgement, lane, options, now, random);
    if (!too_many_failures(judgement, lane, options)) return std::nullopt;
    return close(DestinationState::down, next_probe(options, now, random));
}

// A lane or a token that goes on with the trouble it had says nothing about how much the
// destination can take: ten threads that are always answered 503 must not leave one place to all
// others.
void Breaker::adapt(const Pass& pass, const Judgement& judgement, Known known) noexcept {
    const bool trouble = judgement.connection_failure || judgement.server_error ||
                         judgement.verdict == Verdict::throttled;
    if (trouble) {
        if (!known.trouble) limit_.failed(pass.ticket);
    } else if (shows_health(judgement.verdict)) {
        // Refusing an event may be much less work than taking it.
        const bool taken = judgement.verdict == Verdict::delivered;
        limit_.answered(pass.ticket, taken ? judgement.elapsed : MonoTime::duration::zero());
    }
}

std::optional<DestinationState> Breaker::change(DestinationState state) {
    if (state == state_) return std::nullopt;
    state_ = state;
    return state;
}

std::optional<DestinationState> Breaker::close(DestinationState state, MonoTime until) {
    if (!gate_.is_closed()) {
        outage_lanes_ = std::move(failing_lanes_.size() > silent_lanes_.size() ? failing_lanes_
                                                                               : silent_lanes_);
    }
    // An older request may have been asked for a later time while the probe was under way.
    gate_.close(gate_.is_closed() ? std::max(until, gate_.until()) : until);
    limit_.restart();
    answers_since_outage_ = 0;
    break_row();
    failing_lanes_.clear();
    return change(state);
}

std::optional<DestinationState> Breaker::answered(MonoTime now) {
    break_row();
    failing_lanes_.clear();
    if (gate_.is_closed()) {
        if (gate_.until() > now) return change(DestinationState::held);  // as in close()
        gate_.open();
        return change(DestinationState::up);
    }
    if (probes_failed_ > 0 && ++answers_since_outage_ >= answers_to_recover) probes_failed_ = 0;
    return std::nullopt;
}

std::optional<DestinationState> Breaker::probe_failed(const Judgement& judgement, LaneId lane,
                                                      const SchedulerOptions& options, MonoTime now,
                                                      Random& random) {
    // A 5xx may be about the one event that was the probe: the state stays what it was, and the
    // next probe is another lane's, since this one waits.
    const auto state = judgement.connection_failure ? DestinationState::down : state_;
    if (state == DestinationState::parked) return close(state, now + options.destination_probe);
    // So may no answer at all. As long as nobody else had that in this outage, who comes next need
    // not wait as long as that event does.
    const bool reached = !judgement.connection_failure || judgement.after_sending;
    if (reached && outage_lanes_.size() < options.breaker_lanes) note(outage_lanes_, lane);
    if (reached && outage_lanes_.size() < options.breaker_lanes) {
        return close(state, now + backoff(options.destination_backoff, 1, random));
    }
    return close(state, next_probe(options, now, random));
}

void Breaker::break_row() noexcept {
    failures_in_a_row_ = 0;
    silent_lanes_.clear();
}

bool Breaker::too_many_failures(const Judgement& judgement, LaneId lane,
                                const SchedulerOptions& options) {
    if (judgement.connection_failure) {
        if (judgement.after_sending) note(silent_lanes_, lane);
        const bool one_event_explains_it =
            judgement.after_sending && silent_lanes_.size() < options.breaker_lanes;
        return ++failures_in_a_row_ >= options.breaker_failures && !one_event_explains_it;
    }
    break_row();
    if (!judgement.server_error) return false;
    note(failing_lanes_, lane);
    return failing_lanes_.size() >= options.breaker_lanes;
}

MonoTime Breaker::next_probe(const SchedulerOptions& options, MonoTime now, Random& random) {
    return now + backoff(options.destination_backoff, ++probes_failed_, random);
}

}  // namespace flowrelay::core::scheduling
