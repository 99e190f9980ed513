// Options of the commands that need an access token.
#pragma once

#include "cli/access.hpp"
#include "cli/command_line.hpp"

namespace flowrelay::cli {

/// Adds --access-token-file, --config, --no-browser and --wait. `options` must live as long as the
/// parser.
void add_access_options(Command command, AccessOptions& options);

}  // namespace flowrelay::cli
