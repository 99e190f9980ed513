// Text from outside that should be UTF-8 (RFC 3629). Pure; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace flowrelay {

/// U+FFFD, which stands for what could not be read.
inline constexpr char32_t replacement_character = 0xFFFD;
inline constexpr std::string_view replacement_utf8 = "\xEF\xBF\xBD";

struct DecodedCharacter {
    char32_t code;
    std::size_t size;  ///< bytes that it takes
};

/// The first character of `text`, which is not empty. For bytes that are not UTF-8:
/// replacement_character and 1.
DecodedCharacter decode_utf8(std::string_view text) noexcept;

/// The same text, with U+FFFD in the place of each byte that is not UTF-8.
std::string repair_utf8(std::string_view text);

}  // namespace flowrelay
