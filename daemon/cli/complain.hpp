// What is said on stderr. That nobody can hear it changes nothing: what cannot be written is lost,
// and the exit status says the same.
#pragma once

#include <string_view>

namespace flowrelay::cli {

/// "flowrelay: MESSAGE".
void complain(std::string_view message);

/// A line without that.
void note(std::string_view line);

}  // namespace flowrelay::cli
