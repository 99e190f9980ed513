// Compares a new configuration with that of the running daemon.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/app/config.hpp"

namespace flowrelay::app {

/// Changed keys, in the order of config_keys(). Excludes keys of sources.
struct ConfigChanges {
    std::vector<std::string> live;     ///< take effect with a reload
    std::vector<std::string> restart;  ///< take effect at the next start
};

/// Returns the keys whose values differ. Pure.
ConfigChanges compare(const Config& running, const Config& wanted);

/// Returns the configuration in force after a reload: `wanted`, with the values of `running` for
/// keys that need a restart. Pure.
Config in_force(const Config& running, const Config& wanted);

/// Returns the names of sources that were added, removed or changed. Does not compare tokens. Pure.
std::set<std::string> changed_sources(const Config& running, const Config& wanted);

/// Returns every key that compare() compares. restart_keys() returns those that need a restart.
std::vector<std::string_view> compared_keys();
std::vector<std::string_view> restart_keys();

}  // namespace flowrelay::app
