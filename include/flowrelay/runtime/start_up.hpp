// Restores the relay's state at start-up.
#pragma once

#include <span>
#include <vector>

#include "flowrelay/base/time.hpp"
#include "flowrelay/core/relay.hpp"
#include "flowrelay/runtime/storage_work.hpp"

namespace flowrelay::runtime {

/// Passes the sources and everything that recovery found (queued events, known ids) to the relay,
/// and writes changes to the sources into the registry. Call it before the storage thread starts.
/// Throws std::runtime_error if the queue can't be read, or if the registry can't be written for
/// any reason but a full disk.
void restore(core::Relay& relay, storage::Spool& spool, std::vector<core::ConfiguredSource> sources,
             Milliseconds dedup_window, Now now);

/// Writes entries into the registry at start-up. If the disk is full, logs that and leaves the
/// retry to the engine, as for any other change; queued events are delivered meanwhile. Throws
/// std::runtime_error on other errors.
void put_at_start(core::Relay& relay, storage::Spool& spool,
                  std::span<const core::TokenEntry> entries, Now now);

}  // namespace flowrelay::runtime
