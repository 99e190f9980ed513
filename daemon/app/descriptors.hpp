// Calculates how many file descriptors a configuration can need, raises the process's limit, and
// divides it between the files of the spool and the sockets.
#pragma once

#include <cstdint>

#include "flowrelay/app/config.hpp"

namespace flowrelay::app {

/// Limit that the systemd units set (LimitNOFILE=).
inline constexpr std::uint64_t unit_descriptors = 16'384;

inline constexpr std::uint32_t max_control_connections = 64;
/// Additional control connections, for users who can make changes.
inline constexpr std::uint32_t reserved_control_connections = 8;

struct DescriptorNeeds {
    std::uint64_t producers = 0;  ///< ingest connections
    std::uint64_t files = 0;      ///< files of the log, if enough can stay open
    std::uint64_t others = 0;     ///< the destination, operators, journals, the process itself

    std::uint64_t total() const noexcept { return producers + files + others; }
};

/// Returns the maximum that a daemon with this configuration uses.
DescriptorNeeds descriptors_needed(const Config& config);

/// Raises the limit of the process to `needed`, as far as permitted. Returns the resulting limit.
std::uint64_t raise_descriptor_limit(std::uint64_t needed);

/// How a limit is divided. If it is too small, the log keeps fewer files open, down to a minimum;
/// if that is not enough, fewer producers can connect. So connected producers are always served,
/// and the spool never fails for lack of a descriptor.
struct DescriptorShares {
    std::uint64_t files = 0;
    std::uint32_t producers = 0;  ///< replaces ingest.max_connections; at least 1
};
DescriptorShares share_descriptors(const Config& config, std::uint64_t limit);

}  // namespace flowrelay::app
