// From the configuration to the options of the parts.
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

/// Throws ConfigError: the proxy makes no sense, its credentials can't be read.
runtime::Destination make_destination(const Config& config);

/// Writes which way leads to the destination, and which entries of no_proxy can't match anything.
/// Nothing where no proxy is set.
void tell_route(const runtime::Destination& destination, Log& log);

/// What the configuration names outside of its file, read and checked: the start, a reload and
/// `flowrelay config check` all come through here.
struct Surroundings {
    std::vector<core::ConfiguredSource> sources;  ///< with their tokens
    runtime::Destination destination;
    std::shared_ptr<runtime::TlsContext> tls;  ///< null: plain http
};

/// The sources with their tokens. Throws ConfigError with every token that can't be read.
std::vector<core::ConfiguredSource> read_sources(const Config& config);

/// Throws ConfigError with everything that is wrong.
Surroundings read_surroundings(const Config& config);

/// Writes a log line if spool.max_size is more than the disk has for the spool.
void warn_of_small_disk(const SpoolConfig& config, const storage::Spool& spool,
                        storage::FileSystem& file_system, Log& log);

/// Opens what lies in the spool directory, and recovers it; `max_open_files` of the log stay open
/// at a time. Throws std::runtime_error.
std::unique_ptr<storage::Spool> open_spool(const SpoolConfig& config, std::size_t max_open_files,
                                           storage::FileSystem& file_system, Log& log);

}  // namespace flowrelay::app
