// What is wrong with a text that should have been an event, in words that say what to do. Pure.
#pragma once

#include <string>
#include <string_view>

#include "flowrelay/core/event.hpp"
#include "flowrelay/core/json.hpp"

namespace flowrelay::core {

/// One sentence that names the mistake, where it is and how to mend it. `error` is what check()
/// says of `text`. Repeats nothing of the text: there may be a token in it.
std::string describe_mistake(std::string_view text, const json::SyntaxError& error, TextForm form);

}  // namespace flowrelay::core
