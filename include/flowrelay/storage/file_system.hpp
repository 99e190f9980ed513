// The few things that storage needs of a file system, as an interface, so that tests can put one
// in its place that loses unsynced writes, tears, fills up and lies.
//
// All calls block. A FileSystem and its Files are used by one thread at a time. Errors carry the
// operation and the path. EINTR is retried inside; short writes are completed inside.
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

/// How the message of an error ends that is_disk_full() too, but about files and not about bytes.
inline constexpr std::string_view no_inodes =
    "no inodes are left on the file system (df -i): remove files there";

/// The disk is full, or a quota of it used up.
bool is_disk_full(const error_code& code) noexcept;

/// No file can be opened just now, since there are no descriptors left: nothing is wrong with the
/// disk, and nothing was changed.
bool is_out_of_descriptors(const error_code& code) noexcept;

class File {
public:
    virtual ~File() = default;

    /// Writes all bytes at the offset. After an error any part of them may be there.
    virtual Result<void> write_at(std::uint64_t offset, std::span<const std::uint8_t> bytes) = 0;

    /// Reads up to `out.size()` bytes; fewer only at the end of the file. Gives how many.
    virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> out) = 0;

    /// fdatasync. After a failure nothing is known of what was written since the last success,
    /// and a later success says nothing about it (https://lwn.net/Articles/752063/).
    virtual Result<void> sync() = 0;

    /// Makes the file this long; new bytes are zero and have their blocks (fallocate).
    virtual Result<void> allocate(std::uint64_t size) = 0;

    virtual Result<void> truncate(std::uint64_t size) = 0;
    virtual Result<std::uint64_t> size() = 0;
};

class FileSystem {
public:
    virtual ~FileSystem() = default;

    /// Creates a file that does not exist yet, mode 0600.
    virtual Result<std::unique_ptr<File>> create(const std::string& path) = 0;
    virtual Result<std::unique_ptr<File>> open(const std::string& path) = 0;
    virtual Result<std::unique_ptr<File>> open_read_only(const std::string& path) = 0;

    virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
    virtual Result<void> remove(const std::string& path) = 0;

    /// Moves a file to another directory of the file system and makes that durable, in an order in
    /// which a power failure leaves it in one of them at least.
    Result<void> move(const std::string& from, const std::string& to);

    /// Gives a file a second name. Not all file systems can.
    virtual Result<void> link(const std::string& from, const std::string& to) = 0;

    /// Makes creates, renames and removes in this directory durable.
    virtual Result<void> sync_directory(const std::string& path) = 0;

    /// Makes a directory, mode 0700; fine if it is there.
    virtual Result<void> make_directory(const std::string& path) = 0;

    /// Names (without the directory) of the files in it, sorted.
    virtual Result<std::vector<std::string>> list(const std::string& path) = 0;

    virtual Result<bool> exists(const std::string& path) = 0;

    /// Takes the directory for this process (an exclusive lock on `path`), until the returned
    /// object goes. An error says who else may hold it.
    virtual Result<std::shared_ptr<void>> lock(const std::string& path) = 0;

    /// Who holds the lock that lock() takes on `path`, for people ("process 4711"); nothing if
    /// nobody does. Changes nothing.
    virtual Result<std::optional<std::string>> lock_holder(const std::string& path) = 0;

    /// Bytes that may still be written to the file system of `path`.
    virtual Result<std::uint64_t> free_space(const std::string& path) = 0;
};

/// The file system of the machine.
std::unique_ptr<FileSystem> make_posix_file_system();

}  // namespace flowrelay::storage
