// When a trouble that lasts is told again, so that the log of today tells it without that of
// yesterday.
#pragma once

#include <chrono>
#include <optional>

#include "flowrelay/base/time.hpp"

namespace flowrelay::core {

/// Pure. The first line of a trouble is somebody else's.
class Reminder {
public:
    static constexpr Seconds interval = Seconds(3600);

    /// Says whether a line is due: once an hour while the trouble lasts, the first an hour after
    /// the call that found it.
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
