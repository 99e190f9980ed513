// Examines a disk and its file system for use by a log: what they are, what a sync costs, and for
// which kinds of files it is cheap.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::cli {

/// Properties of a file system type.
struct FileSystemKind {
    std::string name;       ///< "ext4", or its number
    std::string warning;    ///< the risk for a spool; empty: none
    bool is_lost = false;   ///< its contents do not survive a power cut
    bool may_lose = false;  ///< a power cut may lose synced data; see `warning`
};

/// Looks up a type by the magic number from statfs(2).
FileSystemKind kind_of_file_system(std::uint64_t magic);

struct FileSystemFacts {
    FileSystemKind kind;
    std::string mount;       ///< device, type and mount options; empty: not found
    std::string disk_cache;  ///< the kernel's setting for the disk's cache; empty: unknown
    std::uint64_t free_bytes = 0;
};
Result<FileSystemFacts> look_at_file_system(const std::string& directory);

using Microseconds = std::chrono::duration<double, std::micro>;

struct Latency {
    Microseconds median{0};
    Microseconds p99{0};
    std::size_t samples = 0;
};

/// Computes the latency from at least one sample. Sorts `samples`.
Latency latency_of(std::vector<Microseconds>& samples);

struct CommitLatencies {
    Latency sync;       ///< only the fdatasync, after writing to used blocks
    Latency written;    ///< write and fdatasync, to used blocks
    Latency allocated;  ///< to a file that fallocate() made
    Latency growing;    ///< at the end of a file
};

inline constexpr std::size_t probe_commit_size = 8192;
inline constexpr std::size_t max_probe_commits = 1000;

/// Commits to three files in turn, so that all three see the same load on the machine. Ends at
/// `until`, after max_probe_commits, or when `stop` returns true.
Result<CommitLatencies> measure_commits(const std::string& directory, MonoTime until,
                                        const std::function<bool()>& stop);

/// Returns whether fallocate(2) works. Otherwise the C library writes to each block instead.
Result<bool> has_fallocate(const std::string& directory);

/// Measures syncing a directory after each of several new files.
Result<Latency> measure_directory_sync(const std::string& directory);

}  // namespace flowrelay::cli
