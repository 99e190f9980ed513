#include "cli/complain.hpp"

#include <fmt/core.h>

#include <cstdio>
#include <string>

namespace flowrelay::cli {

// In one write each, so that lines of several processes do not mix.
void note(std::string_view line) {
    const std::string text = fmt::format("{}\n", line);
    std::fwrite(text.data(), 1, text.size(), stderr);
}

void complain(std::string_view message) {
    note(fmt::format("flowrelay: {}", message));
}

}  // namespace flowrelay::cli
