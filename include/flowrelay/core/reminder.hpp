// Decides when to log a lasting problem again, so that today's log mentions it without yesterday's.
#pragma once

#include <chrono>
#include <optional>

#include "flowrelay/base/time.hpp"

namespace flowrelay::core {

/// Pure. The caller logs the first line of a problem itself.
class Reminder {
public:
    static constexpr Seconds interval = Seconds(3600);

    /// Returns whether a line is due: once an hour while the problem lasts, first an hour after the
    /// call that reported it.
    bool due(bool lasts, MonoTime now) {
        if (!lasts) {
            next_.reset();
            return false;
        }
        if (!next_) {
            next_ = now + interval;
            return false;
        }
        if (now < *next_) return false;
        next_ = now + interval;
        return true;
    }

private:
    std::optional<MonoTime> next_;
};

}  // namespace flowrelay::core
