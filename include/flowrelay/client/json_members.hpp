// Members of what the daemon or the API answered, made fit to print. Servers of other versions may
// have more members, or fewer.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "flowrelay/base/error.hpp"

namespace flowrelay::client {

/// The object in a text; an error with a sentence for people if it is none.
Result<boost::json::object> parse_object(std::string_view text);

/// A string, fit to print; empty when it is not there.
std::string text_of(const boost::json::object& object, std::string_view name);

/// An array or an object; null when it is not there.
const boost::json::array* array_of(const boost::json::object& object, std::string_view name);
const boost::json::object* object_of(const boost::json::object& object, std::string_view name);

}  // namespace flowrelay::client
