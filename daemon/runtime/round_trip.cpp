// In a separate file, because it needs <linux/tcp.h>, which can't be included together with
// <netinet/tcp.h>, which Asio needs.
#include "round_trip.hpp"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <limits>

namespace flowrelay::runtime {

std::chrono::microseconds shortest_round_trip(int socket) noexcept {
    constexpr auto needed = offsetof(tcp_info, tcpi_min_rtt) + sizeof(tcp_info::tcpi_min_rtt);
    tcp_info info{};
    socklen_t size = sizeof info;
    if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || size < needed) return {};
    // The kernel's value for "not measured yet".
    if (info.tcpi_min_rtt == std::numeric_limits<decltype(info.tcpi_min_rtt)>::max()) return {};
    return std::chrono::microseconds(info.tcpi_min_rtt);
}

}  // namespace flowrelay::runtime
