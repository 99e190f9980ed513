// From the configuration to the options of the parts.
#pragma once

#include <vector>

#include "flowrelay/app/config.hpp"
#include "flowrelay/core/relay.hpp"
#include "flowrelay/runtime/destination.hpp"
#include "flowrelay/runtime/storage_thread.hpp"
#include "flowrelay/storage/file_system.hpp"

namespace flowrelay::app {

core::RelayOptions relay_options(const Config& config);

/// The sources with their tokens read. Throws ConfigError.
std::vector<core::ConfiguredSource> load_sources(const Config& config);

/// Throws ConfigError: the proxy makes no sense, its credentials can't be read.
runtime::Destination make_destination(const Config& config);

/// Opens what lies in the spool directory, and recovers it. Throws std::runtime_error.
runtime::Stores open_stores(const SpoolConfig& config, storage::FileSystem& file_system, Log& log);

}  // namespace flowrelay::app
