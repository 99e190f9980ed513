#include "logging_text.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace flowrelay::app {

namespace {

constexpr std::size_t longest_value = 2048;
constexpr std::uint32_t replacement = 0xFFFD;

/// The next code point of `text`, which is not empty, and how many bytes it takes. For bytes that
/// are not UTF-8 (RFC 3629): U+FFFD and 1.
struct Decoded {
    std::uint32_t code;
    std::size_t size;
};

Decoded decode(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const std::uint8_t first = byte(0);
    if (first < 0x80) return {first, 1};
    const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || text.size() < size) return {replacement, 1};
    std::uint32_t code = first & (0xFFU >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return {replacement, 1};
        code = (code << 6) | (byte(i) & 0x3FU);
    }
    const bool overlong = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    if (overlong || surrogate || code > 0x10FFFF) return {replacement, 1};
    return {code, size};
}

bool must_be_escaped(std::uint32_t code) {
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x061C || code == 0x200E ||
           code == 0x200F || (code >= 0x2028 && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0xFEFF;
}

void append_character(std::string& out, std::string_view bytes, std::uint32_t code) {
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
    if (must_be_escaped(code)) {
        out += fmt::format("\\u{:04x}", code);
    } else if (code == replacement) {
        out += "\xEF\xBF\xBD";
    } else {
        out += bytes;
    }
}

bool is_plain(std::string_view value) {
    return !value.empty() && value.size() <= longest_value &&
           std::ranges::all_of(value, [](char c) {
               return c > 0x20 && c < 0x7F && c != '"' && c != '\\' && c != '=' && c != '\'';
           });
}

}  // namespace

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

void append_logfmt_value(std::string& out, std::string_view value) {
    if (is_plain(value)) {
        out += value;
    } else {
        append_quoted(out, value);
    }
}

}  // namespace flowrelay::app
