// To whom `flowrelay restore` gives the files that it puts in place. Root restores them, and the
// daemon runs as another user, who could not open what belongs to root.
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
    std::string name;  ///< of the user, or its number

    friend bool operator==(const FileOwner&, const FileOwner&) = default;
};

/// What is known of who runs the daemon on this host, best first.
struct OwnerHints {
    std::string asked;                  ///< --user; empty: not given
    std::optional<FileOwner> existing;  ///< of the state directory, if it is there
    std::string recorded;               ///< who owned it when the backup was made; empty: unknown
    std::string service;                ///< User= of flowrelayd.service; empty: none
};

/// Finds a user by name or number; nothing when there is none.
using FindUser = std::function<std::optional<FileOwner>(const std::string&)>;

/// Chooses the user of --user; else the owner of the directory that is there, the one that the
/// backup names, that of the service, or `flowrelay`, whichever is found first and is not root.
/// When there is none of these: root, or a number without a user, if the backup names that. An
/// error: nobody is found, or not the user of --user.
Result<FileOwner> choose_owner(const OwnerHints& hints, const FindUser& find);

/// Finds a user of this host by name or number.
std::optional<FileOwner> find_file_owner(const std::string& user);

/// The owner of a file or directory; nothing when it can't be looked at.
std::optional<FileOwner> owner_of(const std::string& path);

}  // namespace flowrelay::cli
