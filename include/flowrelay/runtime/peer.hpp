// Identifies the process at the other end of a Unix socket by the kernel's credentials. Any thread.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/core/submitter.hpp"

namespace flowrelay::runtime {

struct Peer {
    uid_t uid = 0;
    /// Process that connected; it may have ended since. 0: it is in another PID namespace.
    pid_t pid = 0;
    std::vector<gid_t> groups;  ///< its primary and supplementary groups when it connected

    bool is_in(gid_t group) const noexcept;
};

/// Returns the peer of a connected Unix socket (SO_PEERCRED, SO_PEERGROUPS; unix(7), socket(7)).
/// Nothing for any other socket.
std::optional<Peer> peer_of(int fd);

/// Returns the systemd unit of a process: "cron.service", "session-3.scope", ...; empty if it has
/// none or it can't be determined. Reads /proc/PID/cgroup.
std::string unit_of(pid_t pid);

/// Returns the systemd unit in the contents of a /proc/PID/cgroup file (cgroups(7)), as unit_of()
/// does.
std::string unit_in_cgroup(std::string_view text);

/// Returns the uid of the peer of a connected Unix socket. Nothing for any other socket.
std::optional<uid_t> uid_of(int fd);

/// Returns the peer in the form that is stored with events; empty for a TCP connection.
core::Submitter submitter_of(int fd);

/// Returns the uid of a user given by name or number; nothing if there is no such user.
std::optional<uid_t> find_user(const std::string& name);

/// Returns the gid of a group given by name or number; nothing if there is no such group.
std::optional<gid_t> find_group(const std::string& name);

}  // namespace flowrelay::runtime
