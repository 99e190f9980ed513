// Reads members of the daemon's answers and makes them safe to print. Daemons of other versions may
// have more members, or fewer.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "flowrelay/client/json_members.hpp"

namespace flowrelay::cli {

using client::array_of;
using client::object_of;
using client::parse_object;
using client::text_of;

std::optional<double> number_of(const boost::json::object& object, std::string_view name);

/// Returns a count as text; "-" if it is missing.
std::string count_of(const boost::json::object& object, std::string_view name);

/// Returns a count with its noun: "1 thread", "2 threads"; "- threads" if the count is missing.
std::string counted_of(const boost::json::object& object, std::string_view name,
                       std::string_view what);

/// Returns a number of seconds as "1m30s"; empty if it is missing.
std::string seconds_of(const boost::json::object& object, std::string_view name);

/// Formats seconds like "1m30s".
std::string format_seconds(double seconds);

/// Formats bytes like "1.5 MiB".
std::string format_bytes(double bytes);

}  // namespace flowrelay::cli
