#include "flowrelay/http/request_writer.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace flowrelay::http {

namespace {

constexpr bool is_control(char c) noexcept {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
}

bool is_visible(std::string_view text) noexcept {
    return std::none_of(text.begin(), text.end(), [](char c) {
        return is_control(c) || c == ' ' || static_cast<unsigned char>(c) > 0x7f;
    });
}

void require(bool holds, const char* message) {
    if (!holds) throw std::invalid_argument(message);
}

/// Whether `lines` has only whole lines "name: value" CRLF, no empty line and no control character.
bool is_field_lines(std::string_view lines) noexcept {
    while (!lines.empty()) {
        const std::size_t end = lines.find("\r\n");
        if (end == std::string_view::npos) return false;
        const std::string_view line = lines.substr(0, end);
        const std::size_t colon = line.find(':');
        if (colon == 0 || colon == std::string_view::npos) return false;
        if (!is_visible(line.substr(0, colon))) return false;
        if (std::any_of(line.begin(), line.end(), is_control)) return false;
        lines.remove_prefix(end + 2);
    }
    return true;
}

/// Returns the request line and the fields that every request has.
std::string head(std::string_view method, std::string_view authority, std::string_view target,
                 std::string_view user_agent, std::string_view extra_fields) {
    require(!authority.empty() && is_visible(authority),
            "a request: the authority is empty or has a space or a control character");
    require(!target.empty() && is_visible(target),
            "a request: the target is empty or has a space or a control character");
    require(!user_agent.empty() && std::none_of(user_agent.begin(), user_agent.end(), is_control),
            "a request: the user agent is empty or has a control character");
    require(is_field_lines(extra_fields), "a request: the extra fields are not whole field lines");
    std::string text(method);
    text.append(" ").append(target).append(" HTTP/1.1\r\nHost: ").append(authority);
    text.append("\r\nUser-Agent: ").append(user_agent);
    text.append("\r\nAccept: application/json\r\nAccept-Encoding: identity\r\n");
    if (method != "GET") text.append("Content-Type: application/json\r\n");
    text.append(extra_fields);
    return text;
}

void append_length(std::string& out, std::size_t body_size) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, body_size).ptr;
    out.append("Content-Length: ").append(digits, static_cast<std::size_t>(end - digits));
    out.append("\r\n\r\n");
}

}  // namespace

PostWriter::PostWriter(std::string_view authority, std::string_view target,
                       std::string_view user_agent, std::string_view extra_fields)
    : before_key_(head("POST", authority, target, user_agent, extra_fields)) {
    before_key_.append("Idempotency-Key: ");
}

void PostWriter::append(std::string& out, std::string_view idempotency_key,
                        std::string_view body) const {
    append_head(out, idempotency_key, body.size());
    out.append(body);
}

void PostWriter::append_head(std::string& out, std::string_view idempotency_key,
                             std::size_t body_size) const {
    require(!idempotency_key.empty() && is_visible(idempotency_key),
            "PostWriter: the idempotency key is empty or not visible ASCII");
    out.append(before_key_).append(idempotency_key).append("\r\n");
    append_length(out, body_size);
}

void append_put(std::string& out, std::string_view authority, std::string_view target,
                std::string_view user_agent, std::string_view extra_fields, std::string_view body) {
    out.append(head("PUT", authority, target, user_agent, extra_fields));
    append_length(out, body.size());
    out.append(body);
}

void append_get(std::string& out, std::string_view authority, std::string_view target,
                std::string_view user_agent, std::string_view extra_fields) {
    out.append(head("GET", authority, target, user_agent, extra_fields)).append("\r\n");
}

}  // namespace flowrelay::http
