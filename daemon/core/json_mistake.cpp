#include "json_mistake.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "flowrelay/base/ascii.hpp"
#include "flowrelay/base/utf8.hpp"

namespace flowrelay::core {

namespace {

using Kind = json::SyntaxError::Kind;

/// Returns the compression whose signature a text begins with; empty if there is none.
std::string_view compression_of(std::string_view text) noexcept {
    using namespace std::string_view_literals;
    constexpr std::array<std::pair<std::string_view, std::string_view>, 7> signatures{{
        {"\x1F\x8B"sv, "gzip"},
        {"\x28\xB5\x2F\xFD"sv, "zstd"},
        {"\xFD\x37\x7A\x58\x5A"sv, "xz"},
        {"BZh"sv, "bzip2"},
        {"\x78\x01"sv, "deflate"},
        {"\x78\x9C"sv, "deflate"},
        {"\x78\xDA"sv, "deflate"},
    }};
    for (const auto& [signature, name] : signatures) {
        if (text.starts_with(signature)) return name;
    }
    return {};
}

/// Detects UTF-16 and UTF-32 by a byte order mark, or by a zero byte next to an ASCII character.
bool is_wide(std::string_view text) noexcept {
    if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) return true;
    return text.size() >= 2 && ((text[0] == '\0') != (text[1] == '\0'));
}

/// Detects a form, "a=b&c=d", as sent by `curl -d a=b`.
bool is_form(std::string_view text) noexcept {
    const std::size_t equals = text.find('=');
    if (equals == text.npos || equals == 0) return false;
    return ascii::all_word(text.substr(0, equals), "_.-%[]");
}

std::string describe_rest(std::string_view text, std::size_t offset, TextForm form) {
    const std::string_view rest = json::trim(text.substr(offset));
    const bool begins_object = json::trim(text).starts_with('{');
    if (form == TextForm::line && !begins_object) {
        return "this line is no event: an event is one JSON object on one line (`jq -c` and not "
               "`jq` "
               "writes it so)";
    }
    if (!begins_object || !rest.starts_with('{')) {
        return fmt::format("this is not JSON: something follows the event at byte {}", offset);
    }
    const auto begin = static_cast<std::size_t>(rest.data() - text.data());
    const std::string_view between = text.substr(0, begin);
    const bool had_line_end = between.find('\n') != between.npos &&
                              json::trim(between.substr(between.rfind('\n'))).empty();
    if (form == TextForm::body && had_line_end) {
        return fmt::format(
            "a second event begins at byte {}: send lines of events with "
            "Content-Type: application/x-ndjson, or an array of them",
            begin);
    }
    return fmt::format(
        "a second event begins at byte {} without a line break before it: `curl -d` "
        "and `--data` take line breaks out, `--data-binary` keeps them",
        begin);
}

std::string describe_end(std::size_t offset, TextForm form) {
    if (form == TextForm::line) {
        return fmt::format(
            "this is not JSON: the line ends at byte {}, before the event does. An "
            "event is one line (`jq -c` and not `jq` writes it so)",
            offset);
    }
    return fmt::format(
        "this is not JSON: it ends at byte {}, before the event does: was it cut off?", offset);
}

std::string describe_character(std::string_view text, std::size_t offset) {
    const std::string_view rest = text.substr(offset);
    const auto c = static_cast<unsigned char>(rest.front());
    if (c >= 0x80 && decode_utf8(rest).size == 1) {
        return fmt::format(
            "this is not UTF-8 at byte {}: convert it first, if it is Latin-1 with "
            "`iconv -f ISO-8859-1 -t UTF-8`",
            offset);
    }
    if (c < 0x20) {
        return fmt::format(
            "this is not JSON: a control character (0x{:02X}) is bare at byte {}: in "
            "a string write it as an escape, a line break as \\n and a tab as \\t",
            c, offset);
    }
    if (c == '\'') {
        return fmt::format(
            "this is not JSON: a single quote at byte {}: strings and names are in "
            "double quotes",
            offset);
    }
    const std::string_view before = json::trim(text.substr(0, offset));
    if ((c == '}' || c == ']') && before.ends_with(',')) {
        return fmt::format(
            "this is not JSON: take out the comma before byte {}: none may stand "
            "before a closing bracket",
            offset);
    }
    return fmt::format("this is not JSON: syntax error at byte {}", offset);
}

/// Finds the first byte that is not UTF-8: the parser may have stopped near it.
std::size_t first_not_utf8(std::string_view text, std::size_t from) noexcept {
    for (std::size_t at = from; at < text.size() && at < from + 4;) {
        const auto decoded = decode_utf8(text.substr(at));
        if (decoded.size == 1 && static_cast<unsigned char>(text[at]) >= 0x80) return at;
        at += decoded.size;
    }
    return text.npos;
}

std::string describe_syntax(std::string_view text, std::size_t offset, TextForm form) {
    const std::size_t begin = offset > 3 ? offset - 3 : 0;
    std::size_t from = begin;
    while (from < offset && (static_cast<unsigned char>(text[from]) & 0xC0) == 0x80) ++from;
    const std::size_t bad = first_not_utf8(text, from);
    if (bad != text.npos) return describe_character(text, bad);
    const std::string_view trimmed = json::trim(text);
    if (form == TextForm::line && (trimmed.starts_with('}') || trimmed.starts_with(']'))) {
        return describe_rest("]", 1, form);
    }
    if (offset >= text.size()) return describe_end(offset, form);
    return describe_character(text, offset);
}

}  // namespace

std::string describe_mistake(std::string_view text, const json::SyntaxError& error, TextForm form) {
    const std::string_view trimmed = json::trim(text);
    if (trimmed.empty()) return "there is nothing in it: send an event, one JSON object";
    const std::string_view compression = compression_of(text);
    if (!compression.empty()) {
        return fmt::format("this is compressed ({}): send it as it is, uncompressed", compression);
    }
    if (is_wide(text)) {
        return "this is UTF-16 or UTF-32: convert it to UTF-8, for example with `iconv -t UTF-8`";
    }
    if (is_form(trimmed)) {
        return "this is a form, not JSON: send the event as one JSON object";
    }
    const std::size_t offset = std::min(error.offset, text.size());
    switch (error.kind) {
        case Kind::incomplete:
            return describe_end(offset, form);
        case Kind::extra_data:
            return describe_rest(text, offset, form);
        case Kind::too_deep:
            return fmt::format("this is nested deeper than {} at byte {}", json::max_depth, offset);
        case Kind::number:
            return fmt::format("the number at byte {} has an exponent beyond 31 bits", offset);
        case Kind::syntax:
            break;
    }
    return describe_syntax(text, offset, form);
}

}  // namespace flowrelay::core
