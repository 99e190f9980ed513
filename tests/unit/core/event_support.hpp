// Short ways to hand events in and to look at what comes out.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "flowrelay/core/event.hpp"

namespace flowrelay::core {

/// What the API asks for at least, without the brackets.
inline constexpr std::string_view least_members =
    R"("event":"activity","title":"failed","author":{"name":"CI"},"external_thread_id":"build-42")";

inline constexpr std::string_view test_token = "deadbeefdeadbeef";

/// An event with its own token, the least members and `more` (which begins with a comma or not).
inline std::string event_with(std::string_view more) {
    std::string text = R"({"flow_token":"deadbeefdeadbeef",)";
    text += least_members;
    if (!more.empty()) text += ',';
    text += more;
    text += '}';
    return text;
}

inline boost::system::result<Submission::Contents, Rejection> submit(
    std::string_view json, const EventDefaults& defaults = {},
    std::optional<Secret> query_token = std::nullopt) {
    auto submission = Submission::parse(json, std::move(query_token));
    if (!submission) return submission.error();
    return std::move(*submission).complete(defaults);
}

/// The contents of an event that has to be accepted.
inline Submission::Contents accepted(std::string_view json, const EventDefaults& defaults = {}) {
    auto contents = submit(json, defaults);
    if (!contents) throw std::runtime_error("rejected: " + contents.error().message);
    return *std::move(contents);
}

/// The rejection of an event that has to be rejected.
inline Rejection rejected(std::string_view json, const EventDefaults& defaults = {},
                          std::optional<Secret> query_token = std::nullopt) {
    auto contents = submit(json, defaults, std::move(query_token));
    if (contents) throw std::runtime_error("accepted: " + contents->body);
    return contents.error();
}

/// The errors of an event whose JSON is good.
inline FieldErrors errors_of(std::string_view json, const EventDefaults& defaults = {}) {
    const Rejection rejection = rejected(json, defaults);
    EXPECT_EQ(rejection.code, RejectCode::invalid_event) << rejection.message;
    return rejection.errors;
}

}  // namespace flowrelay::core
