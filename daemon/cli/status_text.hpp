// Formats the state of the relay as a table for users.
#pragma once

#include <string>
#include <string_view>

#include "flowrelay/base/error.hpp"

namespace flowrelay::cli {

/// Formats the answer to GET /v1/status (docs/protocol.md). Leaves out missing members. Error: it
/// is not a JSON object.
Result<std::string> format_status(std::string_view json, bool colour = false);

}  // namespace flowrelay::cli
