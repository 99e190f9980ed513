#include "flowrelay/core/server_message.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "flowrelay/base/ascii.hpp"
#include "flowrelay/base/utf8.hpp"
#include "flowrelay/core/json.hpp"

namespace flowrelay::core {
namespace {

constexpr std::size_t max_message = 500;
constexpr std::size_t max_errors = 4096;

// Minimum length of a piece of a secret that is masked: shorter matches occur by chance and help
// nobody.
constexpr std::size_t shortest_piece = 8;
constexpr std::string_view mask = "[token]";

/// Returns the length of the piece of the secret at the front of `text`; 0 if there is none.
std::size_t piece_at(std::string_view text, std::string_view secret) {
    const std::size_t least = std::min(shortest_piece, secret.size());
    std::size_t longest = 0;
    for (std::size_t at = 0; at + least <= secret.size(); ++at) {
        const std::string_view rest = secret.substr(at);
        const auto differs =
            std::mismatch(rest.begin(), rest.end(), text.begin(), text.end()).first;
        longest = std::max(longest, static_cast<std::size_t>(differs - rest.begin()));
    }
    return longest >= least ? longest : 0;
}

/// A character in one of its encodings: itself, "\u0041", "\/", "%41", "&#65;" or "&#x41;".
struct Unit {
    std::size_t size = 1;
    char means = 0;
};

enum class Escapes { none, json, all };

std::optional<char> character(std::string_view digits, int base) {
    unsigned value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (error != std::errc() || end != digits.data() + digits.size() || value > 0x7F) return {};
    return static_cast<char>(value);
}

/// Returns the character that an HTML character reference at the front of `text` stands for.
std::optional<Unit> reference_at(std::string_view text) {
    constexpr std::size_t max_length = 12;
    if (!text.starts_with("&#")) return std::nullopt;
    const bool is_hex = text.size() > 2 && ascii::lower(text[2]) == 'x';
    const std::size_t begin = is_hex ? 3 : 2;
    const std::size_t end = text.substr(0, max_length).find(';');
    if (end == std::string_view::npos || end <= begin) return std::nullopt;
    const auto c = character(text.substr(begin, end - begin), is_hex ? 16 : 10);
    return c ? std::optional(Unit{end + 1, *c}) : std::nullopt;
}

/// Returns the unit at the front of `text`, which must not be empty.
Unit unit_at(std::string_view text, Escapes escapes) {
    if (text.size() >= 2 && text[0] == '\\' && escapes != Escapes::none) {
        if (text[1] != 'u')
            return {2, std::isalpha(static_cast<unsigned char>(text[1])) != 0 ? '\0' : text[1]};
        const auto c = text.size() >= 6 ? character(text.substr(2, 4), 16) : std::nullopt;
        return c ? Unit{6, *c} : Unit{2, '\0'};
    }
    if (escapes != Escapes::all) return {1, text[0]};
    if (text.size() >= 3 && text[0] == '%') {
        const auto c = character(text.substr(1, 2), 16);
        if (c) return {3, *c};
    }
    return reference_at(text).value_or(Unit{1, text[0]});
}

/// A decoded text, and for each of its characters the end of the encoded form.
struct Reading {
    std::string meaning;
    std::vector<std::size_t> ends;
};

Reading read(std::string_view text, Escapes escapes) {
    Reading result;
    for (std::size_t at = 0; at < text.size();) {
        const Unit unit = unit_at(text.substr(at), escapes);
        at += unit.size;
        result.meaning += unit.means;
        result.ends.push_back(at);
    }
    return result;
}

/// Decodes a text a second time, for JSON in a JSON string, or "%2541".
Reading read_again(const Reading& outer, Escapes escapes) {
    Reading result = read(outer.meaning, escapes);
    for (std::size_t& end : result.ends) end = outer.ends[end - 1];
    return result;
}

/// Masks the secret and pieces of it, since servers often quote only the beginning of a request.
std::string without(std::string_view text, const Secret& secret, const Reading& reading) {
    std::string out;
    std::size_t written = 0;
    for (std::size_t i = 0; i < reading.meaning.size();) {
        const std::size_t piece =
            piece_at(std::string_view(reading.meaning).substr(i), secret.reveal());
        i += std::max<std::size_t>(piece, 1);
        const std::size_t end = reading.ends[i - 1];
        out += piece == 0 ? text.substr(written, end - written) : mask;
        written = end;
    }
    return out;
}

/// Masks the secret in a JSON text, which stays valid JSON: escapes are replaced as a whole or
/// kept. Strings may contain JSON as well.
std::string without_in_json(std::string_view json, const Secret& secret) {
    std::string text(json);
    if (secret.empty()) return text;
    text = without(text, secret, read_again(read(text, Escapes::all), Escapes::all));
    for (const Escapes escapes : {Escapes::all, Escapes::json}) {
        text = without(text, secret, read_again(read(text, Escapes::json), escapes));
        text = without(text, secret, read(text, escapes));
    }
    return text;
}

std::string without(std::string_view text, const Secret& secret) {
    if (secret.empty()) return std::string(text);
    const std::string masked = without_in_json(text, secret);
    return without(masked, secret, read(masked, Escapes::none));
}

/// Makes one line, cut at a character boundary.
std::string one_line(std::string text) {
    for (char& c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
    }
    if (text.size() > max_message) {
        std::size_t end = max_message;
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
        text.resize(end);
    }
    return text;
}

bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool is_same_letter(char a, char b) {
    return ascii::lower(a) == b;
}

/// Finds a text, ignoring case. `what` is in lower case.
std::size_t find_tag(std::string_view page, std::string_view what, std::size_t from) {
    const auto at = std::search(page.begin() + static_cast<std::ptrdiff_t>(from), page.end(),
                                what.begin(), what.end(), is_same_letter);
    return at == page.end() ? std::string_view::npos : static_cast<std::size_t>(at - page.begin());
}

/// Finds the first tag `<title>`, even in a comment.
std::size_t find_title(std::string_view page, std::size_t from) {
    constexpr std::string_view title = "<title";
    std::size_t tag = find_tag(page, title, from);
    while (tag != std::string_view::npos) {
        const std::size_t end = tag + title.size();
        if (end < page.size() && (page[end] == '>' || page[end] == '/' || is_space(page[end])))
            break;
        tag = find_tag(page, title, end);  // <titlebar>
    }
    return tag;
}

/// Returns the title of an HTML page; does not decode entities.
std::string title_of(std::string_view page) {
    constexpr std::string_view comment_end = "-->";
    constexpr auto npos = std::string_view::npos;
    std::size_t tag = find_title(page, 0);
    for (std::size_t at = 0; tag != npos;) {
        const std::size_t comment = page.find("<!--", at);
        if (comment > tag) break;
        const std::size_t end = page.find(comment_end, comment);
        if (end == npos) return {};
        at = end + comment_end.size();
        if (tag < at) tag = find_title(page, at);
    }
    if (tag == npos) return {};
    const auto begin = page.find('>', tag);
    if (begin == npos) return {};
    const auto end = find_tag(page, "</title", begin);
    if (end == npos) return {};
    return std::string(json::trim(page.substr(begin + 1, end - begin - 1)));
}

/// Returns where an HTML page begins: at the start, or after the output of a program, such as a
/// warning of PHP. Returns the end if there is no page.
std::size_t find_page(std::string_view text) {
    if (text.starts_with('<')) return 0;
    return std::min({find_tag(text, "<!doctype html", 0), find_tag(text, "<html", 0), text.size()});
}

/// Returns whether the body is readable text, and not compressed or binary.
bool is_text(std::string_view body) {
    const auto is_control = [](char c) {
        return static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r' &&
               c != '\f';
    };
    constexpr std::string_view zstd("\x28\xB5\x2F\xFD", 4);
    return !body.starts_with("\x1F\x8B") && !body.starts_with(zstd) &&
           std::ranges::none_of(body.substr(0, 2 * max_message), is_control);
}

/// Combines `title` (the kind of problem) and `detail` (this occurrence) of RFC 9457.
std::string problem_of(const std::string& title, const std::string& detail) {
    if (title.empty() || detail.empty()) return title + detail;
    return title + ": " + detail;
}

ServerMessage read_object(std::string_view object) {
    ServerMessage result;
    std::string title;
    std::string detail;
    for (json::MemberReader in(object); in.next();) {
        const auto& member = in.member();
        const json::Kind kind = json::kind_of(member.value);
        if (kind == json::Kind::string && member.name == "message") {
            result.message = json::decode_string(member.value);
        } else if (kind == json::Kind::string && member.name == "error") {
            if (result.message.empty()) result.message = json::decode_string(member.value);
        } else if (kind == json::Kind::string && member.name == "title") {
            title = json::decode_string(member.value);
        } else if (kind == json::Kind::string && member.name == "detail") {
            detail = json::decode_string(member.value);
        } else if (kind != json::Kind::null && member.name == "errors") {
            result.errors = member.value;
        }
    }
    if (result.message.empty()) result.message = problem_of(title, detail);
    return result;
}

}  // namespace

ServerMessage read_server_message(std::string_view body, const Secret& token,
                                  const Secret& proxy_authorization) {
    ServerMessage result;
    if (!is_text(body)) return result;
    const auto text = json::trim(json::skip_byte_order_mark(body));
    const bool is_json = !json::check(text);
    if (is_json && json::kind_of(text) == json::Kind::object) result = read_object(text);
    const std::size_t page = is_json ? text.size() : find_page(text);
    if (page < text.size()) result.message = title_of(text.substr(page));
    // Other text is the message itself, unless it is a page or empty.
    const auto plain = text.substr(0, page);
    const bool says_more = !plain.empty() && text != "{}" && text != "[]";
    if (result.message.empty() && result.errors.empty() && says_more) {
        result.message = is_json
                             ? without_in_json(without_in_json(text, token), proxy_authorization)
                             : std::string(plain);
    }
    // Keep more than the maximum until secrets are masked, so that a secret at the end is complete.
    if (result.message.size() > 2 * max_message) result.message.resize(2 * max_message);
    if (result.errors.size() > max_errors) result.errors = "{\"_\":[\"too long to be kept\"]}";
    result.errors = without_in_json(without_in_json(result.errors, token), proxy_authorization);
    result.message = without(without(result.message, token), proxy_authorization);
    result.message = one_line(repair_utf8(result.message));
    return result;
}

std::string describe_redirect(std::string_view location, const Secret& token,
                              const Secret& proxy_authorization) {
    if (location.empty()) return {};
    const auto beginning = location.substr(0, 2 * max_message);
    const auto where = without(without(beginning, token), proxy_authorization);
    return one_line("redirects to " + repair_utf8(where));
}

}  // namespace flowrelay::core
