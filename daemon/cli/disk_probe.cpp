#include "cli/disk_probe.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <utility>

#include "flowrelay/storage/file_system.hpp"

namespace flowrelay::cli {

namespace {

using Clock = std::chrono::steady_clock;

struct KnownKind {
    std::uint64_t magic;
    std::string_view name;
    std::string_view warning;
    bool is_lost;
    bool may_lose = false;  ///< see FileSystemKind::may_lose
};

constexpr std::string_view memory_warning =
    "it is in memory: every event is lost when the power fails or the machine restarts";
constexpr std::string_view network_warning =
    "the server decides what a sync guarantees, and locks and renames may not work as on a local "
    "disk: use a local disk";

// From statfs(2) and linux/magic.h.
constexpr std::array known_kinds{
    KnownKind{0xEF53, "ext4", "", false},
    KnownKind{0x58465342, "xfs", "", false},
    KnownKind{0xF2F52010, "f2fs", "", false},
    KnownKind{
        0x9123683E, "btrfs",
        "it writes every block to a new place, so that commits cost more and a segment written "
        "before is no faster; `chattr +C` on the empty directory helps",
        false},
    KnownKind{0x2FC12FC1, "zfs",
              "it writes every block to a new place; and with `sync=disabled` it syncs nothing",
              false, true},
    KnownKind{0x01021994, "tmpfs", memory_warning, true},
    KnownKind{0x858458F6, "ramfs", memory_warning, true},
    KnownKind{0x794C7630, "overlay",
              "it is the layer of a container: it goes away with the container, and with the mount "
              "option `volatile` it syncs nothing; use a volume",
              false, true},
    KnownKind{0x6969, "nfs", network_warning, false, true},
    KnownKind{0xFF534D42, "cifs", network_warning, false, true},
    KnownKind{0xFE534D42, "smb2", network_warning, false, true},
    KnownKind{0x01021997, "9p", network_warning, false, true},
    KnownKind{0x00C36400, "ceph", network_warning, false, true},
    KnownKind{0x65735546, "fuse",
              "the program behind it decides what a sync guarantees; see its documentation, or use "
              "a local disk",
              false, true},
};

/// The fields of a line of /proc/self/mountinfo (proc(5)).
struct Mount {
    std::string device_number;
    std::string options;
    std::string type;
    std::string source;
    std::string super_options;
};

std::optional<Mount> parse_mount(const std::string& line) {
    std::istringstream in(line);
    Mount mount;
    std::string skipped;
    in >> skipped >> skipped >> mount.device_number >> skipped >> skipped >> mount.options;
    while (in >> skipped && skipped != "-") {
    }
    in >> mount.type >> mount.source >> mount.super_options;
    return in ? std::optional(mount) : std::nullopt;
}

std::string find_mount(dev_t device) {
    const std::string number = fmt::format("{}:{}", major(device), minor(device));
    std::ifstream in("/proc/self/mountinfo");
    std::string found;
    std::string line;
    while (std::getline(in, line)) {
        const auto mount = parse_mount(line);
        if (!mount || mount->device_number != number) continue;
        // The options of an overlay are long and name directories of the host.
        found = fmt::format("{} on {}", mount->type, mount->source);
        if (mount->super_options.size() < 100) found += fmt::format(" ({})", mount->super_options);
    }
    return found;
}

std::string find_disk_cache(dev_t device) {
    const std::string base = fmt::format("/sys/dev/block/{}:{}/", major(device), minor(device));
    for (const std::string_view place : {"queue/write_cache", "../queue/write_cache"}) {
        std::ifstream in(base + std::string(place));
        std::string text;
        if (std::getline(in, text)) return text;
    }
    return "";
}

Microseconds since(Clock::time_point start) {
    return Clock::now() - start;
}

/// A file for test commits.
class Target {
public:
    explicit Target(std::unique_ptr<storage::File> file) : file_(std::move(file)) {}

    storage::File& file() { return *file_; }

    Result<void> commit(std::span<const std::uint8_t> bytes) {
        const auto start = Clock::now();
        if (auto done = file_->write_at(end_, bytes); done.has_error()) return done;
        const auto written = Clock::now();
        if (auto done = file_->sync(); done.has_error()) return done;
        syncs.push_back(since(written));
        commits.push_back(since(start));
        end_ += bytes.size();
        return {};
    }

