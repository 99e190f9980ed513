#include "answer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "flowrelay/core/json.hpp"

namespace flowrelay::runtime {
namespace {

using core::RejectCode;
using core::Rejection;

void append_errors(std::string& out, const core::FieldErrors& errors) {
    if (errors.empty()) return;
    out += R"(,"errors":{)";
    bool first_field = true;
    for (const auto& [field, messages] : errors) {
        if (!first_field) out += ',';
        first_field = false;
        core::json::append_string(out, field);
        out += ":[";
        bool first_message = true;
        for (const auto& message : messages) {
            if (!first_message) out += ',';
            first_message = false;
            core::json::append_string(out, message);
        }
        out += ']';
    }
    out += '}';
}

void append_rejection(std::string& out, const Rejection& rejection) {
    out += R"("code":")";
    out += core::to_string(rejection.code);
    out += R"(","message":)";
    core::json::append_string(out, rejection.message);
    append_errors(out, rejection.errors);
    if (rejection.retry_after) {
        out += R"(,"retry_after_ms":)" + std::to_string(rejection.retry_after->count());
    }
}

/// Retry-After in whole seconds, rounded up (RFC 9110, section 10.2.3).
void add_retry_after(http::Response& response, const Rejection& rejection) {
    if (!rejection.retry_after) return;
    const auto seconds = (rejection.retry_after->count() + 999) / 1000;
    response.fields.emplace_back("Retry-After", std::to_string(seconds));
}

std::string_view end_of_accepted(const Answer& answer) {
    if (answer.duplicate) return R"(","duplicate":true})";
    if (answer.filtered) return R"(","filtered":true})";
    return R"("})";
}

}  // namespace

int http_status(RejectCode code) noexcept {
    switch (code) {
        case RejectCode::invalid_json:
        case RejectCode::invalid_event:
        case RejectCode::unknown_source:
        case RejectCode::bad_request:
            return 400;
        case RejectCode::not_found:
            return 404;
        case RejectCode::wrong_method:
            return 405;
        case RejectCode::unsupported_type:
            return 415;
        case RejectCode::too_large:
            return 413;
        case RejectCode::token_gone:
            return 410;
        case RejectCode::queue_full:
        case RejectCode::token_queue_full:
        case RejectCode::too_many_tokens:
            return 429;
        case RejectCode::not_allowed:
            return 403;
        case RejectCode::shutting_down:
        case RejectCode::storage_failed:
            return 503;
    }
    return 500;
}

core::Rejection too_large(std::uint64_t limit) {
    return {RejectCode::too_large,
            fmt::format("the event is over {} bytes (ingest.max_event_size)", limit),
            {},
            {}};
}

core::Rejection too_much_unfinished() {
    return {RejectCode::queue_full,
            "too many events and requests have been begun and not finished, by all producers "
            "together: hand it in again later",
            {},
            Milliseconds(1000)};
}

core::Rejection no_room_for_answers() {
    return {RejectCode::queue_full,
            "there is no room for the answers to this batch, since other producers do not read "
            "theirs: hand it in again later, or as smaller batches",
            {},
            Milliseconds(5000)};
}

void append_answer(std::string& out, const Answer& answer) {
    if (answer.accepted()) {
        // An id has no character that JSON would escape: core/event.hpp, max_uuid_length.
        out += R"({"status":"accepted","id":")";
        out += answer.id;
        out += end_of_accepted(answer);
        return;
    }
    out += R"({"status":"rejected",)";
    append_rejection(out, *answer.rejection);
    out += '}';
}

http::Response to_response(const Answer& answer) {
    http::Response response;
    if (answer.accepted()) {
        response.status = 202;
        response.body = R"({"id":")" + answer.id;
        response.body += end_of_accepted(answer);
        return response;
    }
    response.status = http_status(answer.rejection->code);
    response.body = "{";
    append_rejection(response.body, *answer.rejection);
    response.body += '}';
    add_retry_after(response, *answer.rejection);
    return response;
}

http::Response to_response(const std::vector<Answer>& answers, bool as_lines) {
    http::Response response;
    if (as_lines) response.content_type = "application/x-ndjson";
    response.body = as_lines ? "" : "[";
    for (std::size_t i = 0; i < answers.size(); ++i) {
        if (i > 0 && !as_lines) response.body += ',';
        append_answer(response.body, answers[i]);
        if (as_lines) response.body += '\n';
    }
    if (!as_lines) response.body += ']';

    const auto accepted = [](const Answer& answer) { return answer.accepted(); };
    if (std::ranges::all_of(answers, accepted)) {
        response.status = 202;
        return response;
    }
    response.status = 207;
    if (std::ranges::any_of(answers, accepted)) return response;
    const Rejection& first = *answers.front().rejection;
    const auto same = [&](const Answer& answer) { return answer.rejection->code == first.code; };
    if (!std::ranges::all_of(answers, same)) return response;
    response.status = http_status(first.code);
    add_retry_after(response, first);
    return response;
}

}  // namespace flowrelay::runtime
