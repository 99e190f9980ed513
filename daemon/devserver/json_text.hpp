// JSON as text, for what Boost.JSON does not do: strings that are not UTF-8, and indentation.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>

namespace flowrelay::devserver {

/// Appends `text` as a JSON string. What is not UTF-8 becomes U+FFFD, so that the line that it is
/// part of stays readable.
void append_json_string(std::string& out, std::string_view text);

/// Appends the value over several lines, indented by two spaces a level.
void append_indented(std::string& out, const boost::json::value& value);

}  // namespace flowrelay::devserver
