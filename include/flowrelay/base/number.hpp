// Parses numbers.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace flowrelay {

/// Parses the whole of `text` as a decimal number. Returns nothing if it is empty, signed, has any
/// other character, or is too large for T.
template <class T>
    requires std::is_unsigned_v<T>
std::optional<T> parse_number(std::string_view text) noexcept {
    T number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || stop != end) return std::nullopt;
    return number;
}

}  // namespace flowrelay
