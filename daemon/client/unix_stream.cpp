#include "flowrelay/client/unix_stream.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

namespace flowrelay::client {

namespace {

namespace errc = boost::system::errc;

Error timed_out(std::string message) {
    return {make_error_code(errc::timed_out), std::move(message)};
}

/// Returns whether the error means that nothing listens on the socket.
bool is_absent(int errno_value) noexcept {
    return errno_value == ENOENT || errno_value == ECONNREFUSED;
}

Error connect_error(int errno_value, const std::string& path) {
    Error error = system_error(errno_value, "connect to", path);
    if (is_absent(errno_value)) {
        error.message += "; is flowrelayd running?";
    } else if (errno_value == EACCES) {
        error.message += "; is this user in the group of the socket?";
    }
    return error;
}

}  // namespace

int milliseconds_until(MonoTime deadline) {
    const auto left = std::chrono::ceil<Milliseconds>(deadline - MonoTime::clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, std::numeric_limits<int>::max()));
}

Result<UnixStream> UnixStream::connect(const std::string& path, MonoTime deadline, Absent absent) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return connect_error(ENAMETOOLONG, path);
    std::memcpy(address.sun_path, path.data(), path.size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return system_error(errno, "make a socket for", path);
    UnixStream stream(fd);
    // EAGAIN: the backlog of the socket is full. There is no notification when it has room again,
    // or when the socket is listened on again, so poll (unix(7)).
    while (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        const int error = errno;
        if (error == EINTR) continue;
        const bool passes = error == EAGAIN || (absent == Absent::waits && is_absent(error));
        const int left = milliseconds_until(deadline);
        if (!passes || (left == 0 && error != EAGAIN)) return connect_error(error, path);
        if (left == 0) {
            return timed_out(fmt::format("cannot connect to {} in time: flowrelayd is busy", path));
        }
        ::poll(nullptr, 0, std::min(left, 10));
    }
    return stream;
}

UnixStream::UnixStream(UnixStream&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

UnixStream& UnixStream::operator=(UnixStream&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
}

UnixStream::~UnixStream() {
    if (fd_ >= 0) ::close(fd_);
}

Result<std::size_t> UnixStream::write_some(std::string_view bytes) {
    for (;;) {
        const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent >= 0) return static_cast<std::size_t>(sent);
        if (errno != EINTR) return system_error(errno, "write to", "flowrelayd");
    }
}

Result<std::size_t> UnixStream::read_some(std::span<char> out) {
    for (;;) {
        const ssize_t got = ::recv(fd_, out.data(), out.size(), 0);
        if (got >= 0) return static_cast<std::size_t>(got);
        if (errno != EINTR) return system_error(errno, "read from", "flowrelayd");
    }
}

Result<void> UnixStream::wait(short events, MonoTime deadline) const {
    pollfd waiting{fd_, events, 0};
    for (;;) {
        const int left = milliseconds_until(deadline);
        const int ready = ::poll(&waiting, 1, left);
        if (ready > 0) return {};
        if (ready < 0 && errno != EINTR) return system_error(errno, "wait for", "flowrelayd");
        if (left == 0) return timed_out("flowrelayd did not answer in time");
    }
}

Result<void> UnixStream::write_all(std::string_view bytes, MonoTime deadline) {
    while (!bytes.empty()) {
        const auto sent = write_some(bytes);
        if (sent) {
            bytes.remove_prefix(*sent);
        } else if (sent.error().code != errc::operation_would_block) {
            return sent.error();
        } else if (const auto ready = wait(POLLOUT, deadline); !ready) {
            return ready.error();
        }
    }
    return {};
}

Result<std::size_t> UnixStream::read(std::span<char> out, MonoTime deadline) {
    for (;;) {
        if (const auto ready = wait(POLLIN, deadline); !ready) return ready.error();
        auto got = read_some(out);
        if (got || got.error().code != errc::operation_would_block) return got;
    }
}

}  // namespace flowrelay::client
