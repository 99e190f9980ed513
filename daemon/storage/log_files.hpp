// The files of the log in their directory: names, spare files that hold space ready, and the order
// in which changes are made durable.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "flowrelay/storage/file_system.hpp"
#include "flowrelay/storage/segment_header.hpp"

namespace flowrelay::storage {

class LogFiles {
public:
    LogFiles(FileSystem& file_system, std::string directory)
        : file_system_(file_system), directory_(std::move(directory)) {}

    static std::string segment_name(std::uint64_t number);
    std::string segment_path(std::uint64_t number) const;
    FileSystem& file_system() const noexcept { return file_system_; }

    /// The numbers of the segments that are there, ascending. Adopts the spare files of
    /// `spare_size` bytes and removes others.
    Result<std::vector<std::uint64_t>> scan(std::uint64_t spare_size);

    /// Makes a spare file of this size: its space is the log's when this returns.
    Result<void> add_spare(std::uint64_t size);
    Result<void> remove_spare();
    std::size_t spares() const noexcept { return spares_.size(); }

    /// Turns a spare file into the segment `header.number`. It is durable when this returns. There
    /// is a spare.
    Result<std::unique_ptr<File>> begin_segment(const SegmentHeader& header);

    /// Removes a segment; durable after sync_directory().
    Result<void> remove_segment(std::uint64_t number) {
        return file_system_.remove(segment_path(number));
    }

    Result<void> sync_directory() { return file_system_.sync_directory(directory_); }

private:
    std::string path_of(const std::string& name) const { return directory_ + "/" + name; }

    FileSystem& file_system_;
    std::string directory_;
    std::vector<std::uint64_t> spares_;  ///< the numbers in their names
    std::uint64_t next_spare_ = 1;
};

}  // namespace flowrelay::storage
