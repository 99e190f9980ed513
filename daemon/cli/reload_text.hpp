// Formats for users what a reload has changed, or would change.
#pragma once

#include <boost/json/object.hpp>
#include <string>

namespace flowrelay::cli {

/// Formats the answer of a completed reload.
std::string format_reload(const boost::json::object& answer);

/// Formats the answer to a plan: what a reload would do.
std::string format_reload_plan(const boost::json::object& plan);

/// Formats the problems that prevent a configuration from taking effect, one per line.
std::string format_problems(const boost::json::object& answer);

}  // namespace flowrelay::cli
