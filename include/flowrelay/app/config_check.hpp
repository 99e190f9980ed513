// Checks a configuration as the daemon does when it starts, without starting anything.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "flowrelay/app/config.hpp"

namespace flowrelay::app {

struct ConfigFindings {
    std::vector<ConfigProblem> problems;   ///< the daemon would refuse to start or reload
    std::vector<std::string> warnings;     ///< the daemon would start, but this should be corrected
    std::vector<std::string> not_checked;  ///< files that only the service can read
    std::size_t sources = 0;
};

/// Reads and checks the file and everything that it names: tokens, certificates, keys, groups.
ConfigFindings check_config(const std::string& path);

}  // namespace flowrelay::app
