// The file system operations that storage uses, as an interface, so that tests can substitute a
// file system that loses unsynced writes, tears sectors, fills up and fails.
//
// All calls block. A FileSystem and its Files are used by one thread at a time. Errors name the
// operation and the path. EINTR is retried and short writes are completed internally.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/base/error.hpp"

namespace flowrelay::storage {

/// End of the message of an error for which is_disk_full() holds, but that lacks inodes rather than
/// bytes.
inline constexpr std::string_view no_inodes =
    "no inodes are left on the file system (df -i): remove files there";

/// Whether the disk is full, or a quota is used up.
bool is_disk_full(const error_code& code) noexcept;

/// Whether a file could not be opened because no descriptor is left. The disk is fine, and nothing
/// was changed.
bool is_out_of_descriptors(const error_code& code) noexcept;

class File {
public:
    virtual ~File() = default;

    /// Writes all bytes at the offset. After an error any part of them may have been written.
    virtual Result<void> write_at(std::uint64_t offset, std::span<const std::uint8_t> bytes) = 0;

    /// Reads up to `out.size()` bytes; fewer only at the end of the file. Returns how many.
    virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> out) = 0;

    /// fdatasync. After a failure the state of everything written since the last success is
    /// unknown, and a later success does not change that (https://lwn.net/Articles/752063/).
    virtual Result<void> sync() = 0;

    /// Sets the size of the file. New bytes are zero and have blocks allocated (fallocate).
    virtual Result<void> allocate(std::uint64_t size) = 0;

    virtual Result<void> truncate(std::uint64_t size) = 0;
    virtual Result<std::uint64_t> size() = 0;
};

class FileSystem {
public:
    virtual ~FileSystem() = default;

    /// Creates a file with mode 0600. It must not exist yet.
    virtual Result<std::unique_ptr<File>> create(const std::string& path) = 0;
    virtual Result<std::unique_ptr<File>> open(const std::string& path) = 0;
    virtual Result<std::unique_ptr<File>> open_read_only(const std::string& path) = 0;

    virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
    virtual Result<void> remove(const std::string& path) = 0;

    /// Moves a file to another directory of the same file system and makes that durable. After a
    /// power failure it is in at least one of the two.
    Result<void> move(const std::string& from, const std::string& to);

    /// Gives a file a second name (a hard link). Not supported by all file systems.
    virtual Result<void> link(const std::string& from, const std::string& to) = 0;

    /// Makes the creation, renaming and removal of files in this directory durable.
    virtual Result<void> sync_directory(const std::string& path) = 0;

    /// Creates a directory with mode 0700, unless it exists.
    virtual Result<void> make_directory(const std::string& path) = 0;

    /// Returns the names (without the directory) of the files in it, sorted.
    virtual Result<std::vector<std::string>> list(const std::string& path) = 0;

    virtual Result<bool> exists(const std::string& path) = 0;

    /// Locks `path` exclusively for this process until the returned object is destroyed. An error
    /// says which process may hold the lock.
    virtual Result<std::shared_ptr<void>> lock(const std::string& path) = 0;

    /// Returns the holder of the lock that lock() takes on `path`, for people ("process 4711");
    /// nothing if it is free. Changes nothing.
    virtual Result<std::optional<std::string>> lock_holder(const std::string& path) = 0;

    /// Returns how many more bytes can be written to the file system of `path`.
    virtual Result<std::uint64_t> free_space(const std::string& path) = 0;
};

/// Returns the file system of the machine.
std::unique_ptr<FileSystem> make_posix_file_system();

}  // namespace flowrelay::storage
