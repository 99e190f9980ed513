// Virtual time with a queue of pending actions, on a machine whose wall clock is unreliable.
// core::Timeline derives the relay's time from its clocks.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "flowrelay/base/time.hpp"
#include "flowrelay/core/timeline.hpp"

namespace flowrelay::test {

class Agenda final : public Clock {
public:
    Now now() const override { return now_; }

    // ---- the machine

    core::ClockReading read() const {
        return {start_.wall + elapsed() + skew_, elapsed() - booted_at_,
                std::to_string(boots_.size())};
    }
    void set_wall_clock(Milliseconds step) { skew_ += step; }
    /// Reboots the machine; the wall clock may differ afterwards, by `step`.
    void reboot(Milliseconds step) {
        booted_at_ = elapsed();
        boots_.push_back(booted_at_);
        skew_ += step;
    }
    /// Starts a process immediately after the previous one, from an anchor. Returns false if the
    /// timeline says that time has passed between them.
    bool begin(const std::optional<core::ClockAnchor>& anchor) {
        const WallTime last = now_.wall;
        if (anchor) correct_what_nobody_can_tell(*anchor);
        timeline_.emplace(anchor, read());
        pass_to(now_.mono);
        return now_.wall <= last;
    }
    core::Timeline& timeline() { return *timeline_; }

    void at(MonoTime time, std::function<void()> what) {
        // Actions at the same time keep their order.
        items_.emplace(std::max(time, now_.mono), std::move(what));
    }
    void in(Milliseconds delay, std::function<void()> what) {
        at(now_.mono + delay, std::move(what));
    }

    /// Advances to the next action and runs it, if it is not later than `end`.
    bool step(MonoTime end) {
        if (items_.empty() || items_.begin()->first > end) {
            pass_to(std::max(end, now_.mono));
            return false;
        }
        auto next = items_.extract(items_.begin());
        pass_to(next.key());
        next.mapped()();
        return true;
    }

private:
    // Steps that have not reached the disk may add up to what looks like a machine that was off for
    // a while. No anchor can distinguish the two, so such a clock is corrected before the start.
    void correct_what_nobody_can_tell(const core::ClockAnchor& anchor) {
        const std::size_t boot = std::stoul(anchor.boot_id);
        if (boot == boots_.size()) return;
        const Milliseconds passed = elapsed() - (boots_[boot - 1] + anchor.since_boot);
        const Milliseconds said = read().wall - anchor.wall;
        if (said > passed && said <= core::Timeline::max_time_off) skew_ -= said - passed;
    }
    void pass_to(MonoTime time) {
        now_.mono = time;
        now_.wall = timeline_ ? timeline_->at(elapsed() - booted_at_) : start_.wall + elapsed();
    }
    // Wall time has milliseconds; the remainder is carried over.
    Milliseconds elapsed() const {
        return std::chrono::duration_cast<Milliseconds>(now_.mono - start_.mono);
    }

    static constexpr Now start_{MonoTime(Seconds(1'000'000)), WallTime(Seconds(1'800'000'000))};
    Now now_ = start_;
    Milliseconds skew_{0};
    Milliseconds booted_at_{0};
    std::vector<Milliseconds> boots_{Milliseconds(0)};  ///< start of each boot
    std::optional<core::Timeline> timeline_;
    std::multimap<MonoTime, std::function<void()>> items_;
};

}  // namespace flowrelay::test
