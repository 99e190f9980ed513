// A door that can be closed until some time, and then lets one attempt at a time through to find
// out whether it may open again. What the breaker of the destination and the state of a token have
// in common.
//
// Attempts that began before the door closed tell nothing about the time after it: is_current()
// tells them apart, so that thirty answers to one outage count as one.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "flowrelay/base/time.hpp"

namespace flowrelay::core::scheduling {

class Gate {
public:
    /// What an attempt that was let through carries with it until it leaves.
    struct Pass {
        std::uint32_t epoch = 0;
        bool probe = false;  ///< let through a closed gate
    };

    std::uint32_t epoch() const noexcept { return epoch_; }
    bool is_closed() const noexcept { return closed_; }
    bool has_probe() const noexcept { return probes_ > 0; }
    unsigned probes() const noexcept { return probes_; }

    /// While closed: when the next probe may pass (which may lie in the past).
    MonoTime until() const noexcept { return until_; }
    std::optional<MonoTime> closed_until() const noexcept {
        return closed_ ? std::optional(until_) : std::nullopt;
    }

    /// How many current attempts are under way.
    std::size_t inside() const noexcept { return inside_; }

    bool admits(MonoTime now) const noexcept { return !closed_ || (probes_ == 0 && until_ <= now); }

    /// One probe at a time, or another one beside it where its owner has a reason.
    Pass enter() noexcept {
        assert(!closed_ || probes_ < 2);
        ++inside_;
        if (closed_) ++probes_;
        return {epoch_, closed_};
    }

    /// Whether the attempt began after the gate last closed. Before or after leave().
    bool is_current(Pass pass) const noexcept { return pass.epoch == epoch_; }

    void leave(Pass pass) noexcept {
        if (!is_current(pass)) return;
        assert(inside_ > 0);
        --inside_;
        if (pass.probe && probes_ > 0) --probes_;
    }

    /// Closes, or moves the end of a gate that is closed. Attempts under way become outdated when
    /// it was open.
    void close(MonoTime until) noexcept {
        if (!closed_) {
            ++epoch_;
            inside_ = 0;
            probes_ = 0;
        }
        closed_ = true;
        until_ = until;
    }

    /// Moves the end of a closed gate, never forward in time.
    void extend(MonoTime until) noexcept { until_ = std::max(until_, until); }

    /// Lets the next probe pass as soon as none is out.
    void try_now(MonoTime now) noexcept { until_ = std::min(until_, now); }

    void open() noexcept {
        closed_ = false;
        probes_ = 0;
    }

    /// Opens, and outdates all attempts under way: it is the gate of something else now.
    void renew() noexcept {
        ++epoch_;
        inside_ = 0;
        open();
    }

private:
    MonoTime until_{};
    std::uint32_t epoch_ = 0;
    std::uint32_t inside_ = 0;
    bool closed_ = false;
    unsigned probes_ = 0;
};

}  // namespace flowrelay::core::scheduling
