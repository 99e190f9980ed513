// One event to the daemon and its answer back.
#pragma once

#include <string>
#include <string_view>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::cli {

/// Sends `event`, a whole line, and returns the line that comes back, without its line break. Tries
/// again when nobody listens or the connection ends without an answer, since the daemon may be
/// restarting. All of it takes at most `wait`.
Result<std::string> exchange(const std::string& socket, std::string_view event, Milliseconds wait);

}  // namespace flowrelay::cli
