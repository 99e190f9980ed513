// Whether events of a token may be posted, as far as the destination's answers go.
//
//   active     yes
//   throttled  429: not until the time it named, or after a backoff
//   parked     401 or 403: kept; one probe each token_probe
//
// After the time of `throttled` one event at a time, too, until one is answered otherwise. Pure.
#pragma once

#include <optional>

#include "flowrelay/base/random.hpp"
#include "flowrelay/core/scheduler.hpp"
#include "gate.hpp"

namespace flowrelay::core::scheduling {

class TokenGate {
public:
    using Pass = Gate::Pass;

    /// active, throttled or parked.
    TokenState state() const noexcept { return state_; }
    bool is_closed() const noexcept { return gate_.is_closed(); }
    bool has_probe() const noexcept { return gate_.has_probe(); }
    bool is_current(Pass pass) const noexcept { return gate_.is_current(pass); }
    std::optional<MonoTime> closed_until() const noexcept { return gate_.closed_until(); }

    Pass begin() noexcept { return gate_.enter(); }
    void cancel(Pass pass) noexcept { gate_.leave(pass); }

    /// An attempt has ended; any verdict but `gone`. `blamed`: the lane's head has been answered
    /// 401 or 403 before; when others of the token were answered well since, that is the lane's own
    /// trouble. Gives the new state if this changed it.
    std::optional<TokenState> end(Pass pass, const Judgement& judgement, bool blamed,
                                  const SchedulerOptions& options, MonoTime now, Random& random);

    void hurry(MonoTime now) noexcept { gate_.hurry(now); }
    void park(MonoTime until) noexcept;
    void hold(MonoTime until) noexcept;
    void open() noexcept;

private:
    std::optional<TokenState> change(TokenState state) noexcept;
    void close(MonoTime until) noexcept;
    std::optional<TokenState> throttle(bool current, const Judgement& judgement,
                                       const SchedulerOptions& options, MonoTime now,
                                       Random& random);

    Gate gate_;
    TokenState state_ = TokenState::active;
    unsigned throttled_in_a_row_ = 0;
};

}  // namespace flowrelay::core::scheduling
