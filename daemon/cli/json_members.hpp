// Members of what the daemon answered, made fit to print. Daemons of other versions may have more
// members, or fewer.
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

/// A count as text; "-" when it is not there.
std::string count_of(const boost::json::object& object, std::string_view name);

/// A count with what it counts: "1 thread", "2 threads"; "- threads" when it is not there.
std::string counted_of(const boost::json::object& object, std::string_view name,
                       std::string_view what);

/// A number of seconds as "1m30s"; empty when it is not there.
std::string seconds_of(const boost::json::object& object, std::string_view name);

/// "1m30s"
std::string format_seconds(double seconds);

/// "1.5 MiB"
std::string format_bytes(double bytes);

}  // namespace flowrelay::cli
