// The list of sources in the configuration.
#pragma once

#include <vector>

#include "config_reader.hpp"
#include "config_yaml.hpp"
#include "flowrelay/app/config.hpp"

namespace flowrelay::app {

std::vector<SourceConfig> read_sources(const YamlNode& list, ProblemList& problems);

}  // namespace flowrelay::app
