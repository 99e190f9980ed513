// A token on its way through the program. It can't be printed, formatted or compared with a plain
// string by accident; its memory is wiped when it goes, and so is what it is moved out of.
#pragma once

#include <string>
#include <string_view>

namespace flowrelay {

class Secret {
public:
    Secret() = default;
    /// Wipes `value`; hand it over with std::move, so that no copy stays with the caller.
    explicit Secret(std::string&& value) noexcept;
    explicit Secret(std::string_view value) : value_(value) {}
    /// A literal; without it a `const char*` would be ambiguous.
    explicit Secret(const char* value) : value_(value) {}
    Secret(const Secret&) = default;
    Secret(Secret&& other) noexcept;
    Secret& operator=(const Secret& other);
    Secret& operator=(Secret&& other) noexcept;
    ~Secret();

    /// The token itself. Whoever calls this answers for where it goes.
    std::string_view reveal() const noexcept { return value_; }
    bool empty() const noexcept { return value_.empty(); }

    friend bool operator==(const Secret&, const Secret&) = default;

private:
    void wipe() noexcept;
    std::string value_;
};

}  // namespace flowrelay
