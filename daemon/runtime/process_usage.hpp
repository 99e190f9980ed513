// What this process uses of its machine.
#pragma once

#include <cstdint>

namespace flowrelay::runtime {

struct ProcessUsage {
    double cpu_seconds = 0;  ///< user and system
    std::uint64_t resident_bytes = 0;
    std::uint64_t open_fds = 0;
    std::uint64_t max_fds = 0;
};

/// Reads /proc/self; what can't be read is 0.
ProcessUsage process_usage() noexcept;

}  // namespace flowrelay::runtime
