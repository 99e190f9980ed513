// Members of what the daemon answered, made fit to print. Daemons of other versions may have more
// members, or fewer.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "flowrelay/base/error.hpp"

namespace flowrelay::cli {

/// The object in a text; an error with a sentence for people if it is none.
Result<boost::json::object> parse_object(std::string_view text);

/// A string, fit to print; empty when it is not there.
std::string text_of(const boost::json::object& object, std::string_view name);

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

/// An array or an object; null when it is not there.
const boost::json::array* array_of(const boost::json::object& object, std::string_view name);
const boost::json::object* object_of(const boost::json::object& object, std::string_view name);

}  // namespace flowrelay::cli
