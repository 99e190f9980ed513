#include "flowrelay/app/text.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>

#include "flowrelay/base/utf8.hpp"

namespace flowrelay::app {

namespace {

constexpr std::size_t longest_value = 2048;

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
    } else if (code == replacement_character) {
        out += replacement_utf8;
    } else {
        out += bytes;
    }
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
        const DecodedCharacter next = decode_utf8(value.substr(done));
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
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const auto [code, size] = decode_utf8(text);
        const bool bad = code == replacement_character || is_control(code);
        out += bad ? replacement_utf8 : text.substr(0, size);
        text.remove_prefix(size);
    }
    return out;
}

std::string counted(std::uint64_t number, std::string_view what) {
    return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

}  // namespace flowrelay::app
