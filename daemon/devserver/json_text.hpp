// JSON output that Boost.JSON lacks: strings that are not UTF-8, and indentation.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>

namespace flowrelay::devserver {

/// Appends `text` as a JSON string. Replaces invalid UTF-8 by U+FFFD, so that the line stays valid.
void append_json_string(std::string& out, std::string_view text);

/// Appends the value on several lines, indented by two spaces per level.
void append_indented(std::string& out, const boost::json::value& value);

}  // namespace flowrelay::devserver
