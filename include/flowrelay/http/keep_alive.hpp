// How long the server of a connection keeps it open while idle. Thread-safe.
#pragma once

#include <string_view>

#include "flowrelay/base/time.hpp"

namespace flowrelay::http {

/// Returns how long a connection may be idle and still be reused. This is `most`, or less if the
/// server's Keep-Alive field has a shorter "timeout=SECONDS" (RFC 2068, section 19.7.1.1; Apache
/// sends it): that time minus a quarter of it, one second at most, to allow for the transmission.
/// Parameters that can't be parsed are ignored.
Milliseconds keep_alive_time(std::string_view field, Milliseconds most);

}  // namespace flowrelay::http
