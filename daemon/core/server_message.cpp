#include "flowrelay/core/server_message.hpp"

#include <utility>

#include "flowrelay/core/json.hpp"

namespace flowrelay::core {
namespace {

constexpr std::size_t max_message = 500;
constexpr std::size_t max_errors = 4096;

void replace_all(std::string& text, std::string_view what, std::string_view with) {
    if (what.empty()) return;
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at)) {
        text.replace(at, what.size(), with);
        at += with.size();
    }
}

/// One line, cut at the beginning of a character.
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

ServerMessage read_object(std::string_view object) {
    ServerMessage result;
    for (json::MemberReader in(object); in.next();) {
        const auto& member = in.member();
        const json::Kind kind = json::kind_of(member.value);
        if (kind == json::Kind::string && member.name == "message") {
            result.message = json::decode_string(member.value);
        } else if (kind == json::Kind::string && member.name == "error") {
            if (result.message.empty()) result.message = json::decode_string(member.value);
        } else if (kind != json::Kind::null && member.name == "errors") {
            result.errors = member.value;
        }
    }
    return result;
}

}  // namespace

ServerMessage read_server_message(std::string_view body, const Secret& token) {
    ServerMessage result;
    if (!json::check(body)) {
        const auto value = json::trim(body);
        if (json::kind_of(value) == json::Kind::object) result = read_object(value);
    } else if (!body.starts_with('<')) {  // an HTML page says nothing in a log
        result.message = body;
    }
    replace_all(result.message, token.reveal(), "[token]");
    replace_all(result.errors, token.reveal(), "[token]");
    result.message = one_line(std::move(result.message));
    if (result.errors.size() > max_errors) result.errors = "{\"_\":[\"too long to be kept\"]}";
    return result;
}

}  // namespace flowrelay::core
