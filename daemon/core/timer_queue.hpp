// What waits until when. A timer is a part of what waits, so arming one allocates nothing.
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

    MonoTime at{};  ///< meaningless when not armed
    Owner owner;
};

/// The armed timers in the order of their ends, those that end together in the order of arming.
/// A timer must be disarmed before it is destroyed.
class TimerQueue {
public:
    TimerQueue() = default;
    TimerQueue(const TimerQueue&) = delete;
    TimerQueue& operator=(const TimerQueue&) = delete;
    ~TimerQueue() { timers_.clear(); }

    /// Sets it, or sets it anew.
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

    /// Disarms and gives a timer that has ended by now, the earliest first; null when there is
    /// none.
    Timer* take_due(MonoTime now) noexcept {
        if (!has_due(now)) return nullptr;
        Timer& timer = *timers_.begin();
        disarm(timer);
        return &timer;
    }

    bool has_due(MonoTime now) const noexcept {
        return !timers_.empty() && timers_.begin()->at <= now;
    }

    /// The first end that lies after `now`.
    std::optional<MonoTime> first_after(MonoTime now) const noexcept {
        const auto found = timers_.upper_bound(now, ByEnd());
        return found == timers_.end() ? std::nullopt : std::optional(found->at);
    }

    /// How many timers of this kind of owner are armed.
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
