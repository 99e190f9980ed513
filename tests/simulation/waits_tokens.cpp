// What answers mean for a token.
#include <algorithm>
#include <utility>

#include "waits.hpp"

namespace flowrelay::test {

using core::TokenState;
using core::Verdict;

void Waits::answer_token(Token& token, const Answer& answer, const Head& head, Now now) {
    const MonoTime probe = now.mono + options_.token_probe;
    switch (answer.judgement.verdict) {
        case Verdict::throttled:
            token.evidence = Evidence();
            throttle(token, answer.asked, answer.current, now);
            return;
        case Verdict::park_token:
            if (!answer.current) return;
            token.evidence = Evidence();
            if (head.blamed_token && token.state != TokenState::parked) break;
            if (head.unsure && token.state != TokenState::parked) {
                token.unsure = token.perhaps_parked = true;
                token.latest = std::max(probe, token.latest);
                return;
            }
            park(token, now);
            return;
        case Verdict::retry:
        case Verdict::park_destination:
            token_failed(token, answer, now);
            return;
        default:
            if (!answer.current) return;
    }
    token.evidence = Evidence();
    token.throttled_in_a_row = 0;
    if (token.probes_failed > 0) --token.probes_failed;
    token.closed = token.closed && now.mono < token.earliest;
    token.state = token.closed ? TokenState::throttled : TokenState::active;
}

// Failures that do not count for the destination may count for the token.
void Waits::token_failed(Token& token, const Answer& answer, Now now) {
    if (token.closed && answer.current) {
        token_probe_failed(token, answer, now);
        return;
    }
    const bool asked = answer.kind == Evidence::asked_to_wait;
    if (destination_.unsure) token.unsure = token.evidence.maybe = true;
    if (destination_.closed || (!answer.current && !asked)) return;
    if (token.closed) {
        token.extend(now.mono + *answer.asked);
        return;
    }
    if (answer.kind == Evidence::none || answer.kind == Evidence::no_connection) return;
    if (answer.kind != Evidence::no_answer) token.evidence.answered();
    if (answer.kind == Evidence::wrong_url && answer.blamed_url) return;
    if (answer.kind == Evidence::wrong_url && answer.unsure) token.evidence.maybe = true;
    // If it is known to the relay that the token was answered well a moment ago.
    const auto good_at = good_at_.find(answer.lane.first);
    if (answer.limits && good_at != good_at_.end() &&
        now.mono - good_at->second <= limits_after_good) {
        token.evidence.maybe = token.probes_unsure = true;
    }
    token.evidence.note(answer.kind, answer.lane);
    if (!token.evidence.is_wide(answer.kind, options_)) return;
    auto state = TokenState::failing;
    Range until;
    if (asked) {
        state = TokenState::throttled;
        until = {now.mono + *answer.asked, now.mono + *answer.asked};
    } else if (answer.kind == Evidence::wrong_url) {
        state = TokenState::parked;
        until = {now.mono, now.mono};
    } else {
        until = after_failed_probe(token, now);
    }
    if (token.evidence.maybe) {
        token.unsure = token.perhaps_parked = true;
        token.latest = std::max(token.latest, until.second);
        return;
    }
    token.evidence = Evidence();
    token.close(until.first, until.second);
    token.state = state;
}

// The first refusal may be about its event, so another thread may be tried at once.
void Waits::park(Token& token, Now now) {
    const bool again = token.state == TokenState::parked;
    const MonoTime until = again ? now.mono + options_.token_probe : now.mono;
    token.close(until, until);
    token.state = TokenState::parked;
}

void Waits::token_probe_failed(Token& token, const Answer& answer, Now now) {
    const MonoTime probe = now.mono + options_.token_probe;
    const bool parked = token.state == TokenState::parked;
    if (answer.asked && !destination_.closed) {
        const MonoTime until = std::max(now.mono + *answer.asked, parked ? probe : now.mono);
        token.close(until, until);
        if (!parked) token.state = TokenState::throttled;
        return;
    }
    if (parked) token.close(probe, probe);
    if (token.state == TokenState::failing && !destination_.closed) {
        const auto until = after_failed_probe(token, now);
        token.close(until.first, until.second);
    }
}

Waits::Range Waits::after_failed_probe(Token& token, Now now) const {
    count_failure(options_.token_backoff, token.probes_failed);
    const auto until = after_backoff(options_.token_backoff, token.probes_failed, now);
    if (!token.probes_unsure) return until;
    return {after_backoff(options_.token_backoff, 1, now).first,
            now.mono + options_.token_backoff.max};
}

void Waits::throttle(Token& token, std::optional<Milliseconds> asked, bool current, Now now) {
    if (!current && !asked) return;
    if (!current && token.closed) {
        token.extend(now.mono + *asked);
        return;
    }
    ++token.throttled_in_a_row;
    Range until(now.mono, now.mono);
    if (asked) {
        until = {now.mono + *asked, now.mono + *asked};
    } else {
        until = after_backoff(options_.token_backoff, token.throttled_in_a_row, now);
    }
    token.close(until.first, until.second);
    token.state = TokenState::throttled;
}

bool Waits::token_is_tried(std::size_t token) const {
    const auto found = tokens_.find(token);
    return found != tokens_.end() && !found->second.inside.empty();
}

}  // namespace flowrelay::test
