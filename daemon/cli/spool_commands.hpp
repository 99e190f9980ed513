// The commands below `flowrelay spool`.
#pragma once

#include "cli/commands.hpp"

namespace flowrelay::cli {

/// Adds `test` to the command `spool`.
void add_spool_test(Command spool, Context& context);

}  // namespace flowrelay::cli
