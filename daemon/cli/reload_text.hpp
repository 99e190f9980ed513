// What a reload has changed, or would change, for people.
#pragma once

#include <boost/json/object.hpp>
#include <string>

namespace flowrelay::cli {

/// The answer of a reload that was carried out.
std::string format_reload(const boost::json::object& answer);

/// The answer to a plan: what a reload would do.
std::string format_reload_plan(const boost::json::object& plan);

/// What keeps a configuration from being put in force, a line each.
std::string format_problems(const boost::json::object& answer);

}  // namespace flowrelay::cli
