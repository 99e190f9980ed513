// Text from outside in log lines: whatever it is, it can't break out of its value.
#pragma once

#include <string>
#include <string_view>

namespace flowrelay::app {

/// As a JSON string in quotes (RFC 8259), which logfmt reads as well. Control characters of C0 and
/// C1, line and paragraph separators and the characters that change the direction of writing are
/// escaped, invalid UTF-8 becomes U+FFFD, what is beyond 2048 bytes is cut off ("…").
void append_quoted(std::string& out, std::string_view value);

/// As it is when it is a plain word, else quoted.
void append_logfmt_value(std::string& out, std::string_view value);

}  // namespace flowrelay::app
