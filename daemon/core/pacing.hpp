// When the next attempt may begin, and how many may be under way, as far as rates go: the
// configured limit, and what a server that limits has been seen to take.
//
// A refusal for going too fast (429, 503) belongs to the narrowest scope that explains what was
// seen lately: to the token that got it, or to the destination when no other token is active or
// another one was refused within a few seconds. Pure.
#pragma once

#include <cstddef>
#include <limits>

#include "breaker.hpp"
#include "flowrelay/core/verdict.hpp"
#include "lane_table.hpp"
#include "lately_active.hpp"
#include "pace.hpp"
#include "rate_limiter.hpp"

namespace flowrelay::core::scheduling {

class Pacing {
public:
    struct Ticket {
        Pace::Ticket destination;
        Pace::Ticket token;
    };

    Pacing(double rate, double burst) noexcept : limit_(rate, burst) {}

    void set_limit(double rate, double burst) noexcept { limit_.set_rate(rate, burst); }

    /// When the next attempt may begin, whatever its token. `probe`: as a probe, which goes when
    /// its time has come, whatever the server took before.
    MonoTime available_from(bool probe) const noexcept {
        return probe ? limited_from() : std::max(limited_from(), paced_from());
    }
    MonoTime limited_from() const noexcept { return limit_.available_from(); }
    MonoTime paced_from() const noexcept { return destination_.available_from(); }

    /// How many may be under way.
    std::size_t allowance() const noexcept { return destination_.allowance(); }
    /// How many of the token may be, as far as it has been refused more for itself.
    std::size_t allowance(const TokenQueue& token) const noexcept {
        return token.pace ? token.pace->allowance() : std::numeric_limits<std::size_t>::max();
    }

    /// Whether a limit is known that its requests go by.
    bool is_limiting(const TokenQueue& token) const noexcept {
        return destination_.is_limiting() || (token.pace && token.pace->is_limiting());
    }

    /// An attempt begins; `under_way` and `under_way_of_token` count it.
    Ticket begin(TokenQueue& token, MonoTime now, std::size_t under_way,
                 std::size_t under_way_of_token) noexcept;

    /// It has ended. The pace of the token may be another now.
    void end(TokenQueue& token, const Ticket& ticket, const Judgement& judgement,
             Breaker::Known known, MonoTime now);

    /// Events go somewhere else now: forgets what the former destination took.
    void renew() noexcept;

private:
    RateLimiter limit_;
    Pace destination_;
    LatelyActive<MonoTime> refused_lately_;
};

}  // namespace flowrelay::core::scheduling
