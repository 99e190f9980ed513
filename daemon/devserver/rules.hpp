// Rules for answering requests differently. The first matching rule wins.
#pragma once

#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flowrelay/base/error.hpp"

namespace flowrelay::devserver {

enum class Action {
    respond,
    close,              ///< no answer, the connection ends
    reset,              ///< no answer, the connection is reset (RST)
    hang,               ///< no answer, the connection stays
    garbage,            ///< bytes that are not HTTP
    trickle,            ///< the answer, one byte a second
    accept_then_close,  ///< accepts the message, then closes the connection without an answer
};

/// Returns whether the client receives a status.
constexpr bool answers(Action action) noexcept {
    return action == Action::respond || action == Action::trickle;
}

struct Rule {
    std::optional<std::string> path;    ///< absent: /messages and /v1/messages
    std::optional<std::string> method;  ///< absent: any; also for the next two
    std::optional<std::string> flow_token;
    std::optional<std::string> external_thread_id;
    std::optional<std::uint64_t> times;  ///< remaining uses; absent: unlimited
    std::optional<int> status;           ///< absent: as set by --status
    std::vector<std::pair<std::string, std::string>> fields;
    std::string content_type;
    std::string body;
    std::chrono::milliseconds delay{0};
    Action action = Action::respond;
    bool keep_alive = true;
    boost::json::value text;  ///< the rule as received
};

class Rules {
public:
    /// Replaces all rules by those of a JSON array. Keeps the old rules if the array is invalid.
    Result<void> replace(std::string_view text);

    bool empty() const noexcept { return rules_.empty(); }

    /// Returns whether a rule depends on the body, so that it must be parsed first.
    bool look_into_messages() const noexcept { return look_into_messages_; }

    /// Returns the first matching rule and counts one use of it; nullptr if none matches.
    const Rule* take(std::string_view method, std::string_view path, std::string_view flow_token,
                     std::string_view external_thread_id);

    /// Returns the rules as received, with `times` as the remaining uses.
    std::string to_json() const;

private:
    std::vector<Rule> rules_;
    bool look_into_messages_ = false;
};

}  // namespace flowrelay::devserver
