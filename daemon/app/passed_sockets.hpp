// Which of the daemon's servers a socket belongs to that systemd opened (systemd.socket(5)).
#pragma once

#include <string>
#include <vector>

#include "flowrelay/app/systemd.hpp"

namespace flowrelay::app {

/// The sockets passed to this process, by the server that accepts from them. The owner closes them.
struct PassedSockets {
    std::vector<int> ingest;
    std::vector<int> control;
};

/// Sorts the sockets by their names: `control` belongs to the control server; `ingest`, no name and
/// the name that a unit gives by default (ending in ".socket") belong to ingest. Throws
/// std::runtime_error with a sentence for the operator for any other name, for what is no listening
/// stream socket (ListenDatagram=, Accept=yes), and for a control socket that is not a Unix socket.
PassedSockets sort_passed_sockets(const std::vector<PassedSocket>& sockets);

}  // namespace flowrelay::app
