#include "cli/read_secret.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "cli/complain.hpp"

namespace flowrelay::cli {

std::string read_secret_line(std::string_view what) {
    if (::isatty(STDIN_FILENO) == 1) note(fmt::format("{}, then Enter and Ctrl-D:", what));
    std::string secret;
    for (int c = std::getchar(); c != EOF; c = std::getchar()) secret += static_cast<char>(c);
    secret.erase(secret.find_last_not_of(" \t\r\n") + 1);
    return secret;
}

}  // namespace flowrelay::cli
