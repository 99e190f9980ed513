// The files of the log in their directory: names, spare files with reserved space, and the order in
// which changes are made durable.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "flowrelay/storage/file_system.hpp"
#include "open_files.hpp"
#include "segment_header.hpp"
#include "segment_index.hpp"

namespace flowrelay::storage {

class LogFiles {
public:
    /// At most `max_open` files stay open.
    LogFiles(FileSystem& file_system, std::string directory, std::size_t max_open)
        : file_system_(file_system, max_open),
          directory_(std::move(directory)),
          index_cache_(std::make_shared<IndexCache>(cached_index_blocks)) {}

    /// Files with higher numbers do not belong to the log.
    static constexpr std::uint64_t max_number = 999'999'999'999;

    static std::string segment_name(std::uint64_t number);
    static std::string index_name(std::uint64_t number);
    std::string segment_path(std::uint64_t number) const;
    std::string index_path(std::uint64_t number) const;
    const std::string& directory() const noexcept { return directory_; }
    /// The file system through which all files of the log are opened.
    FileSystem& file_system() noexcept { return file_system_; }

    /// Returns the numbers of the segments found, ascending. Adopts spare files of `spare_size`
    /// bytes, removes other spares and what interrupted compactions left.
    Result<std::vector<std::uint64_t>> scan(std::uint64_t spare_size);

    // ---- spares

    /// Creates a spare file of this size. Its space is reserved when this returns.
    Result<void> add_spare(std::uint64_t size);
    Result<void> remove_spare();
    std::size_t spares() const noexcept { return spares_.size(); }

    /// Overwrites with zeros, durably, at most `budget` bytes of what spares contain of their
    /// earlier use. Skips those that erasure `number` already found clean as segments. Returns true
    /// when nothing is left.
    Result<bool> wipe_spares(std::uint64_t size, std::uint64_t number, std::uint64_t budget);

    /// Removes the remains of interrupted compactions that could not be removed before.
    Result<void> remove_left_over();

    // ---- segments

    struct Begun {
        std::unique_ptr<File> file;
        bool tail_dirty = false;  ///< old bytes follow the header
        bool written = false;     ///< all its blocks were written to
        std::uint64_t wiped_for = 0;
    };

    /// Writes the header into a spare file, durably. There must be a spare; after an error it is
    /// still a spare.
    Result<void> prepare_segment(const SegmentHeader& header);

    /// Turns the prepared spare into the segment `number`, durably. After an error it is unknown
    /// whether the next start finds the segment.
    Result<Begun> begin_segment(std::uint64_t number);

    /// Removes a segment from the log, durably. `recycle`: its `file` becomes a spare and is moved
    /// from. Returns false if the segment is still there, unchanged. `wiped_for`: that of the
    /// segment.
    Result<bool> retire_segment(std::uint64_t number, std::unique_ptr<File>& file, bool recycle,
                                std::uint64_t wiped_for);

    /// Moves an unreadable segment into the quarantine.
    Result<void> quarantine_segment(std::uint64_t number);

    // ---- indexes

    enum class IndexPlace { disk, memory };

    /// Writes an index. Keeps it in memory if requested, or if the disk does not take it.
    SegmentIndex write_index(std::uint64_t number, std::vector<std::uint8_t> bytes,
                             IndexPlace place = IndexPlace::disk);

    /// Removes a damaged index: the next start rebuilds it.
    void drop_index(std::uint64_t number);

    /// The cache that all open indexes share.
    const std::shared_ptr<IndexCache>& index_cache() const noexcept { return index_cache_; }

    // ---- compaction

    Result<std::unique_ptr<File>> create_compacted(std::uint64_t number);
    void discard_compacted(std::uint64_t number);

    /// Replaces the segment `number` by a compacted segment that is already synced, durably. The
    /// caller has to remove the other segments it replaces.
    Result<void> publish_compacted(std::uint64_t number);

    /// Removes a segment that was replaced by a compacted one, and its index.
    Result<void> remove_replaced(std::uint64_t number);

    Result<void> sync_directory() { return file_system_.sync_directory(directory_); }

private:
    static constexpr std::size_t cached_index_blocks = 512;  // 2 MiB

    struct Spare {
        std::unique_ptr<File> file;
        std::uint64_t number = 0;     ///< number in its name
        bool dirty = false;           ///< the file may contain old records
        bool written = false;         ///< all its blocks are known to have been written to
        std::uint64_t wiped_for = 0;  ///< the last erasure that found it clean
        std::uint64_t cleared = 0;    ///< contains zeros up to here
    };

    std::string path_of(const std::string& name) const { return directory_ + "/" + name; }
    std::string spare_path(std::uint64_t number) const;
    std::string compacted_path(std::uint64_t number) const;
    Result<void> adopt_spare(std::uint64_t number, std::uint64_t spare_size);
    Result<void> remove_if_there(const std::string& path);

    OpenFiles file_system_;
    std::string directory_;
    std::shared_ptr<IndexCache> index_cache_;
    std::vector<Spare> spares_;
    std::size_t prepared_ = 0;  ///< position of the spare that has a header
    std::uint64_t next_spare_ = 1;
};

}  // namespace flowrelay::storage
