#include "breaker.hpp"

#include <algorithm>

namespace flowrelay::core::scheduling {

namespace {

// How long a good answer speaks for the destination against what other tokens get.
constexpr Seconds well_for{2};
// How long it shows that it is not too many requests at a time which keep another from its answer.
constexpr Seconds not_too_many_for{60};
// So many events that were refused before may be the probe of a parked destination by chance, and
// say nothing new.
constexpr unsigned max_passes = 16;

void note(std::vector<LaneId>& lanes, LaneId lane) {
    if (std::find(lanes.begin(), lanes.end(), lane) == lanes.end()) lanes.push_back(lane);
}

}  // namespace

std::optional<MonoTime> Breaker::may_begin_from() const noexcept {
    if (gate_.has_probe() || !has_room()) return std::nullopt;
    return gate_.is_closed() ? gate_.until() : MonoTime::min();
}

Breaker::Pass Breaker::begin(TokenId token) noexcept {
    const auto entered = gate_.enter();
    if (entered.probe) probe_token_ = token;
    return {entered, limit_.begin(gate_.inside())};
}

bool Breaker::is_suspect(TokenId token) const noexcept {
    return std::find(suspects_.begin(), suspects_.end(), token) != suspects_.end();
}

void Breaker::suspect(TokenId token) {
    if (can_be_others() && !is_suspect(token)) suspects_.push_back(token);
}

// Trouble that is wide and cannot be one token's. What several tokens get is theirs as well, while
// another one is answered well.
bool Breaker::is_ours(Evidence evidence, Known known, const SchedulerOptions& options,
                      MonoTime now) const noexcept {
    if (!trouble_.is_wide(evidence, options)) return false;
    if (!threshold_of(evidence, options).two_tokens || known.alone) return true;
    const bool another_is_well =
        good_at_ != MonoTime::min() && now - good_at_ <= well_for && !trouble_.has(good_token_);
    return trouble_.tokens() >= 2 && !another_is_well;
}

std::optional<DestinationState> Breaker::end(const Pass& pass, const Judgement& judgement,
                                             LaneId lane, Known known,
                                             const SchedulerOptions& options, MonoTime now,
                                             Random& random) {
    const bool current = gate_.is_current(pass);
    gate_.leave(pass);
    if (current && !gate_.is_closed()) adapt(pass, judgement, lane.token, known, now);
    const Evidence evidence = evidence_of(judgement);
    if (evidence == Evidence::asked_to_wait) {
        return asked_to_wait(now + *judgement.hold, current, lane, known, options, now);
    }
    if (!current) return std::nullopt;
    if (shows_health(judgement.verdict)) return answered(lane.token, now);
    if (!judgement.connection_failure) trouble_.answered();
    if (gate_.is_closed()) return probe_failed(evidence, lane, known, options, now, random);
    if (evidence == Evidence::wrong_url && known.wrong_url) return std::nullopt;
    if (is_limit(judgement, good_at_, now)) return std::nullopt;
    // That there is no connection can't be the token's trouble, whatever else it has.
    if (!known.token_waits || evidence == Evidence::no_connection) {
        trouble_.note(evidence, lane, options);
    }
    if (!is_ours(evidence, known, options, now)) return std::nullopt;
    if (evidence == Evidence::wrong_url) {
        // One that was well may have answered so to one event: that of another thread may be a
        // probe at once.
        const bool was_well = good_at_ != MonoTime::min() && !judgement.of_everybody;
        passes_ = was_well ? max_passes : 0;
        return blame(evidence, DestinationState::parked,
                     was_well ? now : now + options.destination_probe);
    }
    passes_ = 0;
    return blame(evidence, DestinationState::down, next_probe(options, now, random));
}

// What the server asks for explicitly counts whenever it comes.
std::optional<DestinationState> Breaker::asked_to_wait(MonoTime until, bool current, LaneId lane,
                                                       Known known, const SchedulerOptions& options,
                                                       MonoTime now) {
    if (gate_.is_closed() && !current) {
        gate_.extend(until);
        suspect(lane.token);
        return std::nullopt;
    }
    if (gate_.is_closed()) {
        suspect(lane.token);
        return close(DestinationState::held, until);
    }
    trouble_.answered();
    if (!known.token_waits) trouble_.note(Evidence::asked_to_wait, lane, options);
    if (!is_ours(Evidence::asked_to_wait, known, options, now)) return std::nullopt;
    passes_ = 0;
    return blame(Evidence::asked_to_wait, DestinationState::held, until);
}

// A lane or a token that goes on with the trouble it had says nothing about how much the
// destination can take: ten threads that are always answered 503 must not leave one place to all
// others.
void Breaker::adapt(const Pass& pass, const Judgement& judgement, TokenId token, Known known,
                    MonoTime now) noexcept {
    if (judgement.too_fast) return;  // see pacing.hpp
    if (judgement.after_sending && was_another_well(token, now - not_too_many_for)) return;
    if (judgement.connection_failure || judgement.server_error) {
        if (!known.trouble && !known.token_waits) limit_.failed(pass.ticket);
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

// An outage begins, with what has been seen of it.
std::optional<DestinationState> Breaker::blame(Evidence evidence, DestinationState state,
                                               MonoTime until) {
    outage_lanes_ = trouble_.threads();
    suspects_.clear();
    if (evidence != Evidence::no_connection) suspects_ = trouble_.token_list();
    return close(state, until);
}

std::optional<DestinationState> Breaker::close(DestinationState state, MonoTime until) {
    // An older request may have been asked for a later time while the probe was under way.
    if (!gate_.is_closed()) allowance_before_ = limit_.allowance();
    gate_.close(gate_.is_closed() ? std::max(until, gate_.until()) : until);
    limit_.restart();
    trouble_.clear();
    return change(state);
}

void Breaker::hold(MonoTime until) {
    passes_ = 0;
    outage_lanes_.clear();
    suspects_.clear();
    close(DestinationState::held, until);
}

void Breaker::renew() {
    gate_.renew();
    state_ = DestinationState::up;
    limit_.restart();
    trouble_.clear();
    outage_lanes_.clear();
    suspects_.clear();
    probes_failed_ = 0;
    good_at_ = MonoTime::min();
    good_token_ = probe_token_ = TokenId::none;
}

std::optional<DestinationState> Breaker::answered(TokenId token, MonoTime now) {
    trouble_.clear();
    good_at_ = now;
    good_token_ = token;
    if (probes_failed_ > 0) --probes_failed_;
    if (!gate_.is_closed()) return std::nullopt;
    const bool theirs = can_be_others() && !is_suspect(token);
    if (gate_.until() > now && !theirs) return change(DestinationState::held);  // as in close()
    if (theirs) limit_.resume(allowance_before_);
    gate_.open();
    suspects_.clear();
    return change(DestinationState::up);
}

std::optional<DestinationState> Breaker::probe_failed(Evidence evidence, LaneId lane, Known known,
                                                      const SchedulerOptions& options, MonoTime now,
                                                      Random& random) {
    const bool reached = evidence != Evidence::no_connection;
    const bool answered = reached && evidence != Evidence::no_answer;
    if (reached) {
        suspect(lane.token);
    } else {
        suspects_.clear();
    }
    // A 5xx may be about the one event that was the probe: the state stays what it was, and the
    // next probe is another lane's, since this one waits.
    auto state = answered ? state_ : DestinationState::down;
    if (evidence == Evidence::wrong_url) state = DestinationState::parked;
    // The answer to a token that was tried early: the others wait for as long as before.
    if (reached && gate_.until() > now) return close(state, gate_.until());
    if (state == DestinationState::parked) {
        passes_ = known.wrong_url && passes_ > 0 ? passes_ - 1 : 0;
        return close(state, passes_ > 0 ? now : now + options.destination_probe);
    }
    // So may no answer at all. As long as nobody else had that in this outage, who comes next need
    // not wait as long as that event does.
    if (reached && outage_lanes_.size() < options.breaker_lanes) note(outage_lanes_, lane);
    if (reached && outage_lanes_.size() < options.breaker_lanes) {
        return close(state, now + backoff(options.destination_backoff, 1, random));
    }
    return close(state, next_probe(options, now, random));
}

MonoTime Breaker::next_probe(const SchedulerOptions& options, MonoTime now, Random& random) {
    probes_failed_ = next_failure(options.destination_backoff, probes_failed_);
    return now + backoff(options.destination_backoff, probes_failed_, random);
}

}  // namespace flowrelay::core::scheduling
