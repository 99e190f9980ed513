#include "passed_sockets.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <stdexcept>
#include <string_view>

namespace flowrelay::app {

namespace {

int socket_option(int fd, int option) {
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

/// Throws unless connections can be accepted from the socket.
void check_listening(const PassedSocket& socket) {
    const int type = socket_option(socket.fd, SO_TYPE);
    if (type < 0) {
        throw std::runtime_error(
            fmt::format("systemd passed \"{}\", which is not a socket: flowrelayd takes sockets of "
                        "ListenStream= only",
                        socket.name));
    }
    if (type != SOCK_STREAM) {
        throw std::runtime_error(fmt::format(
            "systemd passed the socket \"{}\", which is not a stream socket: use ListenStream= in "
            "its unit",
            socket.name));
    }
    if (socket_option(socket.fd, SO_ACCEPTCONN) != 1) {
        throw std::runtime_error(fmt::format(
            "systemd passed the socket \"{}\", which is a single connection: set Accept=no in its "
            "unit",
            socket.name));
    }
}

bool is_unix(int fd) {
    return socket_option(fd, SO_DOMAIN) == AF_UNIX;
}

bool is_ingest(std::string_view name) {
    return name == "ingest" || name == "unknown" || name.empty() || name.ends_with(".socket");
}

}  // namespace

PassedSockets sort_passed_sockets(const std::vector<PassedSocket>& sockets) {
    PassedSockets sorted;
    for (const PassedSocket& socket : sockets) {
        check_listening(socket);
        if (socket.name == "control") {
            if (!is_unix(socket.fd)) {
                throw std::runtime_error(
                    "systemd passed a control socket that is not a Unix socket: a peer's user "
                    "can't be told on it; use a path in ListenStream=");
            }
            sorted.control.push_back(socket.fd);
        } else if (is_ingest(socket.name)) {
            sorted.ingest.push_back(socket.fd);
        } else {
            throw std::runtime_error(
                fmt::format("systemd passed a socket with the name \"{}\": set FileDescriptorName= "
                            "to ingest or control in its unit",
                            socket.name));
        }
    }
    return sorted;
}

}  // namespace flowrelay::app
