#include "rate_limiter.hpp"

#include <algorithm>
#include <cmath>

namespace flowrelay::core {

namespace {

// Further away than anyone waits, and near enough for the sum of two times to stay in range.
constexpr double farthest = 1e9 * 86'400 * 365 * 100;

MonoTime::duration nanoseconds(double count) noexcept {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(std::min(count, farthest)));
}

}  // namespace

RateLimiter::RateLimiter(double rate, double burst) noexcept
    : rate_(std::max(rate, 0.0)), burst_(std::max(burst > 0 ? burst : rate, 1.0)) {}

// The time at which so many events have flowed in since the bucket was full. Rounded up: never too
// early.
MonoTime RateLimiter::after(double events) const noexcept {
    return full_at_ + nanoseconds(std::ceil(events / rate_ * 1e9));
}

MonoTime RateLimiter::available_from() const noexcept {
    if (!is_limited()) return MonoTime::min();
    const double missing = static_cast<double>(taken_) + 1 - burst_;
    return missing <= 0 ? MonoTime::min() : after(missing);
}

bool RateLimiter::take(MonoTime now) noexcept {
    if (!is_limited()) return true;
    if (now < available_from()) return false;
    if (taken_ == 0 || now >= after(static_cast<double>(taken_))) {
        full_at_ = now;
        taken_ = 0;
    }
    ++taken_;
    last_ = now;
    return true;
}

void RateLimiter::set_rate(double rate, double burst) noexcept {
    RateLimiter changed(rate, burst);
    if (changed.rate_ == rate_ && changed.burst_ == burst_) return;
    if (is_limited() && changed.is_limited() && taken_ > 0) {
        const auto since = in_seconds(last_ - full_at_);
        const double left = burst_ - std::max(static_cast<double>(taken_) - since * rate_, 0.0);
        const double missing = changed.burst_ - std::clamp(left, 0.0, changed.burst_);
        // Counted in whole events: the bucket was full a little before, and one more was taken.
        const double taken = std::ceil(missing);
        changed.taken_ = static_cast<std::uint64_t>(taken);
        changed.full_at_ = last_ - nanoseconds((taken - missing) / changed.rate_ * 1e9);
        changed.last_ = last_;
    }
    *this = changed;
}

}  // namespace flowrelay::core
