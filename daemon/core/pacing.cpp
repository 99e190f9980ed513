#include "pacing.hpp"

#include <memory>

namespace flowrelay::core::scheduling {

namespace {
constexpr Seconds refused_together{10};
}

Pacing::Ticket Pacing::begin(TokenQueue& token, MonoTime now, std::size_t under_way,
                             std::size_t under_way_of_token) noexcept {
    limit_.take(now);
    Ticket ticket;
    ticket.of_destination = token.in_step || !destination_.is_limiting();
    if (ticket.of_destination) ticket.destination = destination_.begin(now, under_way);
    if (token.pace) ticket.token = token.pace->begin(now, under_way_of_token);
    return ticket;
}

bool Pacing::end(TokenQueue& token, const Ticket& ticket, const Judgement& judgement,
                 Breaker::Known known, MonoTime now) {
    if (judgement.verdict == Verdict::delivered) {
        if (ticket.of_destination) destination_.taken(ticket.destination, now);
        if (token.pace) token.pace->taken(ticket.token, now);
        return token.in_step;
    }
    if (!judgement.too_fast || known.token_waits) return token.in_step;
    const bool explicitly = judgement.verdict == Verdict::throttled;
    const bool of_all = known.alone || refused_lately_.others(token.id, now - refused_together);
    if (of_all) token.refused_at = now;
    if (says_something(token, of_all, explicitly, known.trouble)) {
        refused_lately_.note(token.id, now);
        if (!of_all) {
            if (!token.pace) token.pace = std::make_unique<Pace>();
            token.pace->refused(ticket.token, now, explicitly);
        } else if (ticket.of_destination) {
            destination_.refused(ticket.destination, now, explicitly);
        }
    }
    return token.in_step || (of_all && destination_.is_limiting());
}

// A token that goes on with the trouble that it had says nothing of a limit. Nor does a thread, as
// long as no limit is known.
bool Pacing::says_something(const TokenQueue& token, bool of_all, bool explicitly,
                            bool known_trouble) const noexcept {
    if (!known_trouble) return true;
    const Pace* pace = of_all ? &destination_ : token.pace.get();
    return !explicitly && pace && pace->is_limiting();
}

void Pacing::renew() noexcept {
    destination_ = Pace();
    refused_lately_ = {};
}

}  // namespace flowrelay::core::scheduling
