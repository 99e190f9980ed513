// Keeps damaged parts of segments for inspection, in <log>/quarantine. Erasure of a token empties
// it, since the tokens of these bytes are unknown.
#pragma once

#include <cstdint>
#include <string>

#include "flowrelay/storage/file_system.hpp"

namespace flowrelay::storage {

class Quarantine {
public:
    /// `log_directory` is the directory of the log.
    Quarantine(FileSystem& file_system, const std::string& log_directory)
        : file_system_(file_system), directory_(log_directory + "/quarantine") {}

    std::string path_of(const std::string& name) const { return directory_ + "/" + name; }

    /// Creates the directory if it is missing, durably.
    Result<void> make() const;

    /// Makes the moves of files into the quarantine durable.
    Result<void> sync() const { return file_system_.sync_directory(directory_); }

    /// Copies a range of a file, unless it is here already. What can't be read becomes zeros.
    /// Returns the path of the copy.
    Result<std::string> keep(File& file, const std::string& name, std::uint64_t offset,
                             std::uint64_t bytes) const;

    /// Removes all files, durably.
    Result<void> empty() const;

private:
    Result<void> copy(File& from, File& to, std::uint64_t offset, std::uint64_t bytes) const;

    FileSystem& file_system_;
    std::string directory_;
};

}  // namespace flowrelay::storage
