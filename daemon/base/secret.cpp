#include "flowrelay/base/secret.hpp"

#include <openssl/crypto.h>

#include <functional>
#include <utility>

namespace flowrelay {

namespace {

// A short string lies in the object itself and is copied by a move, which leaves the old bytes
// behind; a long one hands its buffer over.
bool is_stored_inside(const std::string& text) noexcept {
    const auto* object = reinterpret_cast<const char*>(&text);
    const std::less_equal<const char*> not_after;
    const std::less<const char*> before;
    return not_after(object, text.data()) && before(text.data(), object + sizeof text);
}

void wipe_string(std::string& text) noexcept {
    // What became empty here was wiped, and what was moved out of had its contents elsewhere.
    if (text.empty() && is_stored_inside(text)) return;
    // All of the capacity: earlier, longer contents may lie behind the present end. This resize
    // never allocates.
    text.resize(text.capacity());
    OPENSSL_cleanse(text.data(), text.size());
    text.clear();
}

std::string take(std::string& from) noexcept {
    if (is_stored_inside(from)) {
        std::string copy(from);  // as short, so nothing is allocated
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
        value_.assign(other.value_);  // fits every capacity
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
