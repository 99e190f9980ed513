// Decodes and repairs external text that should be UTF-8 (RFC 3629). Thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace flowrelay {

/// U+FFFD, the replacement for bytes that are not UTF-8.
inline constexpr char32_t replacement_character = 0xFFFD;
inline constexpr std::string_view replacement_utf8 = "\xEF\xBF\xBD";

struct DecodedCharacter {
    char32_t code;
    std::size_t size;  ///< length in bytes
};

/// Decodes the first character of `text`, which must not be empty. Returns replacement_character
/// and size 1 if the bytes are not UTF-8.
DecodedCharacter decode_utf8(std::string_view text) noexcept;

/// Returns `text` with U+FFFD in place of each byte that is not UTF-8.
std::string repair_utf8(std::string_view text);

}  // namespace flowrelay
