// Rules: how requests are answered instead of as usual. The first that matches wins.
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
    accept_then_close,  ///< takes the message, then ends the connection without an answer
};

/// Whether a client sees a status with this action.
constexpr bool answers(Action action) noexcept {
    return action == Action::respond || action == Action::trickle;
}

struct Rule {
    std::optional<std::string> path;    ///< absent: /messages and /v1/messages
    std::optional<std::string> method;  ///< absent matches all, as with the next
    std::optional<std::string> flow_token;
    std::optional<std::string> external_thread_id;
    std::optional<std::uint64_t> times;  ///< how often it still counts; absent: for ever
    std::optional<int> status;           ///< absent: what --status says
    std::vector<std::pair<std::string, std::string>> fields;
    std::string content_type;
    std::string body;
    std::chrono::milliseconds delay{0};
    Action action = Action::respond;
    bool keep_alive = true;
    boost::json::value text;  ///< as it was given
};

class Rules {
public:
    /// Replaces all rules by those of a JSON array, or says what is wrong with it and keeps them.
    Result<void> replace(std::string_view text);

    bool empty() const noexcept { return rules_.empty(); }

    /// Whether the body has to be parsed to find the rule.
    bool look_into_messages() const noexcept { return look_into_messages_; }

    /// The first rule that matches, or nullptr. Counts as one use.
    const Rule* take(std::string_view method, std::string_view path, std::string_view flow_token,
                     std::string_view external_thread_id);

    /// The rules as they were given; `times` is what is left.
    std::string to_json() const;

private:
    std::vector<Rule> rules_;
    bool look_into_messages_ = false;
};

}  // namespace flowrelay::devserver
