// The listening sockets of the process: those passed by systemd, or else its own.
#pragma once

#include <string>
#include <vector>

#include "flowrelay/app/config.hpp"
#include "flowrelay/app/systemd.hpp"
#include "flowrelay/runtime/listening_socket.hpp"

namespace flowrelay::pages {

class ListeningSockets {
public:
    /// A passed socket called `invite` is for operators, all others are for the pages. Sockets that
    /// were not passed are opened according to the configuration. Throws std::runtime_error with a
    /// sentence that says which socket failed and why.
    ListeningSockets(const app::Config& config, const std::vector<app::PassedSocket>& passed);

    /// Closes all sockets, and removes the files of its own ones.
    ~ListeningSockets();
    ListeningSockets(const ListeningSockets&) = delete;
    ListeningSockets& operator=(const ListeningSockets&) = delete;

    /// Return non-blocking descriptors.
    const std::vector<int>& pages() const noexcept { return pages_; }
    const std::vector<int>& invite() const noexcept { return invite_; }

    /// Returns the addresses of the pages, for users.
    std::string describe() const;

private:
    std::vector<int> pages_;
    std::vector<int> invite_;
    std::vector<runtime::SocketFile> files_;
};

}  // namespace flowrelay::pages
