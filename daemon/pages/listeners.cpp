#include "pages/listeners.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

#include "flowrelay/runtime/peer.hpp"

namespace flowrelay::pages {

namespace {

constexpr std::uint32_t socket_mode = 0660;

int option_of(int fd, int option) {
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

void check_passed(const app::PassedSocket& socket) {
    if (option_of(socket.fd, SO_TYPE) != SOCK_STREAM || option_of(socket.fd, SO_ACCEPTCONN) != 1) {
        throw std::runtime_error(
            fmt::format("systemd passed \"{}\", which is not a listening socket: use ListenStream= "
                        "and Accept=no in its unit",
                        socket.name));
    }
    if (socket.name == "invite" && option_of(socket.fd, SO_DOMAIN) != AF_UNIX) {
        throw std::runtime_error(
            "systemd passed an invite socket that is not a Unix socket: it does not tell who "
            "connects; use a path in ListenStream=");
    }
}

}  // namespace

ListeningSockets::ListeningSockets(const app::Config& config,
                                   const std::vector<app::PassedSocket>& passed) {
    for (const app::PassedSocket& socket : passed) {
        check_passed(socket);
        // A connection that closes before accept() must not block the others.
        ::fcntl(socket.fd, F_SETFL, ::fcntl(socket.fd, F_GETFL) | O_NONBLOCK);
        (socket.name == "invite" ? invite_ : pages_).push_back(socket.fd);
    }
    const auto listen_at = [&](const std::string& path, const std::string& group) {
        const int fd = runtime::listen_unix(path, socket_mode, group);
        files_.push_back(runtime::socket_file(path));
        return fd;
    };
    if (invite_.empty()) {
        // A group with the default name need not exist.
        const std::string& group = config.control.admin_group;
        const bool is_there = !group.empty() && runtime::find_group(group).has_value();
        invite_.push_back(listen_at(config.pages.invite_socket, is_there ? group : ""));
    }
    if (!pages_.empty()) return;
    const std::string& listen = config.pages.listen;
    if (listen.starts_with('/')) {
        pages_.push_back(listen_at(listen, ""));
    } else {
        const auto address = app::parse_listen_address(listen);
        pages_.push_back(runtime::listen_tcp(address->host, address->port));
    }
}

ListeningSockets::~ListeningSockets() {
    for (const auto& file : files_) (void)runtime::remove_socket(file);
    for (const int fd : pages_) ::close(fd);
    for (const int fd : invite_) ::close(fd);
}

std::string ListeningSockets::describe() const {
    std::string all;
    for (const int fd : pages_) {
        all += (all.empty() ? "" : " ") + runtime::describe_listener(fd);
    }
    return all;
}

}  // namespace flowrelay::pages
