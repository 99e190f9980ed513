// Keeps the storage thread still for a moment, so that somebody else can copy its files: between
// two commits they are consistent with each other.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>

#include "flowrelay/base/time.hpp"

namespace flowrelay::runtime {

class StorageFreeze {
public:
    /// Longer would make producers wait too long, and the watchdog end the daemon.
    static constexpr Milliseconds limit = Seconds(10);

    /// Takes the freeze. False: somebody else has it.
    bool begin();

    /// Blocks the calling thread, the storage thread, until thaw() or the limit. Calls `held`
    /// first, when thaw() already counts; it must not call back. Returns false, and calls nothing,
    /// if the freeze was thawed before it came to that.
    bool hold(const std::function<void()>& held = {});

    /// Ends the freeze. Returns whether the files stood still from hold() until now.
    bool thaw();

private:
    enum class State { idle, begun, held, expired, thawed };
    std::mutex mutex_;
    std::condition_variable wake_;
    State state_ = State::idle;
};

}  // namespace flowrelay::runtime
