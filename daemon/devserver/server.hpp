// Listens and serves until a signal ends it.
#pragma once

#include "options.hpp"

namespace flowrelay::devserver {

/// Serves until SIGINT or SIGTERM. Throws std::exception if it can't start or can't write the
/// journal.
void run(const Options& options);

}  // namespace flowrelay::devserver
