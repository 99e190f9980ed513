#include "flowrelay/app/text.hpp"

#include <fmt/core.h>

#include <cstddef>
#include <cstdint>

namespace flowrelay::app {

namespace {

constexpr std::size_t longest_value = 2048;
constexpr char32_t replacement = 0xFFFD;
constexpr std::string_view replacement_utf8 = "\xEF\xBF\xBD";

/// The next code point of `text`, which is not empty, and how many bytes it takes. For bytes that
/// are not UTF-8 (RFC 3629): U+FFFD and 1.
struct Decoded {
    char32_t code;
    std::size_t size;
};

Decoded decode(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const std::uint8_t first = byte(0);
    if (first < 0x80) return {first, 1};
    const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || text.size() < size) return {replacement, 1};
    char32_t code = first & (0xFFU >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return {replacement, 1};
        code = (code << 6) | (byte(i) & 0x3FU);
    }
    const bool overlong = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    if (overlong || surrogate || code > 0x10FFFF) return {replacement, 1};
    return {code, size};
}

void append_character(std::string& out, std::string_view bytes, char32_t code) {
    switch (code) {
        case '"':
            out += "\\\"";
            return;
        case '\\':
            out += "\\\\";
            return;
        case '\n':
            out += "\\n";
            return;
        case '\r':
            out += "\\r";
            return;
        case '\t':
            out += "\\t";
            return;
        default:
            break;
    }
    if (is_control(code)) {
        out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(code));
    } else if (code == replacement) {
        out += replacement_utf8;
    } else {
        out += bytes;
    }
}

/// The text with U+FFFD in the place of what is not UTF-8, or is for `unwanted`.
template <class Predicate>
std::string replace_if(std::string_view text, Predicate unwanted) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const Decoded next = decode(text);
        const bool bad = next.code == replacement || unwanted(next.code);
        out += bad ? replacement_utf8 : text.substr(0, next.size);
        text.remove_prefix(next.size);
    }
    return out;
}

}  // namespace

bool is_control(char32_t code) noexcept {
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x061C || code == 0x200E ||
           code == 0x200F || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0xFEFF;
}

void append_quoted(std::string& out, std::string_view value) {
    out += '"';
    std::size_t done = 0;
    while (done < value.size()) {
        const Decoded next = decode(value.substr(done));
        if (done + next.size > longest_value) {
            out += "…";
            break;
        }
        append_character(out, value.substr(done, next.size), next.code);
        done += next.size;
    }
    out += '"';
}

std::string printable(std::string_view text) {
    return replace_if(text, is_control);
}

std::string repair_utf8(std::string_view text) {
    return replace_if(text, [](char32_t) { return false; });
}

}  // namespace flowrelay::app
