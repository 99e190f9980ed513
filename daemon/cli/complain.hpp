// Messages on stderr. Errors of writing them are ignored: the exit status reports the result too.
#pragma once

#include <string_view>

namespace flowrelay::cli {

/// Prints "flowrelay: MESSAGE".
void complain(std::string_view message);

/// Prints a line without the prefix.
void note(std::string_view line);

}  // namespace flowrelay::cli
