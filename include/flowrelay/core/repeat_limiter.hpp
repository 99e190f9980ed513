// Limits repeated log lines: a burst passes, then one line per interval, which says how many were
// left out. Owned by one thread.
#pragma once

#include <cstdint>
#include <optional>

#include "flowrelay/base/time.hpp"

namespace flowrelay::core {

class RepeatLimiter {
public:
    /// `burst` lines pass at once, then one per `interval`. Each quiet interval restores one line
    /// of the burst.
    RepeatLimiter(unsigned burst, Milliseconds interval) noexcept
        : burst_(burst), interval_(interval), left_(burst) {}

    /// Returns nothing if the line must be left out. Otherwise returns the number of lines that
    /// were left out before it.
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
