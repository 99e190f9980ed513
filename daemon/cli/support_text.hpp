// Removes from the output of `flowrelay support` what must not be disclosed.
#pragma once

#include <string>
#include <string_view>

namespace flowrelay::cli {

/// Returns the text (lines of the log, or JSON of the control socket) without the destination's
/// words in the reasons, since they may quote the contents of events. Keeps the HTTP status.
std::string without_server_words(std::string_view text);

}  // namespace flowrelay::cli
