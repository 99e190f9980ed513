// File descriptors: how many a configuration can need, how many the process may have, and how they
// are shared between the files of the spool and the sockets.
#pragma once

#include <cstdint>

#include "flowrelay/app/config.hpp"

namespace flowrelay::app {

/// What the units of systemd allow (LimitNOFILE=).
inline constexpr std::uint64_t unit_descriptors = 16'384;

inline constexpr std::uint32_t max_control_connections = 64;
/// Beside those, for users who may make changes.
inline constexpr std::uint32_t reserved_control_connections = 8;

struct DescriptorNeeds {
    std::uint64_t producers = 0;  ///< connections to ingest
    std::uint64_t files = 0;      ///< of the log, at their best
    std::uint64_t others = 0;     ///< the destination, operators, journals, the process itself

    std::uint64_t total() const noexcept { return producers + files + others; }
};

/// The most that a daemon with this configuration uses.
DescriptorNeeds descriptors_needed(const Config& config);

/// Raises the limit of the process to so many, as far as it may. Returns what it is then.
std::uint64_t raise_descriptor_limit(std::uint64_t needed);

/// How a limit is shared out. Where it is too small the log keeps fewer files open, down to a
/// minimum, and then fewer producers can be connected: what is connected is served, and nothing of
/// the spool fails for want of a descriptor.
struct DescriptorShares {
    std::uint64_t files = 0;
    std::uint32_t producers = 0;  ///< takes the place of ingest.max_connections; at least 1
};
DescriptorShares share_descriptors(const Config& config, std::uint64_t limit);

}  // namespace flowrelay::app
