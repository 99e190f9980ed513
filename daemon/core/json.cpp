// All functions here require texts that passed check(): strings are closed, brackets are balanced,
// escapes are complete. So they need not check for the end of the text.
#include "flowrelay/core/json.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace flowrelay::core::json {

namespace {

bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

const char* skip_blanks(const char* at) noexcept {
    while (is_blank(*at)) ++at;
    return at;
}

const char* find(const char* begin, const char* end, char c) noexcept {
    const auto* const found = std::memchr(begin, c, static_cast<std::size_t>(end - begin));
    return found == nullptr ? end : static_cast<const char*>(found);
}

// Returns whether an odd number of backslashes precedes. They end at the opening quote at the
// latest.
bool is_escaped(const char* quote) noexcept {
    const char* at = quote;
    while (at[-1] == '\\') --at;
    return (quote - at) % 2 != 0;
}

// Skips a string: from its opening quote to after its closing one.
const char* skip_string(const char* at, const char* end) noexcept {
    do {
        at = find(at + 1, end, '"');
    } while (is_escaped(at));
    return at + 1;
}

// Returns the change of depth by a character outside of strings.
constexpr std::array<signed char, 256> depth_steps = [] {
    std::array<signed char, 256> steps{};
    steps['{'] = steps['['] = 1;
    steps['}'] = steps[']'] = -1;
    return steps;
}();

const char* skip_container(const char* at, const char* end) noexcept {
    int depth = 0;
    do {
        if (*at == '"') {
            at = skip_string(at, end);
        } else {
            depth += depth_steps[static_cast<unsigned char>(*at++)];
        }
    } while (depth > 0);
    return at;
}

bool ends_scalar(char c) noexcept {
    return c == ',' || c == '}' || c == ']' || is_blank(c);
}

// Skips a value in an array or object: from its first character to after its last one.
const char* skip_value(const char* at, const char* end) noexcept {
    if (*at == '"') return skip_string(at, end);
    if (*at == '{' || *at == '[') return skip_container(at, end);
    while (!ends_scalar(*at)) ++at;
    return at;
}

// Skips from after a bracket or a value to the next value or closing bracket.
const char* skip_to_next(const char* at) noexcept {
    at = skip_blanks(at);
    return *at == ',' ? skip_blanks(at + 1) : at;
}

std::string_view between(const char* begin, const char* end) noexcept {
    return {begin, static_cast<std::size_t>(end - begin)};
}

std::uint32_t hex4(const char* at) noexcept {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
        const char c = at[i];
        const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
        value = value << 4 | static_cast<std::uint32_t>(digit);
    }
    return value;
}

void append_utf8(std::string& out, std::uint32_t code) {
    const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xC0 | code >> 6);
        put(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        put(0xE0 | code >> 12);
        put(0x80 | (code >> 6 & 0x3F));
        put(0x80 | (code & 0x3F));
    } else {
        put(0xF0 | code >> 18);
        put(0x80 | (code >> 12 & 0x3F));
        put(0x80 | (code >> 6 & 0x3F));
        put(0x80 | (code & 0x3F));
    }
}

bool is_high_surrogate(std::uint32_t code) noexcept {
    return code >= 0xD800 && code < 0xDC00;
}

bool is_low_surrogate(std::uint32_t code) noexcept {
    return code >= 0xDC00 && code < 0xE000;
}

bool begins_unicode_escape(const char* at, const char* end) noexcept {
    return end - at >= 6 && at[0] == '\\' && at[1] == 'u';
}

// Decodes an escape; `at` is after "\u". Returns the end of the escape, or of the surrogate pair.
const char* decode_unicode(std::string& out, const char* at, const char* end) {
    std::uint32_t code = hex4(at);
    at += 4;
    if (is_high_surrogate(code) && begins_unicode_escape(at, end)) {
        const std::uint32_t low = hex4(at + 2);
        if (is_low_surrogate(low)) {
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            at += 6;
        }
    }
    const bool is_half = is_high_surrogate(code) || is_low_surrogate(code);
    append_utf8(out, is_half ? 0xFFFD : code);
    return at;
}

char decode_short_escape(char c) noexcept {
    switch (c) {
        case 'b':
            return '\b';
        case 'f':
            return '\f';
        case 'n':
            return '\n';
        case 'r':
            return '\r';
        case 't':
            return '\t';
        default:
            return c;
    }
}

constexpr std::array<bool, 256> has_to_be_escaped = [] {
    std::array<bool, 256> all{};
    for (unsigned char c = 0; c < 0x20; ++c) all[c] = true;
    all['"'] = all['\\'] = true;
    return all;
}();

// Returns whether one of eight bytes must be escaped. The subtractions borrow from a byte only
// after one that must be escaped, so the result is exact.
bool has_escaped(std::uint64_t bytes) noexcept {
    constexpr std::uint64_t each = 0x0101'0101'0101'0101;
    const std::uint64_t quotes = bytes ^ (each * '"');
    const std::uint64_t backslashes = bytes ^ (each * '\\');
    const std::uint64_t below = (bytes - each * 0x20) & ~bytes;
    return ((below | ((quotes - each) & ~quotes) | ((backslashes - each) & ~backslashes)) &
            (each * 0x80)) != 0;
}

