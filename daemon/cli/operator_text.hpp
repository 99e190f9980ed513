// Formats answers of the control socket for users. Pure. Leaves out missing members.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace flowrelay::cli {

/// Format the lines of GET /v1/queue, /v1/dead and /v1/sources as tables.
std::string format_events(const std::vector<boost::json::object>& events, bool colour);
std::string format_dead(const std::vector<boost::json::object>& letters, bool colour);
std::string format_sources(const std::vector<boost::json::object>& sources, bool colour);

/// Formats one event or dead letter with everything that is known, and its contents at the end.
std::string format_event(const boost::json::object& event, bool colour);

/// Formats the answer of GET /v1/explain.
std::string format_explanation(const boost::json::object& answer, bool colour);

}  // namespace flowrelay::cli
