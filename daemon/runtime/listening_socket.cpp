#include "flowrelay/runtime/listening_socket.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/runtime/peer.hpp"

namespace flowrelay::runtime {
namespace {

constexpr int backlog = 1024;

/// Closes a descriptor unless it is released.
class Descriptor {
public:
    explicit Descriptor(int fd) noexcept : fd_(fd) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const noexcept { return fd_; }
    int release() noexcept { return std::exchange(fd_, -1); }

private:
    int fd_;
};

[[noreturn]] void fail(int errno_value, std::string_view action, std::string_view object) {
    throw std::runtime_error(system_error(errno_value, action, object).message);
}

sockaddr_un unix_address(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        throw std::runtime_error(fmt::format("the socket path {} is longer than {} bytes", path,
                                             sizeof address.sun_path - 1));
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

int make_socket(int family, std::string_view object) {
    const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) fail(errno, "make a socket for", object);
    return fd;
}

/// Removes a socket that a dead process left at the path; throws if there is anything else.
void clear_path(const std::string& path, const sockaddr_un& address) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) return;
    if (!S_ISSOCK(info.st_mode)) {
        throw std::runtime_error(
            fmt::format("cannot listen on {}: there is something else than a socket", path));
    }
    const Descriptor probe(make_socket(AF_UNIX, path));
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
        errno == EAGAIN) {
        throw std::runtime_error(fmt::format(
            "cannot listen on {}: another process listens there, perhaps a second flowrelayd",
            path));
    }
    if (errno != ECONNREFUSED) fail(errno, "listen on", path);
    if (::unlink(path.c_str()) != 0) fail(errno, "remove the old socket", path);
}

gid_t group_of_socket(const std::string& name) {
    const auto group = find_group(name);
    if (!group)
        throw std::runtime_error(fmt::format("there is no group \"{}\" for a socket", name));
    return *group;
}

}  // namespace

int listen_unix(const std::string& path, std::uint32_t mode, const std::string& group) {
    const sockaddr_un address = unix_address(path);
    clear_path(path, address);
    Descriptor socket(make_socket(AF_UNIX, path));
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        fail(errno, "listen on", path);
    }
    // Clients can't connect before listen(), so mode and group are set in time.
    if (!group.empty() &&
        ::chown(path.c_str(), static_cast<uid_t>(-1), group_of_socket(group)) != 0) {
        fail(errno, "give to the group " + group + " the socket", path);
    }
    if (::chmod(path.c_str(), mode) != 0) fail(errno, "set the mode of", path);
    if (::listen(socket.get(), backlog) != 0) fail(errno, "listen on", path);
    return socket.release();
}

SocketFile socket_file(const std::string& path) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) fail(errno, "look at the socket", path);
    return {path, info.st_dev, info.st_ino};
}

bool remove_socket(const SocketFile& file) noexcept {
    struct stat info{};
    if (::lstat(file.path.c_str(), &info) != 0) return false;
    if (info.st_dev != file.device || info.st_ino != file.inode) return false;
    return ::unlink(file.path.c_str()) == 0;
}

int listen_tcp(const std::string& address, std::uint16_t port) {
    const auto where = fmt::format("{}:{}", address, port);
    const boost::asio::ip::tcp::endpoint endpoint(boost::asio::ip::make_address(address), port);
    Descriptor socket(make_socket(endpoint.protocol().family(), where));
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(socket.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0) {
        fail(errno, "listen on", where);
    }
    if (::listen(socket.get(), backlog) != 0) fail(errno, "listen on", where);
    return socket.release();
}

std::string describe_listener(int fd) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    auto* address = reinterpret_cast<sockaddr*>(&storage);
    if (::getsockname(fd, address, &size) != 0) return "an unknown socket";
    if (address->sa_family == AF_UNIX) {
        const auto& local = reinterpret_cast<const sockaddr_un&>(storage);
        return fmt::format("unix:{}", local.sun_path);
    }
    boost::asio::ip::tcp::endpoint endpoint;
    if (size > endpoint.capacity()) return "an unknown socket";
    std::memcpy(endpoint.data(), address, size);
    endpoint.resize(size);
    return fmt::format(fmt::runtime(endpoint.address().is_v6() ? "[{}]:{}" : "{}:{}"),
                       endpoint.address().to_string(), endpoint.port());
}

}  // namespace flowrelay::runtime
