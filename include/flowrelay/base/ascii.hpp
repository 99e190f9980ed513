// ASCII character tests and conversions, independent of the locale.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
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

/// Whether `c` is a letter, a digit, or one of `more`.
constexpr bool is_word(char c, std::string_view more = {}) noexcept {
    return is_letter(c) || is_digit(c) || more.find(c) != std::string_view::npos;
}

/// Whether is_word() holds for each character; true for an empty text.
constexpr bool all_word(std::string_view text, std::string_view more = {}) noexcept {
    return std::ranges::all_of(text, [more](char c) { return is_word(c, more); });
}

constexpr bool all_digits(std::string_view text) noexcept {
    return std::ranges::all_of(text, is_digit);
}

/// Converts a capital letter to lower case; returns any other character unchanged.
constexpr char lower(char c) noexcept {
    return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
}

inline std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result) c = lower(c);
    return result;
}

/// Compares without regard to case.
constexpr bool iequals(std::string_view a, std::string_view b) noexcept {
    return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

/// Whether `text` has a control character other than tab: below 0x20, or DEL (0x7F). Tests eight
/// bytes at a time.
inline bool has_control(std::string_view text) noexcept {
    constexpr std::uint64_t each = 0x0101'0101'0101'0101;
    constexpr std::uint64_t top = each * 0x80;
    const auto is_control = [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < 0x20 && c != '\t') || byte == 0x7F;
    };
    std::size_t at = 0;
    for (std::uint64_t bytes = 0; text.size() - at >= sizeof bytes; at += sizeof bytes) {
        std::memcpy(&bytes, text.data() + at, sizeof bytes);
        const std::uint64_t below = (bytes - each * 0x20) & ~bytes;
        const std::uint64_t is_delete = bytes ^ (each * 0x7F);
        // May also be set by a tab, or by a borrow from a lower byte: the exact test decides.
        if (((below | ((is_delete - each) & ~is_delete)) & top) == 0) continue;
        if (std::ranges::any_of(text.substr(at, sizeof bytes), is_control)) return true;
    }
    return std::ranges::any_of(text.substr(at), is_control);
}

/// Returns the value of a hexadecimal digit of either case; nothing for any other character.
constexpr std::optional<unsigned> hex_digit(char c) noexcept {
    if (is_digit(c)) return static_cast<unsigned>(c - '0');
    const char small = lower(c);
    if (small >= 'a' && small <= 'f') return static_cast<unsigned>(small - 'a' + 10);
    return std::nullopt;
}

/// Returns `text` without leading and trailing characters of `blanks`.
constexpr std::string_view trim(std::string_view text, std::string_view blanks = " \t") noexcept {
    text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
    return text.substr(0, text.find_last_not_of(blanks) + 1);
}

}  // namespace flowrelay::ascii
