// Virtual time, and what is to happen in it.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "flowrelay/base/time.hpp"

namespace flowrelay::test {

class Agenda final : public Clock {
public:
    Now now() const override { return now_; }

    void at(MonoTime time, std::function<void()> what) {
        items_.emplace(std::max(time, now_.mono), std::move(what));  // equal times keep their order
    }
    void in(Milliseconds delay, std::function<void()> what) {
        at(now_.mono + delay, std::move(what));
    }

    /// Goes to the next thing that is to happen, if that is not later than `end`, and does it.
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
    void pass_to(MonoTime time) {
        // Wall time has milliseconds; what is below is carried on.
        const auto passed = time - start_.mono;
        now_.mono = time;
        now_.wall = start_.wall + std::chrono::duration_cast<Milliseconds>(passed);
    }

    static constexpr Now start_{MonoTime(Seconds(1'000'000)), WallTime(Seconds(1'800'000'000))};
    Now now_ = start_;
    std::multimap<MonoTime, std::function<void()>> items_;
};

}  // namespace flowrelay::test
