// Whether events of a token may be posted, as far as the destination's answers go.
//
//   active     yes
//   throttled  429, or 503 with Retry-After to several of its threads: not until the time it named,
//              or after a backoff
//   parked     401 or 403, or as if the base URL were wrong: kept; one probe each token_probe. (The
//              first such answer may be about its event alone, so that of another thread may be a
//              probe at once.)
//   failing    5xx or no answers for several of its threads; probes with a growing backoff
//
// What it takes is in evidence.hpp. After the time of `throttled` one event at a time, too, until
// one is answered otherwise. Pure.
#pragma once

#include <memory>
#include <optional>

#include "evidence.hpp"
#include "flowrelay/base/random.hpp"
#include "flowrelay/core/scheduler.hpp"
#include "gate.hpp"

namespace flowrelay::core::scheduling {

class TokenGate {
public:
    using Pass = Gate::Pass;

    /// What is known of an attempt that ends.
    struct Known {
        LaneId lane;
        /// The lane's head has been answered 401 or 403 before; when others of the token were
        /// answered well since, that is the lane's own trouble. The same for a wrong URL.
        bool blamed = false;
        bool blamed_url = false;
        bool destinations = false;  ///< the trouble is that of the destination
        /// The limit that it passed was known, and it goes at the pace of that already.
        bool paced = false;
        /// It came from a limit that was passed: see is_limit().
        bool is_limit = false;
    };

    /// active, throttled, parked or failing.
    TokenState state() const noexcept { return state_; }
    bool is_closed() const noexcept { return gate_.is_closed(); }
    bool has_probe() const noexcept { return gate_.has_probe(); }
    bool is_current(Pass pass) const noexcept { return gate_.is_current(pass); }
    std::optional<MonoTime> closed_until() const noexcept { return gate_.closed_until(); }

    /// Something is known against it that must not be forgotten with its last event.
    bool has_trouble() const noexcept { return trouble_ != nullptr || probes_failed_ > 0; }

    Pass begin() noexcept { return gate_.enter(); }
    void cancel(Pass pass) noexcept { gate_.leave(pass); }

    /// An attempt has ended; any verdict but `gone`. Gives the new state if this changed it.
    std::optional<TokenState> end(Pass pass, const Judgement& judgement, const Known& known,
                                  const SchedulerOptions& options, MonoTime now, Random& random);

    void try_now(MonoTime now) noexcept { gate_.try_now(now); }
    void park(MonoTime until) noexcept;
    void hold(MonoTime until) noexcept;
    void open() noexcept;
    /// Another token lies in the slot: forgets all that was said of the former one.
    void renew() noexcept;

private:
    std::optional<TokenState> change(TokenState state) noexcept;
    void close(MonoTime until) noexcept;
    MonoTime next_try_of_parked(const SchedulerOptions& options, MonoTime now) const noexcept;
    std::optional<TokenState> throttle(bool current, const Judgement& judgement, bool paced,
                                       const SchedulerOptions& options, MonoTime now,
                                       Random& random);

    std::optional<TokenState> failed(bool current, const Judgement& judgement, const Known& known,
                                     const SchedulerOptions& options, MonoTime now, Random& random);
    std::optional<TokenState> probe_failed(const Judgement& judgement, const Known& known,
                                           const SchedulerOptions& options, MonoTime now,
                                           Random& random);
    std::optional<TokenState> close(TokenState state, MonoTime until) noexcept;
    MonoTime next_probe(const SchedulerOptions& options, MonoTime now, Random& random) noexcept;
    bool note(Evidence evidence, const Known& known, const SchedulerOptions& options);

    Gate gate_;
    TokenState state_ = TokenState::active;
    unsigned throttled_in_a_row_ = 0;
    unsigned probes_failed_ = 0;        // of `failing`; each good answer takes one off
    std::unique_ptr<Trouble> trouble_;  // while active; null: none
};

}  // namespace flowrelay::core::scheduling
