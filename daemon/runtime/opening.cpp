#include "opening.hpp"

#include <algorithm>

#include "flowrelay/base/ascii.hpp"

namespace flowrelay::runtime {

namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
constexpr std::size_t max_method = 32;

// Characters of a token (RFC 9110, section 5.6.2) that methods use.
bool is_of_method(char c) noexcept {
    return ascii::is_word(c, "-_.");
}

/// Returns whether the text after a method can be a target: "/messages", "http://…", "*".
bool begins_target(std::string_view text) noexcept {
    return text.front() == '/' || text.front() == '*' || text.starts_with("http:") ||
           text.starts_with("https:");
}

bool names_http(std::string_view line) noexcept {
    return line.find(" HTTP/") != line.npos || line.find(" http/") != line.npos;
}

}  // namespace

std::string_view skip_before_opening(std::string_view bytes) noexcept {
    if (bytes.starts_with(byte_order_mark)) bytes.remove_prefix(byte_order_mark.size());
    const std::size_t begin = bytes.find_first_not_of(" \t\r\n");
    return begin == bytes.npos ? std::string_view() : bytes.substr(begin);
}

Opening opening_of(std::string_view bytes) noexcept {
    if (bytes.size() < byte_order_mark.size() && byte_order_mark.starts_with(bytes)) {
        return Opening::unknown;
    }
    bytes = skip_before_opening(bytes);
    if (bytes.empty()) return Opening::unknown;
    if (bytes.front() == '{' || bytes.front() == '[') return Opening::lines;
    if (ascii::is_upper(bytes.front())) return Opening::http;
    if (!ascii::is_letter(bytes.front())) return Opening::neither;
    const std::string_view line = bytes.substr(0, bytes.find('\n'));
    const bool whole = line.size() < bytes.size();
    const auto end = std::ranges::find_if_not(line, is_of_method);
    const auto method = static_cast<std::size_t>(end - line.begin());
    if (method == line.size()) {
        return whole || method > max_method ? Opening::neither : Opening::unknown;
    }
    if (line[method] != ' ') return names_http(line) ? Opening::http : Opening::neither;
    const std::string_view target = line.substr(method + 1);
    if (!target.empty() && begins_target(target)) return Opening::http;
    if (names_http(line)) return Opening::http;
    return whole || line.size() > 1024 ? Opening::neither : Opening::unknown;
}

std::string_view problem_of_opening(std::string_view bytes) noexcept {
    if (bytes.size() >= 2 && bytes[0] == '\x16' && bytes[1] == '\x03') {
        return "this is TLS, which is not spoken here: use plain HTTP or NDJSON";
    }
    const std::string_view line = skip_before_opening(bytes);
    if (!line.empty() && ascii::is_letter(line.front()) && line.find('=') == line.npos) {
        return "the first line is neither an event (one JSON object a line) nor an HTTP request";
    }
    return {};
}

}  // namespace flowrelay::runtime
