// A token in memory. It can't be printed, formatted or compared with a plain string by accident.
// Its memory is wiped on destruction and when it is moved from.
#pragma once

#include <string>
#include <string_view>

namespace flowrelay {

class Secret {
public:
    Secret() = default;
    /// Takes over the content and wipes `value`. Pass it with std::move, so that the caller keeps
    /// no copy.
    explicit Secret(std::string&& value) noexcept;
    explicit Secret(std::string_view value) : value_(value) {}
    /// For literals: without it a `const char*` would be ambiguous.
    explicit Secret(const char* value) : value_(value) {}
    Secret(const Secret&) = default;
    Secret(Secret&& other) noexcept;
    Secret& operator=(const Secret& other);
    Secret& operator=(Secret&& other) noexcept;
    ~Secret();

    /// Returns the token itself. The caller is responsible for where it goes.
    std::string_view reveal() const noexcept { return value_; }
    bool empty() const noexcept { return value_.empty(); }

    friend bool operator==(const Secret&, const Secret&) = default;

private:
    void wipe() noexcept;
    std::string value_;
};

}  // namespace flowrelay
