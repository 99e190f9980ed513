// Creates listening sockets at start-up. The caller owns the returned descriptors. Errors are
// thrown as std::runtime_error; the message names the address and what is wrong with it.
#pragma once

#include <cstdint>
#include <string>

namespace flowrelay::runtime {

/// Creates a Unix stream socket at `path`; its mode and group are set before anyone can connect.
/// Replaces a socket that a dead process left there, but not one that answers.
int listen_unix(const std::string& path, std::uint32_t mode, const std::string& group);

/// Identifies the socket file that listen_unix() created, to distinguish it from another one
/// created at the same path later.
struct SocketFile {
    std::string path;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
};
SocketFile socket_file(const std::string& path);

/// Removes `file` unless another file has taken its path. Call it while the descriptor is still
/// open, since no other file can have the same inode until it is closed. Returns false if there is
/// another file at the path, or none.
bool remove_socket(const SocketFile& file) noexcept;

/// Creates a TCP socket listening on an address (not a name).
int listen_tcp(const std::string& address, std::uint16_t port);

/// Returns the address on which a descriptor listens: "unix:/run/flowrelay/ingest.sock" or
/// "127.0.0.1:8025".
std::string describe_listener(int fd);

}  // namespace flowrelay::runtime
