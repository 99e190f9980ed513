// The three stores of a spool on a simulated file system, and sources to go with them.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "flowrelay/core/token_table.hpp"
#include "flowrelay/runtime/storage_thread.hpp"
#include "flowrelay/storage/segmented_log.hpp"
#include "support/sim_file_system.hpp"

namespace flowrelay::test {

template <class T>
T opened(Result<T> result) {
    if (result.has_error()) throw std::runtime_error(result.error().message);
    return std::move(*result);
}

inline runtime::Stores open_stores(SimFileSystem& fs, Log& log, std::uint64_t max_events = 0) {
    storage::LogOptions options;
    options.segment_size = 1 << 20;
    options.max_size = 16 << 20;
    options.max_events = max_events;
    options.high_water = "/state/high-water";
    runtime::Stores stores;
    stores.queue = opened(storage::open_segmented_log(fs, "/state/spool", options, log));
    stores.registry = opened(storage::Registry::open(fs, "/state/tokens", log));
    stores.dead_letters = opened(storage::DeadLetters::open(fs, "/state/dead-letters", log));
    return stores;
}

/// Two sources of a configuration, `ci` and `web`.
inline std::vector<core::ConfiguredSource> ci_and_web() {
    std::vector<core::ConfiguredSource> sources;
    for (const char* name : {"ci", "web"}) {
        core::ConfiguredSource source;
        source.name = name;
        source.secret = Secret(std::string("t0ken-of-") + name);
        sources.push_back(std::move(source));
    }
    return sources;
}

}  // namespace flowrelay::test
