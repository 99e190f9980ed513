// Resource usage of this process.
#pragma once

#include <cstdint>

namespace flowrelay::runtime {

struct ProcessUsage {
    double cpu_seconds = 0;  ///< user and system time
    std::uint64_t resident_bytes = 0;
    std::uint64_t open_fds = 0;
    std::uint64_t max_fds = 0;
};

/// Reads the usage from /proc/self; values that can't be read are 0.
ProcessUsage process_usage() noexcept;

}  // namespace flowrelay::runtime
