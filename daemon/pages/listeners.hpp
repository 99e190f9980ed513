// The sockets that the process listens on: those that systemd passed to it, or else its own.
#pragma once

#include <string>
#include <vector>

#include "flowrelay/app/config.hpp"
#include "flowrelay/app/systemd.hpp"
#include "flowrelay/runtime/listening_socket.hpp"

namespace flowrelay::pages {

class ListeningSockets {
public:
    /// A passed socket called `invite` is for operators, all others are for the pages; what was not
    /// passed is opened as the configuration says. Throws std::runtime_error with a sentence that
    /// says what is wrong with which socket.
    ListeningSockets(const app::Config& config, const std::vector<app::PassedSocket>& passed);

    /// Removes the files of its own sockets, and closes all.
    ~ListeningSockets();
    ListeningSockets(const ListeningSockets&) = delete;
    ListeningSockets& operator=(const ListeningSockets&) = delete;

    /// None of them blocks.
    const std::vector<int>& pages() const noexcept { return pages_; }
    const std::vector<int>& invite() const noexcept { return invite_; }

    /// Where the pages are, for people.
    std::string describe() const;

private:
    std::vector<int> pages_;
    std::vector<int> invite_;
    std::vector<runtime::SocketFile> files_;
};

}  // namespace flowrelay::pages
