// Derives the options of the daemon's parts from the configuration.
#pragma once

#include <memory>
#include <vector>

#include "flowrelay/app/config.hpp"
#include "flowrelay/core/relay.hpp"
#include "flowrelay/runtime/destination.hpp"
#include "flowrelay/runtime/tls.hpp"
#include "flowrelay/storage/file_system.hpp"
#include "flowrelay/storage/spool.hpp"

namespace flowrelay::app {

core::RelayOptions relay_options(const Config& config);

storage::QueueLimits queue_limits(const Config& config);

/// Returns the destination. Throws ConfigError if the proxy is invalid or its credentials can't be
/// read.
runtime::Destination make_destination(const Config& config);

/// Logs the route to the destination, and entries of no_proxy that can't match anything. Logs
/// nothing if no proxy is set.
void tell_route(const runtime::Destination& destination, Log& log);

/// Everything that the configuration refers to outside its file, read and checked. Used at
/// start-up, by a reload and by `flowrelay config check`.
struct Surroundings {
    std::vector<core::ConfiguredSource> sources;  ///< with their tokens
    runtime::Destination destination;
    std::shared_ptr<runtime::TlsContext> tls;  ///< null: plain http
};

/// Returns the sources with their tokens. Throws ConfigError with every token that can't be read.
std::vector<core::ConfiguredSource> read_sources(const Config& config);

/// Reads and checks all of it. Throws ConfigError with all problems.
Surroundings read_surroundings(const Config& config);

/// Logs a warning if spool.max_size exceeds the space on the disk.
void warn_of_small_disk(const SpoolConfig& config, const storage::Spool& spool,
                        storage::FileSystem& file_system, Log& log);

/// Opens and recovers the spool in the configured directory. At most `max_open_files` files of the
/// log stay open. Throws std::runtime_error.
std::unique_ptr<storage::Spool> open_spool(const SpoolConfig& config, std::size_t max_open_files,
                                           storage::FileSystem& file_system, Log& log);

}  // namespace flowrelay::app
