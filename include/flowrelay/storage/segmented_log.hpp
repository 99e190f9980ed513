// The embedded EventQueue: a segmented, checksummed, append-only log in one directory.
// docs/spool-format.md describes the format.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "flowrelay/base/log.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/storage/event_queue.hpp"
#include "flowrelay/storage/file_system.hpp"

namespace flowrelay::storage {

struct LogOptions {
    std::uint64_t segment_size = 64ULL << 20;  ///< 64 KiB to 1 GiB
    std::uint64_t max_size = 4ULL << 30;       ///< bytes of all segments; at least two segments
    std::uint64_t max_events = 0;              ///< queued events; 0: no limit
    Milliseconds dedup_window{0};  ///< how long ids of settled events are kept; 0: not at all
    std::size_t dedup_entries = 200'000;  ///< capacity of the deduplication window, in ids
    /// How many files of the log, out of possibly thousands, stay open. The one that is written to
    /// and two or three more are always open.
    std::size_t max_open_files = 256;
    /// Path of a small file outside the directory that records how far the log has come, so that a
    /// start notices if the end of the log, or all of it, is gone. Empty: none.
    std::string high_water = {};
    bool used_before = false;     ///< other files show that a log existed
    std::uint64_t salt_seed = 0;  ///< seed of the segments' salts; 0: from the kernel. For tests
};

/// Opens the log in `directory`, or creates both, and recovers it: cuts off a torn tail; reports
/// damage (spool.damaged) and skips it. Errors: the directory can't be used, another process has
/// locked it, or a segment has a newer format. `file_system` and `log` must outlive the log.
Result<std::unique_ptr<EventQueue>> open_segmented_log(FileSystem& file_system,
                                                       const std::string& directory,
                                                       const LogOptions& options, Log& log);

}  // namespace flowrelay::storage
