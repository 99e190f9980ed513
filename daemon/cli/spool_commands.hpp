// Subcommands of `flowrelay spool`.
#pragma once

#include "cli/commands.hpp"

namespace flowrelay::cli {

/// Adds `test`.
void add_spool_test(Command spool, Context& context);

}  // namespace flowrelay::cli
