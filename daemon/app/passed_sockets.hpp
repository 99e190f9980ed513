// Assigns sockets opened by systemd (systemd.socket(5)) to the daemon's servers.
#pragma once

#include <string>
#include <vector>

#include "flowrelay/app/systemd.hpp"

namespace flowrelay::app {

/// The sockets passed to this process, by server. The owner of the struct closes them.
struct PassedSockets {
    std::vector<int> ingest;
    std::vector<int> control;
};

/// Sorts the sockets by name: `control` belongs to the control server; `ingest`, no name, and
/// systemd's default name (ending in ".socket") belong to ingest. Throws std::runtime_error with a
/// message for the operator if a socket has any other name or is not a listening stream socket
/// (ListenDatagram=, Accept=yes), or if the control socket is not a Unix socket.
PassedSockets sort_passed_sockets(const std::vector<PassedSocket>& sockets);

}  // namespace flowrelay::app
