#include "flowrelay/base/secret.hpp"

#include <openssl/crypto.h>

#include <functional>
#include <utility>

namespace flowrelay {

namespace {

// Whether the string is short and stored in the object itself. A move then copies it and leaves the
// old bytes in the source; a longer string hands its buffer over.
bool is_stored_inside(const std::string& text) noexcept {
    const auto* object = reinterpret_cast<const char*>(&text);
    const std::less_equal<const char*> not_after;
    const std::less<const char*> before;
    return not_after(object, text.data()) && before(text.data(), object + sizeof text);
}

void wipe_string(std::string& text) noexcept {
    // An empty string was wiped here already, or was moved from and its buffer is elsewhere.
    if (text.empty() && is_stored_inside(text)) return;
    // Wipe the whole capacity: bytes of earlier, longer contents may follow the current end. This
    // resize never allocates.
    text.resize(text.capacity());
    OPENSSL_cleanse(text.data(), text.size());
    text.clear();
}

std::string take(std::string& from) noexcept {
    if (is_stored_inside(from)) {
        std::string copy(from);  // just as short, so nothing is allocated
        wipe_string(from);
        return copy;
    }
    std::string taken(std::move(from));
    wipe_string(from);
    return taken;
}

}  // namespace

Secret::Secret(std::string&& value) noexcept : value_(take(value)) {}

Secret::Secret(Secret&& other) noexcept : value_(take(other.value_)) {}

Secret& Secret::operator=(const Secret& other) {
    if (this != &other) *this = Secret(other);
    return *this;
}

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this == &other) return *this;
    wipe();
    if (is_stored_inside(other.value_)) {
        value_.assign(other.value_);  // fits in any capacity
    } else {
        value_ = std::move(other.value_);
    }
    other.wipe();
    return *this;
}

Secret::~Secret() {
    wipe();
}

void Secret::wipe() noexcept {
    wipe_string(value_);
}

}  // namespace flowrelay
