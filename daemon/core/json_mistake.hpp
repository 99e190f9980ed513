// Explains what is wrong with a text that should be an event, and what to do. Pure.
#pragma once

#include <string>
#include <string_view>

#include "flowrelay/core/event.hpp"
#include "flowrelay/core/json.hpp"

namespace flowrelay::core {

/// Returns one sentence that names the mistake, its place and how to fix it. `error` is the result
/// of check() for `text`. Never repeats parts of the text: it may contain a token.
std::string describe_mistake(std::string_view text, const json::SyntaxError& error, TextForm form);

}  // namespace flowrelay::core
