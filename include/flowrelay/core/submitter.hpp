// Who hands an event in, and who may. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "flowrelay/core/stored_event.hpp"

namespace flowrelay::core {

/// The other end of a connection, as the kernel knows it.
struct Submitter {
    std::optional<Producer> producer;   ///< nothing: it came over TCP
    std::vector<std::uint32_t> groups;  ///< that it is in
};

/// Which users may use a source (`sources.allow`).
struct AllowRule {
    bool restricted = false;  ///< false: everybody
    std::vector<std::uint32_t> uids;
    std::vector<std::uint32_t> gids;

    /// Root always may. Who is not known may not where it is restricted.
    bool admits(const Submitter& by) const noexcept;

    friend bool operator==(const AllowRule&, const AllowRule&) = default;
};

}  // namespace flowrelay::core
