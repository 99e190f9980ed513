// What was probably meant by a word that is not known: a key, a command, an option. Pure.
#pragma once

#include <string_view>
#include <vector>

namespace flowrelay::app {

/// The one of `candidates` that is nearest to a mistyped word, or "".
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace flowrelay::app
