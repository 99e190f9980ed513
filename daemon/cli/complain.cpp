#include "cli/complain.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <string>

#include "flowrelay/app/text.hpp"

namespace flowrelay::cli {

namespace {

/// Removes what a terminal would not treat as text, except line breaks.
std::string clean(std::string_view message) {
    std::string out;
    while (true) {
        const std::size_t end = message.find('\n');
        out += app::printable(message.substr(0, end));
        if (end == message.npos) return out;
        out += '\n';
        message.remove_prefix(end + 1);
    }
}

}  // namespace

// One write for each message, so that lines of several processes do not mix. Flushes stdout first,
// so that the order is right if both go to the same file.
void note(std::string_view line) {
    std::fflush(stdout);
    const std::string text = fmt::format("{}\n", line);
    std::fwrite(text.data(), 1, text.size(), stderr);
}

void complain(std::string_view message) {
    note(fmt::format("flowrelay: {}", clean(message)));
}

}  // namespace flowrelay::cli
