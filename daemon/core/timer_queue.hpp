// Timers of lanes and tokens. A timer is part of its owner, so arming it allocates nothing.
#pragma once

#include <boost/intrusive/set.hpp>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "flowrelay/base/time.hpp"

namespace flowrelay::core::scheduling {

struct Timer : boost::intrusive::set_base_hook<boost::intrusive::optimize_size<true>> {
    enum class Owner : std::uint8_t { lane, token };

    explicit Timer(Owner of) noexcept : owner(of) {}
    bool is_armed() const noexcept { return is_linked(); }

    MonoTime at{};  ///< only valid while armed
    Owner owner;
};

/// The armed timers, ordered by their ends and then by the order of arming. A timer must be
/// disarmed before it is destroyed.
class TimerQueue {
public:
    TimerQueue() = default;
    TimerQueue(const TimerQueue&) = delete;
    TimerQueue& operator=(const TimerQueue&) = delete;
    ~TimerQueue() { timers_.clear(); }

    /// Arms a timer, or arms it again with a new end.
    void arm(Timer& timer, MonoTime at) noexcept {
        disarm(timer);
        timer.at = at;
        timers_.insert(timer);
        ++count_of(timer.owner);
    }

    void disarm(Timer& timer) noexcept {
        if (!timer.is_armed()) return;
        timers_.erase(Timers::s_iterator_to(timer));
        assert(count_of(timer.owner) > 0);
        --count_of(timer.owner);
    }

    /// Disarms and returns the earliest timer that has ended by now; null if there is none.
    Timer* take_due(MonoTime now) noexcept {
        if (!has_due(now)) return nullptr;
        Timer& timer = *timers_.begin();
        disarm(timer);
        return &timer;
    }

    bool has_due(MonoTime now) const noexcept {
        return !timers_.empty() && timers_.begin()->at <= now;
    }

    /// Returns the first end after `now`.
    std::optional<MonoTime> first_after(MonoTime now) const noexcept {
        const auto found = timers_.upper_bound(now, ByEnd());
        return found == timers_.end() ? std::nullopt : std::optional(found->at);
    }

    /// Returns the number of armed timers with this kind of owner.
    std::size_t armed(Timer::Owner owner) const noexcept {
        return owner == Timer::Owner::lane ? lanes_ : tokens_;
    }

private:
    struct ByEnd {
        bool operator()(const Timer& a, const Timer& b) const noexcept { return a.at < b.at; }
        bool operator()(MonoTime a, const Timer& b) const noexcept { return a < b.at; }
        bool operator()(const Timer& a, MonoTime b) const noexcept { return a.at < b; }
    };
    using Timers = boost::intrusive::multiset<Timer, boost::intrusive::compare<ByEnd>,
                                              boost::intrusive::constant_time_size<false>>;

    std::size_t& count_of(Timer::Owner owner) noexcept {
        return owner == Timer::Owner::lane ? lanes_ : tokens_;
    }

    Timers timers_;
    std::size_t lanes_ = 0;
    std::size_t tokens_ = 0;
};

}  // namespace flowrelay::core::scheduling
