// A token bucket: so many events per second on average, and a burst of so many at once.
//
// The bucket is not refilled step by step: it knows when it was last full and what has been taken
// since, so the time at which the next event may go is computed from scratch each time and no
// rounding adds up (the generic cell rate algorithm of ITU-T I.371, counted instead of summed).
// In any stretch of time t at most burst + rate * t events go.
//
// Pure: time is an argument, and never goes back. Owned by one thread.
#pragma once

#include <cstdint>

#include "flowrelay/base/time.hpp"

namespace flowrelay::core {

class RateLimiter {
public:
    /// No limit.
    RateLimiter() noexcept = default;

    /// `rate`: events per second; 0 or less: no limit. `burst`: what the bucket holds, at least 1,
    /// parts of an event count; 0 or less: one second's worth. It is full at first.
    explicit RateLimiter(double rate, double burst = 0) noexcept;

    bool is_limited() const noexcept { return rate_ > 0; }

    /// When the next event may go: long ago when the bucket has one.
    MonoTime available_from() const noexcept;

    /// Takes one out. False, and nothing is changed, when that would be too early.
    bool take(MonoTime now) noexcept;

    /// Another rate and burst, as above. What was left in the bucket when something
    /// was last taken stays in it as far as it has room, and it is filled at the new rate since: a
    /// change is no way to a second burst. A limit where there was none begins with a full bucket.
    void set_rate(double rate, double burst = 0) noexcept;

private:
    MonoTime after(double events) const noexcept;

    double rate_ = 0;
    double burst_ = 1;
    MonoTime full_at_ = MonoTime::min();  // it was full then, ...
    std::uint64_t taken_ = 0;             // ... and these have been taken since, ...
    MonoTime last_ = MonoTime::min();     // ... the last of them now
};

}  // namespace flowrelay::core
