#include "token_gate.hpp"

#include <algorithm>

namespace flowrelay::core::scheduling {

std::optional<TokenState> TokenGate::end(Pass pass, const Judgement& judgement, const Known& known,
                                         const SchedulerOptions& options, MonoTime now,
                                         Random& random) {
    const bool current = gate_.is_current(pass);
    gate_.leave(pass);
    switch (judgement.verdict) {
        case Verdict::throttled:
            trouble_.reset();
            return throttle(current, judgement, known.paced, options, now, random);
        case Verdict::retry:
        case Verdict::park_destination:
            return failed(current, judgement, known, options, now, random);
        case Verdict::park_token:
            if (!current) return std::nullopt;
            trouble_.reset();
            if (known.blamed && state_ != TokenState::parked) break;
            close(next_try_of_parked(options, now));
            return change(TokenState::parked);
        case Verdict::delivered:
        case Verdict::rejected:
        case Verdict::gone:
            break;
    }
    if (!current) return std::nullopt;
    trouble_.reset();
    throttled_in_a_row_ = 0;
    if (probes_failed_ > 0) --probes_failed_;
    // An older one may have been told a time while this one was under way.
    if (gate_.is_closed() && gate_.until() > now) return change(TokenState::throttled);
    gate_.open();
    return change(TokenState::active);
}

// Whether this is more than the trouble of one thread now. That no connection comes about is
// never the trouble of a token.
bool TokenGate::note(Evidence evidence, const Known& known, const SchedulerOptions& options) {
    if (evidence == Evidence::none || !threshold_of(evidence, options).two_tokens) return false;
    if (!trouble_) trouble_ = std::make_unique<Trouble>();
    if (evidence != Evidence::no_answer) trouble_->answered();
    if (known.is_limit) return false;
    if (evidence == Evidence::wrong_url && known.blamed_url) return false;
    trouble_->note(evidence, known.lane, options);
    return trouble_->is_wide(evidence, options);
}

std::optional<TokenState> TokenGate::failed(bool current, const Judgement& judgement,
                                            const Known& known, const SchedulerOptions& options,
                                            MonoTime now, Random& random) {
    const Evidence evidence = evidence_of(judgement);
    if (current && gate_.is_closed()) return probe_failed(judgement, known, options, now, random);
    const bool asked = evidence == Evidence::asked_to_wait;
    if (known.destinations || (!current && !asked)) return std::nullopt;
    if (gate_.is_closed()) {
        gate_.extend(now + *judgement.hold);
        return std::nullopt;
    }
    if (!note(evidence, known, options)) return std::nullopt;
    if (asked) return close(TokenState::throttled, now + *judgement.hold);
    if (evidence == Evidence::wrong_url) {
        return close(TokenState::parked, next_try_of_parked(options, now));
    }
    return close(TokenState::failing, next_probe(options, now, random));
}

std::optional<TokenState> TokenGate::probe_failed(const Judgement& judgement, const Known& known,
                                                  const SchedulerOptions& options, MonoTime now,
                                                  Random& random) {
    if (judgement.hold.value_or(Milliseconds(0)).count() > 0 && !known.destinations) {
        const bool parked = state_ == TokenState::parked;
        const MonoTime until = now + *judgement.hold;
        return close(parked ? state_ : TokenState::throttled,
                     parked ? std::max(until, now + options.token_probe) : until);
    }
    // Nobody has looked at the token.
    if (state_ == TokenState::parked) close(now + options.token_probe);
    if (state_ == TokenState::failing && !known.destinations) {
        close(next_probe(options, now, random));
    }
    return std::nullopt;
}

MonoTime TokenGate::next_probe(const SchedulerOptions& options, MonoTime now,
                               Random& random) noexcept {
    probes_failed_ = next_failure(options.token_backoff, probes_failed_);
    return now + backoff(options.token_backoff, probes_failed_, random);
}

std::optional<TokenState> TokenGate::throttle(bool current, const Judgement& judgement, bool paced,
                                              const SchedulerOptions& options, MonoTime now,
                                              Random& random) {
    const bool asked = judgement.hold.value_or(Milliseconds(0)).count() > 0;
    const bool late = gate_.is_closed() && !current;
    if (late) {
        // One of many that were under way when the first was answered.
        if (asked) gate_.extend(now + *judgement.hold);
        return std::nullopt;
    }
    if (!current && !asked) return std::nullopt;
    ++throttled_in_a_row_;
    // What passes a known limit by a step is paced down for it, and has waited enough with that.
    const Milliseconds wait = asked ? *judgement.hold
                              : paced && throttled_in_a_row_ == 1
                                  ? shortest_backoff(options.token_backoff, throttled_in_a_row_)
                                  : backoff(options.token_backoff, throttled_in_a_row_, random);
    close(now + wait);
    return change(TokenState::throttled);
}

// The scheduler keeps the thread that was refused from being that probe.
MonoTime TokenGate::next_try_of_parked(const SchedulerOptions& options,
                                       MonoTime now) const noexcept {
    return state_ == TokenState::parked ? now + options.token_probe : now;
}

// Here, too, an older one may have been told a later time while the probe was under way.
void TokenGate::close(MonoTime until) noexcept {
    gate_.close(gate_.is_closed() ? std::max(until, gate_.until()) : until);
}

std::optional<TokenState> TokenGate::close(TokenState state, MonoTime until) noexcept {
    trouble_.reset();
    close(until);
    return change(state);
}

void TokenGate::park(MonoTime until) noexcept {
    gate_.close(until);
    state_ = TokenState::parked;
}

void TokenGate::hold(MonoTime until) noexcept {
    gate_.close(until);
    state_ = TokenState::throttled;
}

void TokenGate::open() noexcept {
    gate_.open();
    state_ = TokenState::active;
    throttled_in_a_row_ = 0;
}

void TokenGate::renew() noexcept {
    gate_.renew();
    state_ = TokenState::active;
    throttled_in_a_row_ = 0;
    probes_failed_ = 0;
    trouble_.reset();
}

std::optional<TokenState> TokenGate::change(TokenState state) noexcept {
    if (state == state_) return std::nullopt;
    state_ = state;
    return state;
}

}  // namespace flowrelay::core::scheduling