    std::vector<Microseconds> syncs;
    std::vector<Microseconds> commits;

private:
    std::unique_ptr<storage::File> file_;
    std::uint64_t end_ = 0;
};

}  // namespace

FileSystemKind kind_of_file_system(std::uint64_t magic) {
    const auto known = std::ranges::find(known_kinds, magic, &KnownKind::magic);
    if (known == known_kinds.end()) {
        return {fmt::format("of type {:#x}", magic), "", false};
    }
    return {std::string(known->name), std::string(known->warning), known->is_lost, known->may_lose};
}

Result<FileSystemFacts> look_at_file_system(const std::string& directory) {
    struct statfs status{};
    struct stat place{};
    if (::statfs(directory.c_str(), &status) != 0 || ::stat(directory.c_str(), &place) != 0) {
        return system_error(errno, "look at", directory);
    }
    if (!S_ISDIR(place.st_mode)) return system_error(ENOTDIR, "look at", directory);
    FileSystemFacts facts;
    facts.kind = kind_of_file_system(static_cast<std::uint32_t>(status.f_type));
    facts.mount = find_mount(place.st_dev);
    facts.disk_cache = find_disk_cache(place.st_dev);
    facts.free_bytes =
        static_cast<std::uint64_t>(status.f_bavail) * static_cast<std::uint64_t>(status.f_bsize);
    return facts;
}

Latency latency_of(std::vector<Microseconds>& samples) {
    std::ranges::sort(samples);
    const std::size_t count = samples.size();
    return {samples[count / 2], samples[count * 99 / 100], count};
}

Result<CommitLatencies> measure_commits(const std::string& directory, MonoTime until,
                                        const std::function<bool()>& stop) {
    const auto file_system = storage::make_posix_file_system();
    constexpr std::uint64_t size = max_probe_commits * probe_commit_size;
    std::vector<Target> targets;
    for (const std::string_view name : {"written", "allocated", "growing"}) {
        auto file = file_system->create(fmt::format("{}/{}", directory, name));
        if (file.has_error()) return file.error();
        targets.emplace_back(std::move(*file));
    }
    Target& written = targets[0];
    Target& allocated = targets[1];
    Target& growing = targets[2];
    const std::vector<std::uint8_t> zeros(static_cast<std::size_t>(size));
    Result<void> done = written.file().write_at(0, zeros);
    if (done.has_value()) done = allocated.file().allocate(size);
    for (Target& target : targets) {
        if (done.has_value()) done = target.file().sync();
    }
    if (done.has_value()) done = file_system->sync_directory(directory);
    if (done.has_error()) return done.error();

    const std::vector<std::uint8_t> bytes(probe_commit_size, 0x5a);
    for (std::size_t i = 0; i < max_probe_commits; ++i) {
        for (Target& target : targets) {
            if (auto committed = target.commit(bytes); committed.has_error()) {
                return committed.error();
            }
        }
        if (Clock::now() >= until || stop()) break;
    }
    CommitLatencies result;
    result.sync = latency_of(written.syncs);
    result.written = latency_of(written.commits);
    result.allocated = latency_of(allocated.commits);
    result.growing = latency_of(growing.commits);
    return result;
}

Result<bool> has_fallocate(const std::string& directory) {
    const std::string path = directory + "/fallocate";
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return system_error(errno, "create", path);
    constexpr off_t size = 1 << 20;
    const bool works = ::fallocate(fd, 0, 0, size) == 0;
    const int error = errno;
    ::close(fd);
    ::unlink(path.c_str());
    if (!works && error != EOPNOTSUPP && error != ENOSYS) {
        return system_error(error, "allocate space in", directory);
    }
    return works;
}

Result<Latency> measure_directory_sync(const std::string& directory) {
    constexpr int count = 20;
    const auto file_system = storage::make_posix_file_system();
    std::vector<Microseconds> samples;
    for (int i = 0; i < count; ++i) {
        auto file = file_system->create(fmt::format("{}/name-{}", directory, i));
        if (file.has_error()) return file.error();
        const auto start = Clock::now();
        if (auto done = file_system->sync_directory(directory); done.has_error()) {
            return done.error();
        }
        samples.push_back(since(start));
    }
    return latency_of(samples);
}

}  // namespace flowrelay::cli
