// A daemon for tests of the command: a Unix socket and a thread that runs the test's function.
#pragma once

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>

namespace flowrelay::cli {

/// The daemon's side of one connection. Every wait ends after five seconds.
class FakeConnection {
public:
    explicit FakeConnection(int fd) : fd_(fd) {}
    FakeConnection(const FakeConnection&) = delete;
    FakeConnection& operator=(const FakeConnection&) = delete;
    ~FakeConnection() { ::close(fd_); }

    void send(const std::string& text) const {
        (void)!::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
    }

    /// Returns the next line without its line break; "" at the end.
    std::string line() {
        std::size_t end;
        while ((end = input_.find('\n')) == std::string::npos) {
            if (!more()) return {};
        }
        std::string line = input_.substr(0, end);
        input_.erase(0, end + 1);
        return line;
    }

    /// Returns everything up to `end`, or until the peer closes.
    std::string until(const std::string& end) {
        while (input_.find(end) == std::string::npos && more()) {
        }
        return input_;
    }

private:
    bool more() {
        pollfd waiting{fd_, POLLIN, 0};
        std::array<char, 65536> chunk;
        if (::poll(&waiting, 1, 5000) <= 0) return false;
        const ssize_t got = ::recv(fd_, chunk.data(), chunk.size(), 0);
        if (got <= 0) return false;
        input_.append(chunk.data(), static_cast<std::size_t>(got));
        return true;
    }

    int fd_;
    std::string input_;
};

class FakeDaemon {
public:
    using Serve = std::function<void(FakeConnection&)>;

    /// Serves up to `connections` connections, one after the other, in a separate thread.
    explicit FakeDaemon(Serve serve, int connections = 1) : FakeDaemon() {
        thread_ = std::thread([this, serve = std::move(serve), connections] {
            for (int i = 0; i < connections; ++i) {
                pollfd waiting{listener_, POLLIN, 0};
                if (::poll(&waiting, 1, 5000) <= 0) return;
                const int fd = ::accept(listener_, nullptr, nullptr);
                if (fd < 0) return;
                FakeConnection connection(fd);
                serve(connection);
            }
        });
    }

    /// Listens but never accepts.
    FakeDaemon() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "flowrelay-XXXXXX").string();
        directory_ = ::mkdtemp(pattern.data());
        listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path().data(), path().size());
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
            ::listen(listener_, 0) != 0) {
            throw std::runtime_error("cannot listen on " + path());
        }
    }

    FakeDaemon(const FakeDaemon&) = delete;
    FakeDaemon& operator=(const FakeDaemon&) = delete;
    ~FakeDaemon() {
        ::shutdown(listener_, SHUT_RDWR);  // ends the wait for further connections
        if (thread_.joinable()) thread_.join();
        ::close(listener_);
        std::filesystem::remove_all(directory_);
    }

    std::string path() const { return directory_ + "/d.sock"; }

private:
    std::string directory_;
    int listener_ = -1;
    std::thread thread_;
};

}  // namespace flowrelay::cli
