// Pauses the storage thread between two commits, when its files are consistent with each other, so
// that another process can copy them.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>

#include "flowrelay/base/time.hpp"

namespace flowrelay::runtime {

class StorageFreeze {
public:
    /// Maximum duration. A longer freeze would make producers wait too long and let the watchdog
    /// end the daemon.
    static constexpr Milliseconds limit = Seconds(10);

    /// Starts a freeze. Returns false if another one is in progress.
    bool begin();

    /// Blocks the calling thread, which is the storage thread, until thaw() or `limit`. Calls
    /// `held` first; by then thaw() already has effect. `held` must not call this object. Returns
    /// false without calling `held` if the freeze was thawed before.
    bool hold(const std::function<void()>& held = {});

    /// Ends the freeze. Returns whether the files were unchanged from hold() until now.
    bool thaw();

private:
    enum class State { idle, begun, held, expired, thawed };
    std::mutex mutex_;
    std::condition_variable wake_;
    State state_ = State::idle;
};

}  // namespace flowrelay::runtime
