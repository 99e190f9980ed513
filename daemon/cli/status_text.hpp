// The state of the relay as a table for people.
#pragma once

#include <string>
#include <string_view>

#include "flowrelay/base/error.hpp"

namespace flowrelay::cli {

/// `json`: the answer to GET /v1/status (docs/protocol.md). Members that are not there are left
/// out. Error: it is not a JSON object.
Result<std::string> format_status(std::string_view json, bool colour = false);

}  // namespace flowrelay::cli
