#include "flowrelay/app/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "flowrelay/base/utf8.hpp"

namespace flowrelay::app {

namespace {

constexpr std::size_t longest_value = 2048;

void append_character(std::string& out, std::string_view bytes, char32_t code, bool hidden) {
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
    if (hidden) {
        append_json_escape(out, code);
    } else if (code == replacement_character) {
        out += replacement_utf8;
    } else {
        out += bytes;
    }
}

}  // namespace

bool is_control(char32_t code) noexcept {
    struct Range {
        char32_t first;
        char32_t last;
    };
    // Control characters, marks that change the writing direction, and invisible characters, which
    // can make two names look alike (Unicode's Default_Ignorable_Code_Point, and the interlinear
    // marks).
    constexpr Range ranges[] = {
        {0x00, 0x1F},       {0x7F, 0x9F},       {0xAD, 0xAD},      {0x034F, 0x034F},
        {0x061C, 0x061C},   {0x115F, 0x1160},   {0x17B4, 0x17B5},  {0x180B, 0x180F},
        {0x200B, 0x200F},   {0x2028, 0x202E},   {0x2060, 0x206F},  {0x3164, 0x3164},
        {0xFE00, 0xFE0F},   {0xFEFF, 0xFEFF},   {0xFFA0, 0xFFA0},  {0xFFF0, 0xFFFB},
        {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF}};
    return std::ranges::any_of(
        ranges, [code](const Range& range) { return range.first <= code && code <= range.last; });
}

bool HiddenCharacters::hides(char32_t code) noexcept {
    constexpr char32_t non_joiner = 0x200C;
    constexpr char32_t joiner = 0x200D;
    constexpr char32_t as_text = 0xFE0E;
    constexpr char32_t as_emoji = 0xFE0F;
    const char32_t before = std::exchange(before_, code);
    if (!is_control(code)) return false;
    const bool joins = code == joiner || code == non_joiner;
    const bool behind_sign = before >= 0x80 && !is_control(before);
    const bool spells = (joins && (behind_sign || before == as_emoji)) ||
                        ((code == as_text || code == as_emoji) && behind_sign);
    if (!spells) before_ = 0;
    return !spells;
}

void append_json_escape(std::string& out, char32_t code) {
    const auto unit = [&out](std::uint32_t value) { out += fmt::format("\\u{:04x}", value); };
    if (code < 0x10000) {
        unit(code);
    } else {
        unit(0xD800 + ((code - 0x10000) >> 10));
        unit(0xDC00 + ((code - 0x10000) & 0x3FF));
    }
}

void append_quoted(std::string& out, std::string_view value) {
    out += '"';
    std::size_t done = 0;
    HiddenCharacters characters;
    while (done < value.size()) {
        const DecodedCharacter next = decode_utf8(value.substr(done));
        if (done + next.size > longest_value) {
            out += "…";
            break;
        }
        append_character(out, value.substr(done, next.size), next.code,
                         characters.hides(next.code));
        done += next.size;
    }
    out += '"';
}

std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    HiddenCharacters characters;
    while (!text.empty()) {
        const auto [code, size] = decode_utf8(text);
        const bool bad = characters.hides(code) || code == replacement_character;
        out += bad ? replacement_utf8 : text.substr(0, size);
        text.remove_prefix(size);
    }
    return out;
}

std::string counted(std::uint64_t number, std::string_view what) {
    return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

}  // namespace flowrelay::app
