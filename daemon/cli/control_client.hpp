// The operator's calls to the daemon: HTTP over the control socket.
#pragma once

#include <string>
#include <string_view>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::cli {

/// The body of the answer to GET `target`, if that is 200. All of it takes at most `wait`.
Result<std::string> get_from_daemon(const std::string& socket, std::string_view target,
                                    Milliseconds wait);

}  // namespace flowrelay::cli
