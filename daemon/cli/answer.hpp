// The daemon's answer to one event, as the NDJSON protocol has it.
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

/// A rejection by the command itself, for what need not be sent.
Answer local_rejection(std::string code, std::string message);

/// A local rejection as the daemon would have written it.
std::string to_json(const Answer& answer);

/// Reads one line. What is no answer becomes a rejection with the code "bad_answer".
Answer parse_answer(std::string_view line);

/// "rejected (invalid_event): the message; title can't be blank": one line, fit for a terminal.
std::string describe(const Answer& answer);

/// The number that the answer alone would end the command with.
ExitCode exit_code_of(const Answer& answer);

}  // namespace flowrelay::cli
