// Formats the output of `flowrelay source show` and `flowrelay source check`. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "cli/exit_code.hpp"

namespace flowrelay::cli {

/// Formats a `flow_source` as "36 of Main (example/main)"; empty without an id.
std::string format_flow_source(const boost::json::object& flow_source);

/// Describes a `filter`: "of the type activity, with one of the tags deploy, release".
std::string format_filter(const boost::json::object& filter);

/// Formats the answer of GET /v1/sources/NAME, one line per fact.
std::string format_source(const boost::json::object& source);

/// Formats the answer of POST /v1/sources/NAME/check in one line: the result and its consequence.
std::string format_check(const boost::json::object& answer);

/// Returns the exit code for the `result` in that answer.
ExitCode exit_code_of_check(std::string_view result);

/// Returns the more serious of the exit codes of two checks.
ExitCode worse_check(ExitCode a, ExitCode b);

}  // namespace flowrelay::cli
