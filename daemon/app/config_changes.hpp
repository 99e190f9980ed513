// What a new configuration changes in a daemon that runs.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/app/config.hpp"

namespace flowrelay::app {

/// Keys, in the order of config_keys(); those of sources are left out.
struct ConfigChanges {
    std::vector<std::string> live;     ///< a running daemon takes them over
    std::vector<std::string> restart;  ///< they count at the next start
};

/// Compares key by key. Pure.
ConfigChanges compare(const Config& running, const Config& wanted);

/// `wanted`, but with the values of `running` where a change takes a restart: what is in force
/// after a reload. Pure.
Config in_force(const Config& running, const Config& wanted);

/// The names of the sources that are new, gone or different, whatever their tokens are. Pure.
std::set<std::string> changed_sources(const Config& running, const Config& wanted);

/// Every key that compare() looks at, and those of them that take a restart.
std::vector<std::string_view> compared_keys();
std::vector<std::string_view> restart_keys();

}  // namespace flowrelay::app
