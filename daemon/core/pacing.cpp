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
    ticket.destination = destination_.begin(now, under_way);
    if (token.pace) ticket.token = token.pace->begin(now, under_way_of_token);
    return ticket;
}

void Pacing::end(TokenQueue& token, const Ticket& ticket, const Judgement& judgement,
                 Breaker::Known known, MonoTime now) {
    if (judgement.verdict == Verdict::delivered) {
        destination_.taken(ticket.destination, now);
        if (token.pace) token.pace->taken(ticket.token, now);
        return;
    }
    const bool explicitly = judgement.verdict == Verdict::throttled;
    // A token that goes on with the trouble that it had says nothing of a limit.
    if (!judgement.too_fast || known.token_waits || (explicitly && known.trouble)) return;
    const bool of_all = known.alone || refused_lately_.others(token.id, now - refused_together);
    refused_lately_.note(token.id, now);
    // Nor does a thread, as long as no limit is known.
    if (!explicitly && known.trouble) {
        const Pace* pace = of_all ? &destination_ : token.pace.get();
        if (!pace || !pace->is_limiting()) return;
    }
    if (!of_all && !token.pace) token.pace = std::make_unique<Pace>();
    if (of_all) {
        destination_.refused(ticket.destination, now, explicitly);
    } else {
        token.pace->refused(ticket.token, now, explicitly);
    }
}

void Pacing::renew() noexcept {
    destination_ = Pace();
    refused_lately_ = {};
}

}  // namespace flowrelay::core::scheduling
