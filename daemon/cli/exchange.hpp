// Sends one event to the daemon and receives its answer.
#pragma once

#include <string>
#include <string_view>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::cli {

/// Sends `event`, a whole line, and returns the answer line without its line break. Tries again if
/// nothing listens on the socket or the connection ends without an answer, since the daemon may be
/// restarting. Takes at most `wait` in total.
Result<std::string> exchange(const std::string& socket, std::string_view event, Milliseconds wait);

}  // namespace flowrelay::cli
