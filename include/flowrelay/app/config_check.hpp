// Looks at a configuration as the start of the daemon would, without starting anything.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "flowrelay/app/config.hpp"

namespace flowrelay::app {

struct ConfigFindings {
    std::vector<ConfigProblem> problems;   ///< the daemon would not start, or not reload
    std::vector<std::string> warnings;     ///< it would, but should not have to
    std::vector<std::string> not_checked;  ///< what is given to the service alone
    std::size_t sources = 0;
};

/// Reads the file and everything that it names: tokens, certificates, keys, groups.
ConfigFindings check_config(const std::string& path);

}  // namespace flowrelay::app
