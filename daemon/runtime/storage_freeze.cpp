#include "flowrelay/runtime/storage_freeze.hpp"

namespace flowrelay::runtime {

bool StorageFreeze::begin() {
    const std::lock_guard lock(mutex_);
    if (state_ == State::begun || state_ == State::held) return false;
    state_ = State::begun;
    return true;
}

bool StorageFreeze::hold(const std::function<void()>& held) {
    std::unique_lock lock(mutex_);
    if (state_ != State::begun) return false;
    state_ = State::held;
    if (held) held();
    const bool thawed = wake_.wait_for(lock, limit, [this] { return state_ != State::held; });
    state_ = thawed ? State::idle : State::expired;
    return true;
}

bool StorageFreeze::thaw() {
    const std::lock_guard lock(mutex_);
    const bool held = state_ == State::held;
    state_ = held ? State::thawed : State::idle;
    if (held) wake_.notify_all();
    return held;
}

}  // namespace flowrelay::runtime
