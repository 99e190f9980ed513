// A secret from stdin: it is never a command line's, where ps(1) shows it.
#pragma once

#include <string>
#include <string_view>

namespace flowrelay::cli {

/// All of stdin without the white space at its end. `what`: asked for when it is a terminal.
std::string read_secret_line(std::string_view what);

}  // namespace flowrelay::cli
