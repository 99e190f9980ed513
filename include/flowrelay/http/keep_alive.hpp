// How long a server keeps an idle connection. Pure; any thread.
#pragma once

#include <string_view>

#include "flowrelay/base/time.hpp"

namespace flowrelay::http {

/// How long a connection may idle and then be used again: `most`, or less if the server's
/// Keep-Alive field has a shorter "timeout=SECONDS" (RFC 2068, section 19.7.1.1; Apache sends it):
/// a quarter of that time, a second at the most, is left for the way. What can't be read counts
/// for nothing.
Milliseconds keep_alive_time(std::string_view field, Milliseconds most);

}  // namespace flowrelay::http
