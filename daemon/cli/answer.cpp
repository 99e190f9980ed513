#include "cli/answer.hpp"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <utility>

#include "flowrelay/app/text.hpp"

namespace flowrelay::cli {

namespace {

namespace json = boost::json;

std::string member_text(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    if (value == nullptr || !value->is_string()) return {};
    return std::string(value->get_string());
}

/// Formats {"title": ["can't be blank"]} as sentences.
std::vector<std::string> errors_of(const json::object& answer) {
    std::vector<std::string> errors;
    const json::value* by_field = answer.if_contains("errors");
    if (by_field == nullptr || !by_field->is_object()) return errors;
    for (const auto& [field, messages] : by_field->get_object()) {
        if (!messages.is_array()) continue;
        for (const json::value& message : messages.get_array()) {
            if (!message.is_string()) continue;
            errors.push_back(fmt::format("{} {}", std::string_view(field),
                                         std::string_view(message.get_string())));
        }
    }
    return errors;
}

bool is_true(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value != nullptr && value->is_bool() && value->get_bool();
}

Answer bad_answer() {
    return local_rejection("bad_answer",
                           "the answer is not from flowrelayd; is this the right socket?");
}

}  // namespace

Answer parse_answer(std::string_view line) {
    boost::system::error_code error;
    const json::value parsed = json::parse(line, error);
    if (error || !parsed.is_object()) return bad_answer();
    const json::object& object = parsed.get_object();
    const std::string status = member_text(object, "status");
    if (status != "accepted" && status != "rejected") return bad_answer();
    Answer answer;
    answer.accepted = status == "accepted";
    answer.id = member_text(object, "id");
    answer.duplicate = is_true(object, "duplicate");
    answer.filtered = is_true(object, "filtered");
    answer.code = member_text(object, "code");
    answer.message = member_text(object, "message");
    answer.errors = errors_of(object);
    const json::value* retry = object.if_contains("retry_after_ms");
    if (retry != nullptr && retry->is_int64())
        answer.retry_after = Milliseconds(retry->get_int64());
    return answer;
}

Answer local_rejection(std::string code, std::string message) {
    Answer answer;
    answer.code = std::move(code);
    answer.message = std::move(message);
    return answer;
}

std::string to_json(const Answer& answer) {
    return json::serialize(
        json::object{{"status", "rejected"}, {"code", answer.code}, {"message", answer.message}});
}

std::string describe(const Answer& answer) {
    if (answer.accepted) {
        const char* const more = answer.duplicate  ? " (duplicate)"
                                 : answer.filtered ? " (filtered: it is not delivered)"
                                                   : "";
        return app::printable(fmt::format("accepted {}{}", answer.id, more));
    }
    std::string text = fmt::format("rejected ({}): {}", answer.code, answer.message);
    for (const std::string& error : answer.errors) {
        // Skip errors that the message already contains.
        if (answer.message.find(error) == std::string::npos) text += "; " + error;
    }
    if (answer.retry_after) {
        text += fmt::format("; try again in {}", format_duration(*answer.retry_after));
    }
    return app::printable(text);
}

ExitCode exit_code_of(const Answer& answer) {
    if (answer.accepted) return ExitCode::ok;
    if (answer.code == "not_allowed") return ExitCode::not_permitted;
    for (const std::string_view later : {"queue_full", "token_queue_full", "too_many_tokens",
                                         "shutting_down", "storage_failed", "bad_answer"}) {
        if (answer.code == later) return ExitCode::try_later;
    }
    return ExitCode::rejected;
}

}  // namespace flowrelay::cli
