// Characters of US-ASCII as protocols and names of files use them, whatever the locale says.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

namespace flowrelay::ascii {

constexpr bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

constexpr bool is_upper(char c) noexcept {
    return c >= 'A' && c <= 'Z';
}

constexpr bool is_letter(char c) noexcept {
    return is_upper(c) || (c >= 'a' && c <= 'z');
}

/// A letter, a digit, or one of `more`.
constexpr bool is_word(char c, std::string_view more = {}) noexcept {
    return is_letter(c) || is_digit(c) || more.find(c) != std::string_view::npos;
}

/// Whether each character is one of is_word(); true for an empty text.
constexpr bool all_word(std::string_view text, std::string_view more = {}) noexcept {
    return std::ranges::all_of(text, [more](char c) { return is_word(c, more); });
}

constexpr bool all_digits(std::string_view text) noexcept {
    return std::ranges::all_of(text, is_digit);
}

/// The small letter of a capital one, and everything else as it is.
constexpr char lower(char c) noexcept {
    return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
}

inline std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result) c = lower(c);
    return result;
}

/// Equal, whatever the case of the letters.
constexpr bool iequals(std::string_view a, std::string_view b) noexcept {
    return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

/// The value of a hexadecimal digit.
constexpr std::optional<unsigned> hex_digit(char c) noexcept {
    if (is_digit(c)) return static_cast<unsigned>(c - '0');
    const char small = lower(c);
    if (small >= 'a' && small <= 'f') return static_cast<unsigned>(small - 'a' + 10);
    return std::nullopt;
}

/// Without the characters of `blanks` at both ends.
constexpr std::string_view trim(std::string_view text, std::string_view blanks = " \t") noexcept {
    text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
    return text.substr(0, text.find_last_not_of(blanks) + 1);
}

}  // namespace flowrelay::ascii
