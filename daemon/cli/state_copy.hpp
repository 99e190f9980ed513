// Copies a state directory, even while it changes: each pass copies what has changed since the one
// before. For the last pass the caller stops the changes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <map>
#include <string>
#include <vector>

#include "flowrelay/base/error.hpp"

namespace flowrelay::cli {

class StateCopy {
public:
    /// Creates `to` with mode 0700; all files in it have mode 0600.
    StateCopy(std::string from, std::string to) : from_(std::move(from)), to_(std::move(to)) {}

    /// Updates the copy to the present state of the directory. Returns the number of bytes written.
    Result<std::uint64_t> pass();

    /// Makes the copy durable.
    Result<void> sync();

    std::uint64_t bytes() const noexcept { return bytes_; }  ///< of all files in the last pass

private:
    struct Seen {
        dev_t device = 0;
        ino_t inode = 0;
        off_t size = 0;
        timespec modified{};
        std::time_t at = 0;
    };
    Result<std::uint64_t> copy_file(const std::string& name);
    Result<void> remove_others(const std::vector<std::string>& names);

    std::string from_;
    std::string to_;
    std::uint64_t bytes_ = 0;
    std::map<std::string, Seen> seen_;
};

/// Copies one file durably, with mode 0600. Creates missing parent directories of `to` (0700).
Result<void> copy_plain(const std::string& from, const std::string& to);

}  // namespace flowrelay::cli
