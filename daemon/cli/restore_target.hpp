// The state directory that `flowrelay restore` fills. Root does not work in a directory of another
// user, who could have its steps lead elsewhere: it takes the directory over first, and gives it
// away when it is complete.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "cli/restore_owner.hpp"
#include "flowrelay/base/error.hpp"

namespace flowrelay::cli {

/// Unless it was given away, the end of a target removes what is in the directory, and the
/// directory is again as it was before.
class RestoreTarget {
public:
    /// Finds where the state directory really is: a link of root's is followed, as systemd makes
    /// one for DynamicUser=. Error: a daemon uses it, or there is something in it. Changes nothing.
    static Result<RestoreTarget> find(const std::string& state);

    RestoreTarget(RestoreTarget&& other) noexcept;
    RestoreTarget& operator=(RestoreTarget&&) = delete;
    ~RestoreTarget();

    /// The directory itself, not a link to it.
    const std::string& path() const noexcept { return path_; }

    /// Makes the directory, or takes it over, and looks again that it is empty. Directories above
    /// it that are missing are made so that `owner` can pass.
    Result<void> take_over(const FileOwner& owner);

    /// Gives everything in it to the owner, and the directory last.
    Result<void> give_away(const FileOwner& owner);

private:
    explicit RestoreTarget(std::string path) : path_(std::move(path)) {}
    Result<void> refuse_unless_empty() const;
    void put_back();

    std::string path_;
    std::vector<std::string> made_;  ///< directories, the outermost first
    int fd_ = -1;                    ///< of the directory, while this has it
    uid_t uid_before_ = 0;
    gid_t gid_before_ = 0;
    mode_t mode_ = 0700;  ///< that the directory has in the end
};

/// Makes the directories above a path that are missing: root's, and `owner` can pass. Adds them to
/// `made`, the outermost first.
Result<void> make_parents(const std::string& path, const FileOwner& owner,
                          std::vector<std::string>& made);

/// Gives a file to its owner with a mode. Root only; others set the mode alone. Does not follow a
/// link.
Result<void> give_file(const std::string& path, const FileOwner& owner, mode_t mode);

}  // namespace flowrelay::cli
