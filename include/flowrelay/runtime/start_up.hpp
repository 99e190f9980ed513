// What the heart has to be told when it starts.
#pragma once

#include <span>
#include <vector>

#include "flowrelay/base/time.hpp"
#include "flowrelay/core/relay.hpp"
#include "flowrelay/runtime/storage_work.hpp"

namespace flowrelay::runtime {

/// Gives the relay its sources and everything that recovery found: backlogs and known ids; the
/// registry gets what the sources changed. Before there are two threads. Throws std::runtime_error
/// if the queue can't be read or the registry can't be written, unless for a full disk.
void restore(core::Relay& relay, storage::Spool& spool, std::vector<core::ConfiguredSource> sources,
             Milliseconds dedup_window, Now now);

/// Puts entries into the registry at the start. What a full disk does not take is logged, and tried
/// again by the engine like any other change: what is queued is delivered meanwhile. Throws
/// std::runtime_error on other errors.
void put_at_start(core::Relay& relay, storage::Spool& spool,
                  std::span<const core::TokenEntry> entries, Now now);

}  // namespace flowrelay::runtime
