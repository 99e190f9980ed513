// Keeps repeated log lines from flooding: a burst goes through, then one line an interval that
// says how many were left out. Owned by one thread.
#pragma once

#include <cstdint>
#include <optional>

#include "flowrelay/base/time.hpp"

namespace flowrelay::core {

class RepeatLimiter {
public:
    /// `burst` lines go through at once; afterwards one each `interval`. A quiet interval for each
    /// line of the burst makes it whole again.
    RepeatLimiter(unsigned burst, Milliseconds interval) noexcept
        : burst_(burst), interval_(interval), left_(burst) {}

    /// Nothing: leave this line out. A number: write it, and say that so many were left out.
    std::optional<std::uint64_t> admit(MonoTime now) noexcept {
        refill(now);
        if (left_ == 0) {
            ++suppressed_;
            return std::nullopt;
        }
        --left_;
        const auto suppressed = suppressed_;
        suppressed_ = 0;
        return suppressed;
    }

private:
    void refill(MonoTime now) noexcept {
        if (left_ == burst_) {
            since_ = now;
            return;
        }
        while (left_ < burst_ && now - since_ >= interval_) {
            since_ += interval_;
            ++left_;
        }
        if (left_ == burst_) since_ = now;
    }

    unsigned burst_;
    Milliseconds interval_;
    unsigned left_;
    MonoTime since_{};
    std::uint64_t suppressed_ = 0;
};

}  // namespace flowrelay::core
