#include "flowrelay/http/response_writer.hpp"

#include <algorithm>
#include <boost/beast/http/status.hpp>
#include <charconv>
#include <stdexcept>

#include "head.hpp"

namespace flowrelay::http {

namespace {

void append_number(std::string& out, std::size_t number) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    out.append(digits, static_cast<std::size_t>(end - digits));
}

bool is_field_value(std::string_view text) noexcept {
    return std::none_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < 0x20 && c != '\t') || byte == 0x7f;
    });
}

void check(const Response& response) {
    if (response.status < 200 || response.status > 599) {
        throw std::invalid_argument("append_response: not the status of a final response");
    }
    if (!is_field_value(response.content_type)) {
        throw std::invalid_argument("append_response: a control character in the content type");
    }
    for (const auto& [name, value] : response.fields) {
        if (!is_token(name) || !is_field_value(value)) {
            throw std::invalid_argument("append_response: a control character in a header field");
        }
    }
}

}  // namespace

void append_response(std::string& out, const Response& response) {
    check(response);
    const bool may_have_body = response.status != 204 && response.status != 304;
    out.append("HTTP/1.1 ");
    append_number(out, static_cast<std::size_t>(response.status));
    const auto reason = boost::beast::http::obsolete_reason(
        static_cast<boost::beast::http::status>(response.status));
    out.append(" ").append(reason.data(), reason.size()).append("\r\n");
    if (may_have_body) {
        if (!response.body.empty() && !response.content_type.empty()) {
            out.append("Content-Type: ").append(response.content_type).append("\r\n");
        }
        out.append("Content-Length: ");
        append_number(out, response.body.size());
        out.append("\r\n");
    }
    if (!response.keep_alive) {
        out.append("Connection: close\r\n");
    } else if (response.minor_version == 0) {
        out.append("Connection: keep-alive\r\n");
    }
    for (const auto& [name, value] : response.fields) {
        out.append(name).append(": ").append(value).append("\r\n");
    }
    out.append("\r\n");
    if (may_have_body && !response.head_only) out.append(response.body);
}

std::string_view continue_response() noexcept {
    return "HTTP/1.1 100 Continue\r\n\r\n";
}

}  // namespace flowrelay::http
