// What `flowrelay support` leaves out of what it prints.
#pragma once

#include <string>
#include <string_view>

namespace flowrelay::cli {

/// Returns the text (lines of the log, or JSON of the control socket) with what the destination
/// said left out of the reasons: it may quote what it was sent. Its status stays.
std::string without_server_words(std::string_view text);

}  // namespace flowrelay::cli
