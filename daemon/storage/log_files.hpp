// The files of the log in their directory: names, spare files that hold space ready, and the order
// in which changes are made durable.
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
    /// `max_open` files stay open at a time.
    LogFiles(FileSystem& file_system, std::string directory, std::size_t max_open)
        : file_system_(file_system, max_open),
          directory_(std::move(directory)),
          index_cache_(std::make_shared<IndexCache>(cached_index_blocks)) {}

    /// Files with higher numbers are none of ours.
    static constexpr std::uint64_t max_number = 999'999'999'999;

    static std::string segment_name(std::uint64_t number);
    static std::string index_name(std::uint64_t number);
    std::string segment_path(std::uint64_t number) const;
    std::string index_path(std::uint64_t number) const;
    const std::string& directory() const noexcept { return directory_; }
    /// What all files of the log are opened by.
    FileSystem& file_system() noexcept { return file_system_; }

    /// The numbers of the segments that are there, ascending. Adopts the spare files of
    /// `spare_size` bytes, removes others, and what an interrupted compaction left.
    Result<std::vector<std::uint64_t>> scan(std::uint64_t spare_size);

    // ---- spares

    /// Makes a spare file of this size: its space is the log's when this returns.
    Result<void> add_spare(std::uint64_t size);
    Result<void> remove_spare();
    std::size_t spares() const noexcept { return spares_.size(); }

    /// Overwrites with zeros what spares hold of their former lives, at most `budget` bytes of it,
    /// durably. Those that erasure `number` has found clean already, as segments, are left out.
    /// True: no more is left.
    Result<bool> wipe_spares(std::uint64_t size, std::uint64_t number, std::uint64_t budget);

    /// Removes what interrupted compactions left and could not remove.
    Result<void> remove_left_over();

    // ---- segments

    struct Begun {
        std::unique_ptr<File> file;
        bool tail_dirty = false;  ///< behind the header lie bytes of a former life
        bool written = false;     ///< all its blocks were written to
        std::uint64_t wiped_for = 0;
    };

    /// Writes the header into a spare file, durably. There is a spare, and after an error it is
    /// still one.
    Result<void> prepare_segment(const SegmentHeader& header);

    /// Turns the prepared spare into the segment `number`, durably. After an error nobody knows
    /// whether the segment is there at the next start.
    Result<Begun> begin_segment(std::uint64_t number);

    /// Takes a segment out of the log, durably. `recycle`: its `file` becomes a spare, and is
    /// taken. False: it is still there, as it was. `wiped_for`: of the segment.
    Result<bool> retire_segment(std::uint64_t number, std::unique_ptr<File>& file, bool recycle,
                                std::uint64_t wiped_for);

    /// Moves a segment that can't be read out of the way, into the quarantine.
    Result<void> quarantine_segment(std::uint64_t number);

    // ---- indexes

    enum class IndexPlace { disk, memory };

    /// Writes an index; it stays in memory if that is wanted or the disk does not take it.
    SegmentIndex write_index(std::uint64_t number, std::vector<std::uint8_t> bytes,
                             IndexPlace place = IndexPlace::disk);

    /// Removes an index that is damaged: the next start makes it anew.
    void drop_index(std::uint64_t number);

    /// For the indexes that are opened.
    const std::shared_ptr<IndexCache>& index_cache() const noexcept { return index_cache_; }

    // ---- compaction

    Result<std::unique_ptr<File>> create_compacted(std::uint64_t number);
    void discard_compacted(std::uint64_t number);

    /// Puts a compacted segment, synced already, in the place of the segment `number`, durably. The
    /// others that it stands for are to be removed.
    Result<void> publish_compacted(std::uint64_t number);

    /// Removes a segment, and its index, that a compacted one stands for.
    Result<void> remove_replaced(std::uint64_t number);

    Result<void> sync_directory() { return file_system_.sync_directory(directory_); }

private:
    static constexpr std::size_t cached_index_blocks = 512;  // 2 MiB

    struct Spare {
        std::unique_ptr<File> file;
        std::uint64_t number = 0;     ///< in its name
        bool dirty = false;           ///< it may hold records of a former life
        bool written = false;         ///< all its blocks are known to have been written to
        std::uint64_t wiped_for = 0;  ///< the erasure that found nothing more in it
        std::uint64_t cleared = 0;    ///< zeros up to here
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
    std::size_t prepared_ = 0;  ///< the place of the spare that has a header
    std::uint64_t next_spare_ = 1;
};

}  // namespace flowrelay::storage
