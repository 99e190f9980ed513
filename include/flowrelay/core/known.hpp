// A value that most slots do not have.
#pragma once

#include <memory>
#include <utility>

namespace flowrelay::core {

/// A constant T, or nothing. Takes the room of a shared pointer, and copies share the value.
/// Compares by value.
template <class T>
class Known {
public:
    Known() = default;
    Known(T value) : value_(std::make_shared<const T>(std::move(value))) {}

    const T* get() const noexcept { return value_.get(); }
    const T* operator->() const noexcept { return get(); }
    const T& operator*() const noexcept { return *value_; }
    explicit operator bool() const noexcept { return value_ != nullptr; }

    friend bool operator==(const Known& a, const Known& b) {
        return a.value_ == b.value_ || (a && b && *a.value_ == *b.value_);
    }

private:
    std::shared_ptr<const T> value_;
};

}  // namespace flowrelay::core
