// A spool on a simulated file system, with sources.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "flowrelay/core/token_table.hpp"
#include "flowrelay/storage/spool.hpp"
#include "support/sim_file_system.hpp"

namespace flowrelay::test {

template <class T>
T opened(Result<T> result) {
    if (result.has_error()) throw std::runtime_error(result.error().message);
    return std::move(*result);
}

inline std::unique_ptr<storage::Spool> open_spool(SimFileSystem& fs, Log& log,
                                                  std::uint64_t max_events = 0) {
    storage::LogOptions options;
    options.segment_size = 1 << 20;
    options.max_size = 16 << 20;
    options.max_events = max_events;
    return opened(storage::Spool::open(fs, "/state", options, log));
}

/// Returns two configured sources, `ci` and `web`.
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
