// What `flowrelay source show` prints. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <string>

namespace flowrelay::cli {

/// "36 of Main (example/main)": the source in its flow, from a `flow_source`; empty without an id.
std::string format_flow_source(const boost::json::object& flow_source);

/// A source of GET /v1/sources/NAME, a line for each thing that is known.
std::string format_source(const boost::json::object& source);

}  // namespace flowrelay::cli
