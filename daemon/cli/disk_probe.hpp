// Measures what a disk and its file system do for a log: what they are, what a sync costs, what
// kinds of files it is cheap for.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::cli {

/// What is known of a file system by its type.
struct FileSystemKind {
    std::string name;       ///< "ext4", or its number
    std::string warning;    ///< what that means for a spool; empty: it is one to rely on
    bool is_lost = false;   ///< nothing in it survives a power cut
    bool may_lose = false;  ///< the warning means that a power cut may lose what was synced
};

/// `magic` as statfs(2) gives it.
FileSystemKind kind_of_file_system(std::uint64_t magic);

struct FileSystemFacts {
    FileSystemKind kind;
    std::string mount;       ///< device, type and options of the mount; empty: not found
    std::string disk_cache;  ///< what the kernel takes the disk's cache for; empty: not known
    std::uint64_t free_bytes = 0;
};
Result<FileSystemFacts> look_at_file_system(const std::string& directory);

using Microseconds = std::chrono::duration<double, std::micro>;

struct Latency {
    Microseconds median{0};
    Microseconds p99{0};
    std::size_t samples = 0;
};

/// Of at least one sample; these are sorted.
Latency latency_of(std::vector<Microseconds>& samples);

struct CommitLatencies {
    Latency sync;       ///< fdatasync alone, after a write to blocks written before
    Latency written;    ///< write and fdatasync, to blocks written before
    Latency allocated;  ///< to a file that fallocate() made
    Latency growing;    ///< at the end of a file
};

inline constexpr std::size_t probe_commit_size = 8192;
inline constexpr std::size_t max_probe_commits = 1000;

/// Commits to three files in turn, so that all three see the same load of the machine. Ends at the
/// time, after max_probe_commits, or when `stop` gives true.
Result<CommitLatencies> measure_commits(const std::string& directory, MonoTime until,
                                        const std::function<bool()>& stop);

/// Whether fallocate(2) works, or the C library has to write to each block instead.
Result<bool> has_fallocate(const std::string& directory);

/// Creates files and syncs the directory after each.
Result<Latency> measure_directory_sync(const std::string& directory);

}  // namespace flowrelay::cli
