// Round-trip times as measured by the kernel.
#pragma once

#include <chrono>

namespace flowrelay::runtime {

/// Returns the shortest round trip of a TCP connection in the last minutes; zero if it is not
/// known.
std::chrono::microseconds shortest_round_trip(int socket) noexcept;

}  // namespace flowrelay::runtime
