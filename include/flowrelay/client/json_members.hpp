// Reads members of JSON answers of the daemon and the API, and makes their texts safe to print.
// Servers of other versions may have more members, or fewer.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "flowrelay/base/error.hpp"

namespace flowrelay::client {

/// Parses a JSON object. Error: the text is not one; the message is a sentence for users.
Result<boost::json::object> parse_object(std::string_view text);

/// Returns a string member, safe to print; empty if it is missing.
std::string text_of(const boost::json::object& object, std::string_view name);

/// Return an array or object member; null if it is missing.
const boost::json::array* array_of(const boost::json::object& object, std::string_view name);
const boost::json::object* object_of(const boost::json::object& object, std::string_view name);

}  // namespace flowrelay::client
