// The machine's file system (POSIX and Linux calls).
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <map>
#include <string>
#include <utility>

#include "flowrelay/storage/file_system.hpp"
#include "flowrelay/storage/path.hpp"

namespace flowrelay::storage {

namespace {

class Descriptor {
public:
    explicit Descriptor(int fd) noexcept : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const noexcept { return fd_; }

private:
    int fd_;
};

template <class Call>
auto retry(Call call) {
    auto result = call();
    while (result == -1 && errno == EINTR) result = call();
    return result;
}

/// Whether the file system can't hold another file, although it may have space for data.
bool has_no_inodes(const std::string& path) {
    struct statvfs status{};
    const std::string directory = path.substr(0, path.rfind('/') + 1);
    if (::statvfs(directory.empty() ? "." : directory.c_str(), &status) != 0) return false;
    return status.f_files > 0 && status.f_favail == 0;  // some file systems have no such limit
}

/// Returns the error of a file or directory that can't be created.
Error creation_error(int error_number, std::string_view action, const std::string& path) {
    Error error = system_error(error_number, action, path);
    if (error_number == ENOSPC && has_no_inodes(path)) {
        error.message = fmt::format("cannot {} {}: {}", action, path, no_inodes);
    }
    return error;
}

Result<Descriptor> open_path(const std::string& path, int flags, std::string_view action) {
    const int fd = retry([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0600); });
    if (fd < 0) {
        return creation_error(errno, action, path);
    }
    return Descriptor(fd);
}

class PosixFile final : public File {
public:
    PosixFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

    Result<void> write_at(std::uint64_t offset, std::span<const std::uint8_t> bytes) override {
        while (!bytes.empty()) {
            const ssize_t n = retry([&] {
                return ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
            });
            if (n < 0) return failed(errno, "write to");
            // POSIX allows a result of 0 without giving a reason; retrying would loop for ever.
            if (n == 0) return failed(EIO, "write to");
            bytes = bytes.subspan(static_cast<std::size_t>(n));
            offset += static_cast<std::uint64_t>(n);
        }
        return {};
    }

    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> out) override {
        std::size_t done = 0;
        while (done < out.size()) {
            const ssize_t n = retry([&] {
                return ::pread(fd_.get(), out.data() + done, out.size() - done,
                               static_cast<off_t>(offset + done));
            });
            if (n < 0) return failed(errno, "read");
            if (n == 0) break;
            done += static_cast<std::size_t>(n);
        }
        return done;
    }

    Result<void> sync() override {
        if (retry([&] { return ::fdatasync(fd_.get()); }) != 0) {
            return failed(errno, "sync");
        }
        return {};
    }

    Result<void> allocate(std::uint64_t size) override {
        const auto length = static_cast<off_t>(size);
        if (retry([&] { return ::fallocate(fd_.get(), 0, 0, length); }) == 0) return {};
        if (errno != EOPNOTSUPP && errno != ENOSYS) {
            return failed(errno, "allocate space for");
        }
        // Some file systems do not support it; the C library then writes to each block.
        int error = EINTR;
        while (error == EINTR) error = ::posix_fallocate(fd_.get(), 0, length);
        if (error != 0) return failed(error, "allocate space for");
        return {};
    }

    Result<void> truncate(std::uint64_t size) override {
        if (retry([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); }) != 0) {
            return failed(errno, "truncate");
        }
        return {};
    }

    Result<std::uint64_t> size() override {
        struct stat status{};
        if (::fstat(fd_.get(), &status) != 0) return failed(errno, "look at");
        return static_cast<std::uint64_t>(status.st_size);
    }

private:
    /// Names the file as it is called now: it may have been renamed since it was opened.
    Error failed(int error, std::string_view action) const {
        std::array<char, 4096> target{};
        const std::string link = "/proc/self/fd/" + std::to_string(fd_.get());
        const ssize_t n = ::readlink(link.c_str(), target.data(), target.size());
        const std::string_view name(target.data(),
                                    static_cast<std::size_t>(std::max(n, ssize_t{0})));
        return system_error(error, action, name.empty() ? path_ : name);
    }

    Descriptor fd_;
    std::string path_;
};

