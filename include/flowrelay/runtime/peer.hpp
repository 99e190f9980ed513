// Who is at the other end of a Unix socket, as the kernel knows it. Any thread.
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
    pid_t pid = 0;  ///< of the process that connected; it may have ended since. 0: it is
                    ///< in another PID namespace
    std::vector<gid_t> groups;  ///< of that process then, its own and the supplementary ones

    bool is_in(gid_t group) const noexcept;
};

/// The peer of a connected Unix socket (SO_PEERCRED, SO_PEERGROUPS; unix(7), socket(7)). Nothing
/// for any other socket.
std::optional<Peer> peer_of(int fd);

/// The systemd unit that a process belongs to: "cron.service", "session-3.scope", ...; empty when
/// there is none or it can't be told. Reads /proc/PID/cgroup.
std::string unit_of(pid_t pid);

/// The same for the contents of that file (cgroups(7)).
std::string unit_in_cgroup(std::string_view text);

/// The user alone.
std::optional<uid_t> uid_of(int fd);

/// The peer as events remember it. Nothing is known of one that came over TCP.
core::Submitter submitter_of(int fd);

/// The id of a user by its name or number; nothing when there is none.
std::optional<uid_t> find_user(const std::string& name);

/// The id of a group by its name or number; nothing when there is none.
std::optional<gid_t> find_group(const std::string& name);

}  // namespace flowrelay::runtime
