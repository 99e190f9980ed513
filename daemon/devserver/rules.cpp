#include "rules.hpp"

#include <fmt/format.h>

#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <stdexcept>

#include "flowrelay/base/ascii.hpp"
#include "flowrelay/http/response_writer.hpp"

namespace flowrelay::devserver {

namespace json = boost::json;

namespace {

constexpr std::array<std::pair<std::string_view, Action>, 7> actions{{
    {"respond", Action::respond},
    {"close", Action::close},
    {"reset", Action::reset},
    {"hang", Action::hang},
    {"garbage", Action::garbage},
    {"trickle", Action::trickle},
    {"accept_then_close", Action::accept_then_close},
}};

constexpr std::int64_t longest_delay_ms = 3'600'000;

/// An invalid rule. Callers outside this file see an Error instead.
struct BadRule : std::runtime_error {
    using std::runtime_error::runtime_error;
};

std::string text_of(const json::value& value, std::string_view member) {
    if (!value.is_string()) throw BadRule(fmt::format("{} must be a string", member));
    return std::string(value.get_string().data(), value.get_string().size());
}

std::int64_t integer(const json::value& value, std::string_view member, std::int64_t least,
                     std::int64_t most) {
    if (!value.is_int64() || value.get_int64() < least || value.get_int64() > most) {
        throw BadRule(fmt::format("{} must be an integer from {} to {}", member, least, most));
    }
    return value.get_int64();
}

const json::object& object_of(const json::value& value, std::string_view member) {
    if (!value.is_object()) throw BadRule(fmt::format("{} must be an object", member));
    return value.get_object();
}

void read_match(Rule& rule, const json::object& match) {
    for (const auto& [name, value] : match) {
        if (name == "path") {
            rule.path = text_of(value, "match.path");
        } else if (name == "method") {
            rule.method = text_of(value, "match.method");
        } else if (name == "flow_token") {
            rule.flow_token = text_of(value, "match.flow_token");
        } else if (name == "external_thread_id") {
            rule.external_thread_id = text_of(value, "match.external_thread_id");
        } else {
            throw BadRule(fmt::format("match.{} is not known", std::string(name)));
        }
    }
}

void read_fields(Rule& rule, const json::object& fields) {
    for (const auto& [key, value] : fields) {
        const std::string name(key);
        const std::string lower = ascii::lower(name);
        const std::string text = text_of(value, "headers." + name);
        if (lower == "content-type") {
            rule.content_type = text;
        } else if (lower == "connection" && text == "close") {
            rule.keep_alive = false;
        } else if (lower == "content-length" || lower == "transfer-encoding" ||
                   lower == "connection") {
            throw BadRule(fmt::format("headers.{} is set by the server", name));
        } else {
            rule.fields.emplace_back(name, text);
        }
    }
}

void read_body(Rule& rule, const json::value& body) {
    if (body.is_string()) {
        rule.body = text_of(body, "body");
        if (rule.content_type.empty()) rule.content_type = "text/plain";
    } else if (body.is_object() || body.is_array()) {
        rule.body = json::serialize(body);
    } else {
        throw BadRule("body must be an object, an array or a string");
    }
}

Action action_of(const std::string& name) {
    for (const auto& [known, action] : actions) {
        if (name == known) return action;
    }
    throw BadRule(
        "action must be respond, close, reset, hang, garbage, trickle or "
        "accept_then_close");
}

Rule read_rule(const json::value& value) {
    Rule rule;
    rule.text = value;
    const json::value* body = nullptr;
    for (const auto& [key, member] : object_of(value, "a rule")) {
        const std::string name(key);
        if (name == "match") {
            read_match(rule, object_of(member, name));
        } else if (name == "times") {
            rule.times = static_cast<std::uint64_t>(integer(member, name, 0, 1'000'000'000));
        } else if (name == "status") {
            rule.status = static_cast<int>(integer(member, name, 200, 599));
        } else if (name == "headers") {
            read_fields(rule, object_of(member, name));
        } else if (name == "body") {
            body = &member;
        } else if (name == "delay_ms") {
            rule.delay = std::chrono::milliseconds(integer(member, name, 0, longest_delay_ms));
        } else if (name == "action") {
            rule.action = action_of(text_of(member, name));
        } else {
            throw BadRule(fmt::format("{} is not known", name));
        }
    }
    if (body) read_body(rule, *body);  // after the headers, which may contain its type
    if (rule.content_type.empty()) rule.content_type = "application/json";
    return rule;
}

/// Throws std::invalid_argument if the answer of the rule can't be written.
void check_answer(const Rule& rule) {
    http::Response response;
    response.content_type = rule.content_type;
    response.fields.assign(rule.fields.begin(), rule.fields.end());
    std::string unused;
    http::append_response(unused, response);
}

Error error_at(std::size_t index, std::string_view what) {
    return {make_error_code(boost::system::errc::invalid_argument),
            fmt::format("rule {}: {}", index, what)};
}

}  // namespace

Result<void> Rules::replace(std::string_view text) {
    error_code ec;
    const json::value parsed = json::parse({text.data(), text.size()}, ec);
    if (ec) return Error{ec, "the rules are not JSON: " + ec.message()};
    if (!parsed.is_array()) {
        return Error{make_error_code(boost::system::errc::invalid_argument),
                     "the rules must be a JSON array of objects"};
    }
    std::vector<Rule> rules;
    for (const json::value& value : parsed.get_array()) {
        try {
            rules.push_back(read_rule(value));
            check_answer(rules.back());
        } catch (const BadRule& bad) {
            return error_at(rules.size(), bad.what());
        } catch (const std::invalid_argument& bad) {
            return error_at(rules.size() - 1, bad.what());
        }
    }
    rules_ = std::move(rules);
    look_into_messages_ = false;
    for (const Rule& rule : rules_) {
        look_into_messages_ = look_into_messages_ || rule.flow_token || rule.external_thread_id;
    }
    return {};
}

const Rule* Rules::take(std::string_view method, std::string_view path, std::string_view flow_token,
                        std::string_view external_thread_id) {
    for (Rule& rule : rules_) {
        if (rule.times == 0) continue;
        if (rule.path ? *rule.path != path : !path.ends_with("/messages")) continue;
        if (rule.method && *rule.method != method) continue;
        if (rule.flow_token && *rule.flow_token != flow_token) continue;
        if (rule.external_thread_id && *rule.external_thread_id != external_thread_id) continue;
        if (rule.times) --*rule.times;
        return &rule;
    }
    return nullptr;
}

std::string Rules::to_json() const {
    json::array list;
    for (const Rule& rule : rules_) {
        json::value text = rule.text;
        if (rule.times) text.get_object()["times"] = *rule.times;
        list.push_back(std::move(text));
    }
    return json::serialize(list);
}

}  // namespace flowrelay::devserver
