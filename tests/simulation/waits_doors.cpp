#include <algorithm>

#include "waits.hpp"

namespace flowrelay::test {

void Waits::Door::close(MonoTime from, MonoTime to) {
    if (!closed) {
        inside.clear();
        earliest = from;
        latest = to;
    } else {
        // A wait that was requested during a probe counts whatever the probe's result.
        earliest = std::max(earliest, from);
        latest = std::max(latest, to);
    }
    closed = true;
}

void Waits::Door::extend(MonoTime until) {
    earliest = std::max(earliest, until);
    latest = std::max(latest, until);
}

void Waits::Door::end_soon(MonoTime now) {
    earliest = std::min(earliest, now);
    latest = std::min(latest, now);
}

void Waits::Door::try_now(MonoTime now) {
    end_soon(now);
    for (Ask& ask : asks) ask.is_over = true;
}

}  // namespace flowrelay::test
