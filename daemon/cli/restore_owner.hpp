// Chooses the owner of the files that `flowrelay restore` creates. Root runs the command, but the
// daemon runs as another user, which could not open root's files.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

#include "flowrelay/base/error.hpp"

namespace flowrelay::cli {

struct FileOwner {
    uid_t uid = 0;
    gid_t gid = 0;
    std::string name;  ///< of the user, or the number

    friend bool operator==(const FileOwner&, const FileOwner&) = default;
};

/// Hints about the daemon's user on this host, the best first.
struct OwnerHints {
    std::string asked;                  ///< --user; empty: not given
    std::optional<FileOwner> existing;  ///< owner of an existing state directory
    std::string recorded;               ///< owner at the time of the backup; empty: unknown
    std::string service;                ///< User= of flowrelayd.service; empty: none
};

/// Finds a user by name or number; returns nothing if there is none.
using FindUser = std::function<std::optional<FileOwner>(const std::string&)>;

/// Returns the user of --user. Without it, returns the first of these that exists and is not root:
/// the owner of the existing directory, the owner in the backup, the service's user, `flowrelay`.
/// If none does, returns root or a number without a user, if the backup names that. Error: no user
/// is found, or the user of --user does not exist.
Result<FileOwner> choose_owner(const OwnerHints& hints, const FindUser& find);

/// Finds a user of this host by name or number.
std::optional<FileOwner> find_file_owner(const std::string& user);

/// Returns the owner of a file or directory; nothing if it can't be examined.
std::optional<FileOwner> owner_of(const std::string& path);

}  // namespace flowrelay::cli
