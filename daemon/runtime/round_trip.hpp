// What the kernel knows about the way to a peer.
#pragma once

#include <chrono>

namespace flowrelay::runtime {

/// The shortest round trip of a TCP connection in the last minutes; zero if it is not known.
std::chrono::microseconds shortest_round_trip(int socket) noexcept;

}  // namespace flowrelay::runtime
