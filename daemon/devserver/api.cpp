#include "api.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <cstdint>
#include <utility>

#include "json_text.hpp"

namespace flowrelay::devserver {

namespace json = boost::json;

namespace {

constexpr std::string_view blank = "can't be blank";

bool is_number(const json::value* value) noexcept {
    return value && (value->is_int64() || value->is_uint64());
}

void add(json::object& errors, std::string_view field, std::string_view what) {
    errors[field] = json::array{json::string(what)};
}

}  // namespace

std::string_view string_member(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    const json::string* text = value ? value->if_string() : nullptr;
    return text ? std::string_view(text->data(), text->size()) : std::string_view();
}

json::object validate(const json::object& message, std::string_view query_token) {
    json::object errors;
    if (string_member(message, "flow_token").empty() && query_token.empty()) {
        add(errors, "flow_token", blank);
    }
    const std::string_view event = string_member(message, "event");
    if (event.empty()) {
        add(errors, "event", blank);
    } else if (event != "activity" && event != "discussion") {
        add(errors, "event", "is not included in the list");
    }
    if (string_member(message, "external_thread_id").empty() &&
        string_member(message, "thread_id").empty() &&
        !is_number(message.if_contains("external_thread_id"))) {
        add(errors, "external_thread_id", "or thread_id is required");
    }
    if (string_member(message, "title").empty()) add(errors, "title", blank);
    const json::value* author = message.if_contains("author");
    if (!author || !author->is_object()) {
        add(errors, "author", blank);
    } else if (string_member(author->get_object(), "name").empty()) {
        add(errors, "author", "name can't be blank");
    }
    return errors;
}

std::string validation_error(json::object errors) {
    json::object body;
    body["message"] = "Validation error";
    body["errors"] = std::move(errors);
    return json::serialize(body);
}

std::string error_body(std::string_view message) {
    std::string body = R"({"message":)";
    append_json_string(body, message);
    return body + '}';
}

std::string stored_message(const json::object& message, std::uint64_t id) {
    json::object copy = message;
    if (copy.contains("flow_token")) copy.stable_erase("flow_token");
    copy["id"] = id;
    return json::serialize(copy);
}

std::string readable_message(const json::value& message) {
    json::value copy = message;
    if (json::object* object = copy.if_object()) {
        if (json::value* token = object->if_contains("flow_token")) {
            const std::string_view text = string_member(*object, "flow_token");
            *token = json::string(std::string(text.substr(0, 4)) + "…");
        }
    }
    std::string out;
    append_indented(out, copy);
    return out;
}

}  // namespace flowrelay::devserver
