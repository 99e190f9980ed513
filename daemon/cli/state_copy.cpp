#include "cli/state_copy.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace flowrelay::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t block_size = 1 << 20;
// Two writes that are closer than this may have the same modification time.
constexpr std::time_t coarse_clock = 2;

class Fd {
public:
    explicit Fd(int fd) noexcept : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    Fd& operator=(Fd&&) = delete;
    ~Fd() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const noexcept { return fd_; }

private:
    int fd_;
};

Result<Fd> open_fd(const std::string& path, int flags) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return system_error(errno, "open", path);
    return Fd(fd);
}

/// Returns whether a file is not copied: the lock of the process, and reserved space.
bool is_left_out(const fs::path& name) {
    return name == "spool/lock" || name.extension() == ".spare";
}

Result<std::size_t> read_block(int fd, off_t at, std::vector<char>& block,
                               const std::string& path) {
    std::size_t got = 0;
    while (got < block.size()) {
        const ssize_t n =
            ::pread(fd, block.data() + got, block.size() - got, at + static_cast<off_t>(got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return system_error(errno, "read", path);
        if (n == 0) break;
        got += static_cast<std::size_t>(n);
    }
    return got;
}

Result<void> write_block(int fd, off_t at, const char* data, std::size_t size,
                         const std::string& path) {
    std::size_t put = 0;
    while (put < size) {
        const ssize_t n = ::pwrite(fd, data + put, size - put, at + static_cast<off_t>(put));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return system_error(n < 0 ? errno : EIO, "write to", path);
        put += static_cast<std::size_t>(n);
    }
    return {};
}

/// Writes the blocks of `from` that differ to `to`. Blocks of zeros become holes.
Result<std::uint64_t> copy_blocks(int from, int to, const std::string& from_path,
                                  const std::string& to_path) {
    std::vector<char> wanted(block_size);
    std::vector<char> there(block_size);
    std::uint64_t written = 0;
    off_t at = 0;
    while (true) {
        const auto got = read_block(from, at, wanted, from_path);
        if (got.has_error()) return got.error();
        if (*got == 0) break;
        const auto had = read_block(to, at, there, to_path);
        if (had.has_error()) return had.error();
        std::fill(there.begin() + static_cast<std::ptrdiff_t>(*had), there.end(), '\0');
        if (std::memcmp(wanted.data(), there.data(), *got) != 0) {
            const auto put = write_block(to, at, wanted.data(), *got, to_path);
            if (put.has_error()) return put.error();
            written += *got;
        }
        at += static_cast<off_t>(*got);
    }
    if (::ftruncate(to, at) != 0) return system_error(errno, "truncate", to_path);
    return written;
}

Result<void> sync_path(const std::string& path, int flags) {
    const auto fd = open_fd(path, O_RDONLY | flags);
    if (fd.has_error()) return fd.error();
    if (::fsync(fd->get()) != 0) return system_error(errno, "sync", path);
    return {};
}

Result<void> make_private_directory(const fs::path& path) {
    std::error_code error;
    if (fs::is_directory(path, error)) return {};
    if (path.has_parent_path()) {
        if (auto made = make_private_directory(path.parent_path()); made.has_error()) return made;
    }
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
        return system_error(errno, "make the directory", path.string());
    }
    return {};
}

}  // namespace

Result<std::uint64_t> StateCopy::copy_file(const std::string& name) {
    const std::string from_path = from_ + "/" + name;
    const std::string to_path = to_ + "/" + name;
    const int opened = ::open(from_path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (opened < 0 && errno == ENOENT) return std::uint64_t{0};  // the file was removed meanwhile
    if (opened < 0) return system_error(errno, "open", from_path);
    const Fd from(opened);
    struct stat facts{};
    if (::fstat(from.get(), &facts) != 0) return system_error(errno, "look at", from_path);
    bytes_ += static_cast<std::uint64_t>(facts.st_size);
    Seen& seen = seen_[name];
    const bool same = seen.inode == facts.st_ino && seen.device == facts.st_dev &&
                      seen.size == facts.st_size && seen.modified.tv_sec == facts.st_mtim.tv_sec &&
                      seen.modified.tv_nsec == facts.st_mtim.tv_nsec &&
                      seen.at > facts.st_mtim.tv_sec + coarse_clock;
    if (same) return std::uint64_t{0};
    seen = {facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtim, ::time(nullptr)};
    if (auto made = make_private_directory(fs::path(to_path).parent_path()); made.has_error()) {
        return made.error();
    }
    const auto to = open_fd(to_path, O_RDWR | O_CREAT);
    if (to.has_error()) return to.error();
    return copy_blocks(from.get(), to->get(), from_path, to_path);
}

Result<void> StateCopy::remove_others(const std::vector<std::string>& names) {
    std::error_code error;
    for (auto at = seen_.begin(); at != seen_.end();) {
        if (std::ranges::find(names, at->first) != names.end()) {
            ++at;
            continue;
        }
        fs::remove(to_ + "/" + at->first, error);
        if (error) return system_error(error.value(), "remove", to_ + "/" + at->first);
        at = seen_.erase(at);
    }
    return {};
}

Result<std::uint64_t> StateCopy::pass() {
    if (auto made = make_private_directory(to_); made.has_error()) return made.error();
    std::vector<std::string> names;
    std::error_code error;
    fs::recursive_directory_iterator at(from_, error);
    for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
        std::error_code gone;
        if (!at->is_regular_file(gone)) continue;
        const fs::path name = at->path().lexically_relative(from_);
        if (!is_left_out(name)) names.push_back(name.string());
    }
    if (error && error.value() != ENOENT) return system_error(error.value(), "list", from_);
    std::ranges::sort(names);
    bytes_ = 0;
    std::uint64_t written = 0;
    for (const std::string& name : names) {
        const auto copied = copy_file(name);
        if (copied.has_error()) return copied.error();
        written += *copied;
    }
    if (auto removed = remove_others(names); removed.has_error()) return removed.error();
    return written;
}

Result<void> StateCopy::sync() {
    std::vector<std::string> directories{to_};
    for (const auto& [name, seen] : seen_) {
        if (auto done = sync_path(to_ + "/" + name, 0); done.has_error()) return done;
        std::string parent = fs::path(to_ + "/" + name).parent_path().string();
        if (std::ranges::find(directories, parent) == directories.end()) {
            directories.push_back(std::move(parent));
        }
    }
    for (const std::string& directory : directories) {
        if (auto done = sync_path(directory, O_DIRECTORY); done.has_error()) return done;
    }
    return {};
}

Result<void> copy_plain(const std::string& from, const std::string& to) {
    const int opened = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
    if (opened < 0) return system_error(errno, "open", from);
    const Fd source(opened);
    const fs::path parent = fs::path(to).parent_path();
    if (auto made = make_private_directory(parent); made.has_error()) return made;
    const auto target = open_fd(to, O_RDWR | O_CREAT);
    if (target.has_error()) return target.error();
    const auto copied = copy_blocks(source.get(), target->get(), from, to);
    if (copied.has_error()) return copied.error();
    if (::fsync(target->get()) != 0) return system_error(errno, "sync", to);
    return sync_path(parent.string(), O_DIRECTORY);
}

}  // namespace flowrelay::cli
