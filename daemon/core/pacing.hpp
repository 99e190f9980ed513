// When the next attempt may begin, and how many may be under way, as far as rates go: the
// configured limit, and what a server that limits has been seen to take.
//
// A refusal for going too fast (429, 503) belongs to the narrowest scope that explains what was
// seen lately: to the token that got it, or to the destination when no other token is active or
// another one was refused within a few seconds. Even then only tokens that were refused go by the
// pace of the destination, *in step* with each other: one that never was may have no limit at all,
// and soon is if it has. Pure.
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
        bool of_destination = false;  ///< it went by the pace of the destination, or there was none
    };

    Pacing(double rate, double burst) noexcept : limit_(rate, burst) {}

    void set_limit(double rate, double burst) noexcept { limit_.set_rate(rate, burst); }

    /// When the next attempt may begin, whatever its token, ...
    MonoTime limited_from() const noexcept { return limit_.available_from(); }
    /// ... and of a token that is in step.
    MonoTime paced_from() const noexcept { return destination_.available_from(); }

    /// How many attempts of tokens in step may be under way.
    std::size_t allowance() const noexcept { return destination_.allowance(); }
    /// How many of the token may be, as far as it has been refused more for itself.
    std::size_t allowance(const TokenQueue& token) const noexcept {
        return token.pace ? token.pace->allowance() : std::numeric_limits<std::size_t>::max();
    }

    /// Whether a limit is known that its requests go by.
    bool is_limiting(const TokenQueue& token) const noexcept {
        return (token.in_step && destination_.is_limiting()) ||
               (token.pace && token.pace->is_limiting());
    }

    /// An attempt begins; `under_way`, of all tokens that go by the same pace of the destination,
    /// and `under_way_of_token` count it.
    Ticket begin(TokenQueue& token, MonoTime now, std::size_t under_way,
                 std::size_t under_way_of_token) noexcept;

    /// It has ended. The pace of the token may be another now. Returns whether the token is in step
    /// from now on.
    bool end(TokenQueue& token, const Ticket& ticket, const Judgement& judgement,
             Breaker::Known known, MonoTime now);

    /// Whether the token need not be in step any more: it has not been refused for long.
    bool may_leave_step(const TokenQueue& token, MonoTime now) const noexcept {
        return !destination_.is_limiting() || now - token.refused_at > Pace::forgotten_after;
    }

    /// Events go somewhere else now: forgets what the former destination took.
    void renew() noexcept;

private:
    bool says_something(const TokenQueue& token, bool of_all, bool explicitly,
                        bool known_trouble) const noexcept;

    RateLimiter limit_;
    Pace destination_;
    LatelyActive<MonoTime> refused_lately_;
};

}  // namespace flowrelay::core::scheduling
