// The state directory that `flowrelay restore` fills. Root must not work in a directory that
// another user can change, because that user could redirect it to other files. So root becomes the
// owner first, and gives the directory to its final owner when it is complete.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "cli/restore_owner.hpp"
#include "flowrelay/base/error.hpp"

namespace flowrelay::cli {

/// Unless give_away() was called, the destructor removes the contents of the directory and restores
/// its former state.
class RestoreTarget {
public:
    /// Finds the real state directory: follows a link owned by root, as systemd creates for
    /// DynamicUser=. Error: a daemon uses the directory, or it is not empty. Changes nothing.
    static Result<RestoreTarget> find(const std::string& state);

    RestoreTarget(RestoreTarget&& other) noexcept;
    RestoreTarget& operator=(RestoreTarget&&) = delete;
    ~RestoreTarget();

    /// Returns the directory itself, not a link to it.
    const std::string& path() const noexcept { return path_; }

    /// Creates the directory or becomes its owner, and checks again that it is empty. Creates
    /// missing parent directories so that `owner` can pass through them.
    Result<void> take_over(const FileOwner& owner);

    /// Makes `owner` the owner of all contents, and of the directory last.
    Result<void> give_away(const FileOwner& owner);

private:
    explicit RestoreTarget(std::string path) : path_(std::move(path)) {}
    Result<void> refuse_unless_empty() const;
    void put_back();

    std::string path_;
    std::vector<std::string> made_;  ///< created directories, the outermost first
    int fd_ = -1;                    ///< of the directory, while root owns it
    uid_t uid_before_ = 0;
    gid_t gid_before_ = 0;
    mode_t mode_ = 0700;  ///< final mode of the directory
};

/// Creates missing parent directories, owned by root, so that `owner` can pass through them. Adds
/// them to `made`, the outermost first.
Result<void> make_parents(const std::string& path, const FileOwner& owner,
                          std::vector<std::string>& made);

/// Sets the owner and mode of a file. Users other than root set only the mode. Does not follow
/// links.
Result<void> give_file(const std::string& path, const FileOwner& owner, mode_t mode);

}  // namespace flowrelay::cli
