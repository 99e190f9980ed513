#include "json_text.hpp"

#include <boost/json/serialize.hpp>
#include <cstddef>
#include <cstdint>

namespace flowrelay::devserver {

namespace json = boost::json;

namespace {

/// Returns the length of the UTF-8 sequence at the beginning of `text` (RFC 3629); 0 if it is
/// invalid.
std::size_t sequence_length(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned first = byte(0);
    std::size_t length = 0;
    std::uint32_t point = 0;
    std::uint32_t least = 0;
    if (first < 0x80) return 1;
    if ((first & 0xe0U) == 0xc0) {
        length = 2, point = first & 0x1fU, least = 0x80;
    } else if ((first & 0xf0U) == 0xe0) {
        length = 3, point = first & 0x0fU, least = 0x800;
    } else if ((first & 0xf8U) == 0xf0) {
        length = 4, point = first & 0x07U, least = 0x10000;
    } else {
        return 0;
    }
    if (text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0U) != 0x80) return 0;
        point = (point << 6U) | (byte(i) & 0x3fU);
    }
    const bool surrogate = point >= 0xd800 && point <= 0xdfff;
    return point < least || point > 0x10ffff || surrogate ? 0 : length;
}

void append_escaped(std::string& out, char c) {
    constexpr std::string_view digits = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
        case '"':
            out += "\\\"";
            break;
        case '\\':
            out += "\\\\";
            break;
        case '\n':
            out += "\\n";
            break;
        case '\r':
            out += "\\r";
            break;
        case '\t':
            out += "\\t";
            break;
        default:
            out += "\\u00";
            out += digits[byte >> 4U];
            out += digits[byte & 0x0fU];
    }
}

void append_indented(std::string& out, const json::value& value, std::size_t level) {
    const auto new_line = [&](std::size_t depth) { out.append("\n").append(2 * depth, ' '); };
    if (const json::object* object = value.if_object(); object && !object->empty()) {
        out += '{';
        std::string_view comma;
        for (const auto& [name, member] : *object) {
            out += comma;
            new_line(level + 1);
            append_json_string(out, {name.data(), name.size()});
            out += ": ";
            append_indented(out, member, level + 1);
            comma = ",";
        }
        new_line(level);
        out += '}';
    } else if (const json::array* array = value.if_array(); array && !array->empty()) {
        out += '[';
        std::string_view comma;
        for (const json::value& element : *array) {
            out += comma;
            new_line(level + 1);
            append_indented(out, element, level + 1);
            comma = ",";
        }
        new_line(level);
        out += ']';
    } else {
        out += json::serialize(value);
    }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    std::size_t copied = 0;
    std::size_t at = 0;
    while (at < text.size()) {
        const auto byte = static_cast<unsigned char>(text[at]);
        if (byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\') {
            ++at;
            continue;
        }
        const std::size_t length = byte < 0x80 ? 0 : sequence_length(text.substr(at));
        if (length > 0) {
            at += length;
            continue;
        }
        out.append(text, copied, at - copied);
        if (byte < 0x80) {
            append_escaped(out, text[at]);
        } else {
            out += "\xef\xbf\xbd";
        }
        copied = ++at;
    }
    out.append(text, copied);
    out += '"';
}

void append_indented(std::string& out, const json::value& value) {
    append_indented(out, value, 0);
}

}  // namespace flowrelay::devserver
