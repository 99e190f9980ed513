// Builds an event from the options of `flowrelay send`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/secret.hpp"

namespace flowrelay::cli {

/// The options as given. An absent option is an absent member.
struct EventOptions {
    std::optional<std::string> source;
    std::optional<std::string> thread;  ///< external_thread_id
    std::optional<std::string> thread_id;
    std::optional<std::string> title;
    std::optional<std::string> author;
    std::optional<std::string> event;
    std::optional<std::string> status;  ///< "red:failed"
    std::optional<std::string> thread_title;
    std::optional<std::string> thread_body;
    std::optional<std::string> url;   ///< thread.external_url
    std::vector<std::string> fields;  ///< "Branch=main"
    std::vector<std::string> tags;
    std::optional<std::string> body;  ///< the text itself, even if the option was "-"
    std::optional<std::string> uuid;
    std::optional<std::string> expires_in;  ///< "2h"
};

/// Returns the event as one JSON object without line breaks. Bytes that are not UTF-8 become
/// U+FFFD. Does not check whether the event is complete: only the daemon knows the defaults of the
/// source. Error: an option can't be parsed.
Result<std::string> build_event(const EventOptions& options, const std::optional<Secret>& token);

}  // namespace flowrelay::cli
