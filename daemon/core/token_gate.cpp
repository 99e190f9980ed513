#include "token_gate.hpp"

#include <algorithm>

namespace flowrelay::core::scheduling {

std::optional<TokenState> TokenGate::end(Pass pass, const Judgement& judgement, bool blamed,
                                         const SchedulerOptions& options, MonoTime now,
                                         Random& random) {
    const bool current = gate_.is_current(pass);
    gate_.leave(pass);
    if (judgement.verdict == Verdict::throttled) {
        return throttle(current, judgement, options, now, random);
    }
    if (!current) return std::nullopt;
    switch (judgement.verdict) {
        case Verdict::park_token:
            if (blamed && state_ != TokenState::parked) break;
            close(now + options.token_probe);
            return change(TokenState::parked);
        case Verdict::retry:
        case Verdict::park_destination:
            // Nobody has looked at the token.
            if (state_ == TokenState::parked) close(now + options.token_probe);
            return std::nullopt;
        case Verdict::delivered:
        case Verdict::rejected:
        case Verdict::gone:
        case Verdict::throttled:
            break;
    }
    throttled_in_a_row_ = 0;
    // An older one may have been told a time while this one was under way.
    if (gate_.is_closed() && gate_.until() > now) return change(TokenState::throttled);
    gate_.open();
    return change(TokenState::active);
}

std::optional<TokenState> TokenGate::throttle(bool current, const Judgement& judgement,
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
    close(now +
          (asked ? *judgement.hold : backoff(options.token_backoff, throttled_in_a_row_, random)));
    return change(TokenState::throttled);
}

// Here, too, an older one may have been told a later time while the probe was under way.
void TokenGate::close(MonoTime until) noexcept {
    gate_.close(gate_.is_closed() ? std::max(until, gate_.until()) : until);
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

std::optional<TokenState> TokenGate::change(TokenState state) noexcept {
    if (state == state_) return std::nullopt;
    state_ = state;
    return state;
}

}  // namespace flowrelay::core::scheduling