const char* find_escaped(const char* at, const char* end) noexcept {
    for (std::uint64_t bytes = 0; end - at >= std::ptrdiff_t{sizeof bytes}; at += sizeof bytes) {
        std::memcpy(&bytes, at, sizeof bytes);
        if (has_escaped(bytes)) break;
    }
    while (at != end && !has_to_be_escaped[static_cast<unsigned char>(*at)]) ++at;
    return at;
}

void append_escape(std::string& out, char c) {
    static constexpr char digits[] = "0123456789abcdef";
    if (c == '"' || c == '\\') {
        out += '\\';
        out += c;
    } else {
        out += "\\u00";
        out += digits[c >> 4];
        out += digits[c & 0xF];
    }
}

std::string decode(std::string_view spelled) {
    std::string out;
    out.reserve(spelled.size());
    const char* at = spelled.data();
    const char* const end = at + spelled.size();
    while (at != end) {
        const char* const escape = find(at, end, '\\');
        out.append(at, escape);
        if (escape == end) break;
        if (escape[1] == 'u') {
            at = decode_unicode(out, escape + 2, end);
        } else {
            out += decode_short_escape(escape[1]);
            at = escape + 2;
        }
    }
    return out;
}

}  // namespace

std::optional<std::string> replace_lone_surrogates(std::string_view text) {
    std::optional<std::string> mended;
    const char* const begin = text.data();
    const char* const end = begin + text.size();
    const char* at = find(begin, end, '\\');
    while (at != end) {
        if (!begins_unicode_escape(at, end)) {
            at = find(std::min(at + 2, end), end, '\\');
            continue;
        }
        const std::uint32_t code = hex4(at + 2);
        const char* const next = at + 6;
        const bool has_other_half = is_high_surrogate(code) && begins_unicode_escape(next, end) &&
                                    is_low_surrogate(hex4(next + 2));
        if (!has_other_half && (is_high_surrogate(code) || is_low_surrogate(code))) {
            if (!mended) mended = std::string(text);
            mended->replace(static_cast<std::size_t>(at - begin), 6, "\\ufffd");
        }
        at = find(has_other_half ? next + 6 : next, end, '\\');
    }
    return mended;
}

std::string_view skip_byte_order_mark(std::string_view text) noexcept {
    return text.substr(text.starts_with("\xEF\xBB\xBF") ? 3 : 0);
}

std::string_view trim(std::string_view text) noexcept {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

Kind kind_of(std::string_view value) noexcept {
    switch (value.front()) {
        case '{':
            return Kind::object;
        case '[':
            return Kind::array;
        case '"':
            return Kind::string;
        case 't':
        case 'f':
            return Kind::boolean;
        case 'n':
            return Kind::null;
        default:
            return Kind::number;
    }
}

std::string decode_string(std::string_view value) {
    return decode(value.substr(1, value.size() - 2));
}

StringText::StringText(std::string_view value) : view_(value.substr(1, value.size() - 2)) {
    if (view_.find('\\') == std::string_view::npos) return;
    decoded_ = decode(view_);
    view_ = decoded_;
}

void append_string(std::string& out, std::string_view text) {
    out += '"';
    const char* at = text.data();
    const char* const end = at + text.size();
    for (const char* special = find_escaped(at, end); special != end;
         special = find_escaped(at, end)) {
        out.append(at, special);
        append_escape(out, *special);
        at = special + 1;
    }
    out.append(at, end);
    out += '"';
}

bool is_integer(std::string_view number) noexcept {
    return number.find_first_of(".eE") == std::string_view::npos;
}

MemberReader::MemberReader(std::string_view object) noexcept
    : at_(skip_blanks(object.data() + 1)), end_(object.data() + object.size()) {}

bool MemberReader::next() {
    if (*at_ == '}') return false;
    const char* const name = at_;
    const char* const name_end = skip_string(name, end_);
    const char* const colon = skip_blanks(name_end);
    const char* const value = skip_blanks(colon + 1);
    const char* const end = skip_value(value, end_);
    member_ = {between(name, end), between(name + 1, name_end - 1), between(value, end)};
    if (member_.name.find('\\') != std::string_view::npos) {
        decoded_name_ = decode(member_.name);
        member_.name = decoded_name_;
    }
    at_ = skip_to_next(end);
    return true;
}

ElementReader::ElementReader(std::string_view array) noexcept
    : at_(skip_blanks(array.data() + 1)), end_(array.data() + array.size()) {}

bool ElementReader::next() noexcept {
    if (*at_ == ']') return false;
    const char* const end = skip_value(at_, end_);
    value_ = between(at_, end);
    at_ = skip_to_next(end);
    return true;
}

}  // namespace flowrelay::core::json
