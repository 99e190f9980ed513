// The daemon's answer to one event in the NDJSON protocol.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/exit_code.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::cli {

struct Answer {
    bool accepted = false;
    bool duplicate = false;
    bool filtered = false;
    std::string id;    ///< of an accepted event
    std::string code;  ///< of a rejection: "invalid_event"
    std::string message;
    std::vector<std::string> errors;  ///< "title can't be blank"
    std::optional<Milliseconds> retry_after;
};

/// Returns a rejection by the command itself, for input that is not sent to the daemon.
Answer local_rejection(std::string code, std::string message);

/// Formats a local rejection the way the daemon would have written it.
std::string to_json(const Answer& answer);

/// Parses one line. Anything but an answer becomes a rejection with the code "bad_answer".
Answer parse_answer(std::string_view line);

/// Returns "rejected (invalid_event): the message; title can't be blank": one line, safe to print.
std::string describe(const Answer& answer);

/// Returns the exit code of a command that got only this answer.
ExitCode exit_code_of(const Answer& answer);

}  // namespace flowrelay::cli
