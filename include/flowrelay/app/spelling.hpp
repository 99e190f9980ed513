// Suggests a correction for an unknown word: a key, a command, an option. Pure.
#pragma once

#include <string_view>
#include <vector>

namespace flowrelay::app {

/// Returns the candidate nearest to a mistyped word, or "" if none is near.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace flowrelay::app