Result<std::unique_ptr<File>> open_file(const std::string& path, int flags,
                                        std::string_view action) {
    auto fd = open_path(path, flags, action);
    if (fd.has_error()) return fd.error();
    struct stat status{};
    const bool is_directory = ::fstat(fd->get(), &status) == 0 && S_ISDIR(status.st_mode);
    if (is_directory) return system_error(EISDIR, action, path);  // open() allows reading one
    return std::unique_ptr<File>(std::make_unique<PosixFile>(std::move(*fd), path));
}

/// Returns the process id in a lock file; 0 if there is none.
int holder_of(int fd) {
    std::array<char, 24> text{};
    const ssize_t n = retry([&] { return ::pread(fd, text.data(), text.size(), 0); });
    int pid = 0;
    if (n > 0) std::from_chars(text.data(), text.data() + n, pid);
    return pid;
}

class PosixFileSystem final : public FileSystem {
public:
    Result<std::unique_ptr<File>> create(const std::string& path) override {
        return open_file(path, O_RDWR | O_CREAT | O_EXCL, "create");
    }
    Result<std::unique_ptr<File>> open(const std::string& path) override {
        return open_file(path, O_RDWR, "open");
    }
    Result<std::unique_ptr<File>> open_read_only(const std::string& path) override {
        return open_file(path, O_RDONLY, "open");
    }

    Result<void> rename(const std::string& from, const std::string& to) override {
        if (::rename(from.c_str(), to.c_str()) != 0) return system_error(errno, "rename", from);
        return {};
    }

    Result<void> link(const std::string& from, const std::string& to) override {
        if (::link(from.c_str(), to.c_str()) != 0) return system_error(errno, "link", from);
        return {};
    }

    Result<void> remove(const std::string& path) override {
        if (::unlink(path.c_str()) != 0) return system_error(errno, "remove", path);
        return {};
    }

    // Syncs a directory. Keeps it open: once a rename was done, its sync must not fail just because
    // no descriptor is left.
    Result<void> sync_directory(const std::string& path) override {
        auto known = directories_.find(path);
        if (known == directories_.end() || !is_at(known->second.get(), path)) {
            auto fd = open_path(path, O_RDONLY | O_DIRECTORY, "open");
            if (fd.has_error()) return fd.error();
            if (known != directories_.end()) directories_.erase(known);
            known = directories_.emplace(path, std::move(*fd)).first;
        }
        const int fd = known->second.get();
        if (retry([&] { return ::fsync(fd); }) != 0) return system_error(errno, "sync", path);
        return {};
    }

    Result<void> make_directory(const std::string& path) override {
        if (::mkdir(path.c_str(), 0700) == 0) return {};
        const int error = errno;
        struct stat status{};
        if (error == EEXIST && ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
            return {};
        }
        return creation_error(error == EEXIST ? ENOTDIR : error, "make the directory", path);
    }

    Result<std::vector<std::string>> list(const std::string& path) override {
        DIR* directory = ::opendir(path.c_str());
        if (directory == nullptr) return system_error(errno, "list", path);
        std::vector<std::string> names;
        errno = 0;
        while (const dirent* entry = ::readdir(directory)) {
            const std::string_view name = entry->d_name;
            if (name != "." && name != "..") names.emplace_back(name);
        }
        const int error = errno;
        ::closedir(directory);
        if (error != 0) return system_error(error, "list", path);
        std::sort(names.begin(), names.end());
        return names;
    }

    Result<bool> exists(const std::string& path) override {
        struct stat status{};
        if (::stat(path.c_str(), &status) == 0) return true;
        if (errno == ENOENT) return false;
        return system_error(errno, "look at", path);
    }

