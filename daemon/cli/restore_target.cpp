#include "cli/restore_target.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "cli/backup_files.hpp"

namespace flowrelay::cli {

namespace fs = std::filesystem;

namespace {

constexpr int max_links = 8;
constexpr const char* file_system_s_own =
    "lost+found";  // exists in the root directory of an ext4 file system

bool is_root() {
    return ::geteuid() == 0;
}

/// Resolves a path. If its last part is a link, the target need not exist.
Result<std::string> follow(const std::string& state) {
    std::error_code error;
    fs::path path = fs::absolute(state, error).lexically_normal();
    if (!path.has_filename()) path = path.parent_path();
    for (int links = 0; links < max_links; ++links) {
        struct stat facts{};
        if (::lstat(path.c_str(), &facts) != 0 || !S_ISLNK(facts.st_mode)) return path.string();
        if (is_root() && facts.st_uid != 0) {
            return failure(fmt::format(
                "{} is a link of another user, which root does not follow: name the directory "
                "itself with --state",
                path.string()));
        }
        const fs::path to = fs::read_symlink(path, error);
        if (error) return system_error(error.value(), "follow", path.string());
        path = (path.parent_path() / to).lexically_normal();
        if (!path.has_filename()) path = path.parent_path();
    }
    return system_error(ELOOP, "follow", state);
}

/// Changes the owner of the contents of root's directory, but not of the directory itself.
Result<void> give_contents(const std::string& directory, const FileOwner& owner) {
    std::error_code error;
    fs::recursive_directory_iterator at(directory, error);
    for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
        if (at.depth() == 0 && at->path().filename() == file_system_s_own) {
            at.disable_recursion_pending();
            continue;
        }
        if (::lchown(at->path().c_str(), owner.uid, owner.gid) != 0) {
            return system_error(errno, "give to " + owner.name, at->path().string());
        }
    }
    if (error) return system_error(error.value(), "list", directory);
    return {};
}

}  // namespace

Result<RestoreTarget> RestoreTarget::find(const std::string& state) {
    auto path = follow(state);
    if (!path) return path.error();
    std::error_code error;
    if (fs::exists(*path + "/spool", error)) {
        if (auto done = refuse_if_in_use(*path); done.has_error()) return done.error();
    }
    RestoreTarget target(std::move(*path));
    if (auto done = target.refuse_unless_empty(); done.has_error()) return done.error();
    return target;
}

RestoreTarget::RestoreTarget(RestoreTarget&& other) noexcept
    : path_(std::move(other.path_)),
      made_(std::exchange(other.made_, {})),
      fd_(std::exchange(other.fd_, -1)),
      uid_before_(other.uid_before_),
      gid_before_(other.gid_before_),
      mode_(other.mode_) {}

RestoreTarget::~RestoreTarget() {
    put_back();
    if (fd_ >= 0) ::close(fd_);
}

/// The directory may exist: the service manager creates an empty one.
Result<void> RestoreTarget::refuse_unless_empty() const {
    std::error_code error;
    for (const char* name : {"spool", "tokens", "dead-letters"}) {
        if (fs::exists(path_ + "/" + name, error)) {
            return failure(
                fmt::format("there is a spool in {}: move it away first, its events are "
                            "not in the backup",
                            path_));
        }
    }
    fs::directory_iterator at(path_, error);
    for (; !error && at != fs::directory_iterator(); at.increment(error)) {
        const std::string name = at->path().filename().string();
        if (name == file_system_s_own) continue;
        return failure(
            fmt::format("{} is not empty: there is {} in it. Move it away first", path_, name));
    }
    if (error && error.value() != ENOENT) return system_error(error.value(), "list", path_);
    return {};
}

Result<void> RestoreTarget::take_over(const FileOwner& owner) {
    if (auto done = make_parents(path_, owner, made_); done.has_error()) return done;
    if (::mkdir(path_.c_str(), 0700) == 0) {
        made_.push_back(path_);
    } else if (errno != EEXIST) {
        return system_error(errno, "make the directory", path_);
    }
    fd_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat facts{};
    if (fd_ < 0 || ::fstat(fd_, &facts) != 0) return system_error(errno, "open", path_);
    uid_before_ = facts.st_uid;
    gid_before_ = facts.st_gid;
    mode_ = facts.st_mode & 07777U;
    if (is_root() && (::fchown(fd_, 0, 0) != 0 || ::fchmod(fd_, 0700) != 0)) {
        return system_error(errno, "take over", path_);
    }
    // Files may have been created there since the last check.
    auto done = refuse_unless_empty();
    if (done.has_error()) {
        if (is_root()) {
            ::fchmod(fd_, mode_);
            ::fchown(fd_, uid_before_, gid_before_);
        }
        ::close(std::exchange(fd_, -1));
        made_.clear();
    }
    return done;
}

Result<void> RestoreTarget::give_away(const FileOwner& owner) {
    if (is_root()) {
        if (auto done = give_contents(path_, owner); done.has_error()) return done;
        if (::fchmod(fd_, mode_) != 0 || ::fchown(fd_, owner.uid, owner.gid) != 0) {
            return system_error(errno, "give to " + owner.name, path_);
        }
    }
    ::close(std::exchange(fd_, -1));
    made_.clear();
    return {};
}

void RestoreTarget::put_back() {
    std::error_code error;
    if (fd_ >= 0) {
        for (fs::directory_iterator at(path_, error); !error && at != fs::directory_iterator();
             at.increment(error)) {
            std::error_code left;
            if (at->path().filename() != file_system_s_own) fs::remove_all(at->path(), left);
        }
        if (is_root()) {
            ::fchmod(fd_, mode_);
            ::fchown(fd_, uid_before_, gid_before_);
        }
    }
    for (auto made = made_.rbegin(); made != made_.rend(); ++made) ::rmdir(made->c_str());
}

Result<void> make_parents(const std::string& path, const FileOwner& owner,
                          std::vector<std::string>& made) {
    const fs::path parent = fs::path(path).parent_path();
    std::error_code error;
    if (parent.empty() || fs::is_directory(parent, error)) return {};
    if (auto done = make_parents(parent.string(), owner, made); done.has_error()) return done;
    if (::mkdir(parent.c_str(), 0700) != 0) {
        return system_error(errno, "make the directory", parent.string());
    }
    made.push_back(parent.string());
    if (!is_root()) return {};
    if (::lchown(parent.c_str(), 0, owner.gid) != 0 || ::chmod(parent.c_str(), 0750) != 0) {
        return system_error(errno, "give to " + owner.name, parent.string());
    }
    return {};
}

Result<void> give_file(const std::string& path, const FileOwner& owner, mode_t mode) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return system_error(errno, "open", path);
    const bool given =
        (!is_root() || ::fchown(fd, owner.uid, owner.gid) == 0) && ::fchmod(fd, mode) == 0;
    const int problem = errno;
    ::close(fd);
    if (!given) return system_error(problem, "give to " + owner.name, path);
    return {};
}

}  // namespace flowrelay::cli
