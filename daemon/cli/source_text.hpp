// What `flowrelay source show` and `flowrelay source check` print. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "cli/exit_code.hpp"

namespace flowrelay::cli {

/// "36 of Main (example/main)": the source in its flow, from a `flow_source`; empty without an id.
std::string format_flow_source(const boost::json::object& flow_source);

/// "of the type activity, with one of the tags deploy, release": the events that pass a `filter`.
std::string format_filter(const boost::json::object& filter);

/// A source of GET /v1/sources/NAME, a line for each thing that is known.
std::string format_source(const boost::json::object& source);

/// The answer of POST /v1/sources/NAME/check in a line: what was found out, and what follows.
std::string format_check(const boost::json::object& answer);

/// `result`: as that answer has it.
ExitCode exit_code_of_check(std::string_view result);

/// Of two sources that were checked: the one that a script has to know of.
ExitCode worse_check(ExitCode a, ExitCode b);

}  // namespace flowrelay::cli