    Result<std::shared_ptr<void>> lock(const std::string& path) override {
        auto fd = open_path(path, O_RDWR | O_CREAT, "create");
        if (fd.has_error()) return fd.error();
        // The lock belongs to the open file, not to the process as with F_SETLK: a second open() in
        // this process is refused too, and closing another descriptor does not release the lock.
        if (retry([&] { return ::flock(fd->get(), LOCK_EX | LOCK_NB); }) != 0) {
            if (errno != EWOULDBLOCK) return system_error(errno, "lock", path);
            return locked_error(path, holder_of(fd->get()));
        }
        if (const int error = write_holder(fd->get()); error != 0) {
            // On a full disk the lock still works; only its message lacks the process id.
            if (error != ENOSPC && error != EDQUOT) return system_error(error, "write to", path);
        }
        // Lock the directory too, in case the lock file is removed. Some file systems can't lock
        // directories (NFS); the file must suffice there.
        auto directory = open_path(parent_of(path), O_RDONLY | O_DIRECTORY, "open");
        if (directory.has_error()) return directory.error();
        if (retry([&] { return ::flock(directory->get(), LOCK_EX | LOCK_NB); }) != 0 &&
            errno == EWOULDBLOCK) {
            return locked_error(parent_of(path), 0);
        }
        return std::shared_ptr<void>(
            std::make_shared<Lock>(Lock{std::move(*fd), std::move(*directory)}));
    }

    Result<std::optional<std::string>> lock_holder(const std::string& path) override {
        using Holder = std::optional<std::string>;
        auto fd = open_path(path, O_RDONLY, "open");
        const bool there = fd.has_value();
        if (!there && fd.error().code != boost::system::errc::no_such_file_or_directory) {
            return fd.error();
        }
        // A shared lock fails while another process has the exclusive one, and is released with the
        // file.
        if (there && retry([&] { return ::flock(fd->get(), LOCK_SH | LOCK_NB); }) != 0) {
            if (errno != EWOULDBLOCK) return system_error(errno, "look at", path);
            return Holder(name_of(holder_of(fd->get())));
        }
        const auto directory = open_path(parent_of(path), O_RDONLY | O_DIRECTORY, "open");
        if (directory.has_error()) return directory.error();
        const bool held =
            retry([&] { return ::flock(directory->get(), LOCK_SH | LOCK_NB); }) != 0 &&
            errno == EWOULDBLOCK;
        return held ? Holder(name_of(0)) : Holder();
    }

    Result<std::uint64_t> free_space(const std::string& path) override {
        struct statvfs status{};
        if (::statvfs(path.c_str(), &status) != 0) return system_error(errno, "look at", path);
        return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
    }

private:
    struct Lock {
        Descriptor file;
        Descriptor directory;
    };

    /// Writes the id of this process into the lock file; returns the error number, or 0.
    static int write_holder(int fd) {
        const std::string pid = std::to_string(::getpid()) + "\n";
        if (retry([&] { return ::ftruncate(fd, 0); }) != 0) return errno;
        for (std::size_t done = 0; done < pid.size();) {
            const ssize_t n = retry([&] {
                return ::pwrite(fd, pid.data() + done, pid.size() - done, static_cast<off_t>(done));
            });
            if (n <= 0) return n < 0 ? errno : EIO;
            done += static_cast<std::size_t>(n);
        }
        return 0;
    }

    /// Whether the open file is the one that has this path now.
    static bool is_at(int fd, const std::string& path) {
        struct stat open{};
        struct stat named{};
        return ::fstat(fd, &open) == 0 && ::stat(path.c_str(), &named) == 0 &&
               open.st_dev == named.st_dev && open.st_ino == named.st_ino;
    }

    static std::string name_of(int pid) {
        return pid > 0 ? "process " + std::to_string(pid) : std::string("another process");
    }

    static Error locked_error(const std::string& path, int pid) {
        return Error{error_code(EWOULDBLOCK, boost::system::system_category()),
                     path + " is locked by " + name_of(pid) +
                         ": another flowrelayd uses this spool; stop it, or "
                         "give this one its own spool.directory"};
    }

    std::map<std::string, Descriptor> directories_;  ///< directories to sync, kept open
};

}  // namespace

std::unique_ptr<FileSystem> make_posix_file_system() {
    return std::make_unique<PosixFileSystem>();
}

}  // namespace flowrelay::storage
