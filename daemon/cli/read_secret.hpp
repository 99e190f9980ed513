// Reads a secret from stdin. Secrets are never on a command line, where ps(1) shows them.
#pragma once

#include <string>
#include <string_view>

namespace flowrelay::cli {

/// Returns all of stdin without trailing white space. On a terminal, asks for `what` first.
std::string read_secret_line(std::string_view what);

}  // namespace flowrelay::cli
