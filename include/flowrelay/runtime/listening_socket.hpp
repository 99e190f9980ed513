// Sockets to listen on, made at start-up. Each function gives a descriptor that the caller owns and
// throws std::runtime_error with a sentence that says what is wrong with which address.
#pragma once

#include <cstdint>
#include <string>

namespace flowrelay::runtime {

/// A Unix stream socket at `path`, with its mode and group set before anybody can connect. A socket
/// that a dead process left there is replaced; one that answers is not.
int listen_unix(const std::string& path, std::uint32_t mode, const std::string& group);

/// The socket file that a descriptor of listen_unix() made, so that it can be told from another one
/// that somebody has made at the same path since.
struct SocketFile {
    std::string path;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
};
SocketFile socket_file(const std::string& path);

/// Removes the file if it still is that one. To be called while its descriptor is open: until then
/// no other file can have the same inode. False: there is another one, or none.
bool remove_socket(const SocketFile& file) noexcept;

/// A TCP socket at an address (not a name).
int listen_tcp(const std::string& address, std::uint16_t port);

/// "unix:/run/flowrelay/ingest.sock" or "127.0.0.1:8025": what a descriptor listens on.
std::string describe_listener(int fd);

}  // namespace flowrelay::runtime
