#include "lane_waits.hpp"

namespace flowrelay::core::scheduling {

bool must_wait(const Lane& lane, const Judgement& judgement, const Breaker& breaker) noexcept {
    switch (judgement.verdict) {
        case Verdict::retry:
            return !judgement.connection_failure || judgement.after_sending ||
                   breaker.state() != DestinationState::down;
        case Verdict::park_token:
            return lane.blamed_token && !lane.token->gate.is_closed();
        case Verdict::park_destination:
            return lane.blamed_destination && !breaker.closed_until() &&
                   !lane.token->gate.is_closed();
        case Verdict::delivered:
        case Verdict::gone:
        case Verdict::throttled:
        case Verdict::rejected:
            break;
    }
    return false;
}

std::optional<MonoTime> not_the_next_probe(const Lane& lane, const Judgement& judgement,
                                           const Breaker& breaker, const SchedulerOptions& options,
                                           MonoTime now) noexcept {
    const bool by_url = judgement.verdict == Verdict::park_destination;
    if (!by_url && judgement.verdict != Verdict::park_token) return std::nullopt;
    if (lane.token->gate.state() == TokenState::parked) return now + options.token_probe;
    // Otherwise none goes before the next probe.
    const bool others_may = breaker.state() == DestinationState::parked &&
                            breaker.closed_until().value_or(MonoTime::max()) <= now;
    return by_url && others_may ? std::optional(now + options.destination_probe) : std::nullopt;
}

std::optional<MonoTime> probe_by(const TokenQueue& token) noexcept {
    constexpr int max_lanes = 16;
    std::optional<MonoTime> first;
    if (token.gate.state() != TokenState::parked || !token.ready.empty()) return first;
    int looked_at = 0;
    for (const Lane& lane : token.lanes) {
        if (++looked_at > max_lanes) return std::nullopt;
        if (lane.is_armed() && (!first || lane.at < *first)) first = lane.at;
    }
    return first;
}

}  // namespace flowrelay::core::scheduling
