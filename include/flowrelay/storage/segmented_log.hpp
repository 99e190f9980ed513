// The embedded EventQueue: a segmented, checksummed, append-only log in one directory. The format
// is docs/spool-format.md.
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
    std::uint64_t max_size = 4ULL << 30;       ///< of all segments; at least two of them
    std::uint64_t max_events = 0;              ///< queued; 0: no limit
    Milliseconds dedup_window{0};  ///< so long are ids kept of events that were settled; 0: not
    std::size_t dedup_entries = 200'000;  ///< at most so many of them
    /// Files of the log that stay open at a time, of the thousands that it may have; the one that
    /// is written to and two or three more are open in any case.
    std::size_t max_open_files = 256;
    /// A small file outside of the directory that says how far the log had come, so that a start
    /// notices when the end of the log, or all of it, is gone. Empty: none.
    std::string high_water = {};
    bool used_before = false;     ///< other files show that there was a log
    std::uint64_t salt_seed = 0;  ///< of the segments' salts; 0: from the kernel. For tests
};

/// Opens or creates the log in `directory` (made if missing) and recovers it: a torn tail is cut
/// off, damage is reported (spool.damaged) and skipped. Errors: the directory can't be used, it is
/// locked by another process, or a segment is of a newer format. `file_system` and `log` outlive
/// it.
Result<std::unique_ptr<EventQueue>> open_segmented_log(FileSystem& file_system,
                                                       const std::string& directory,
                                                       const LogOptions& options, Log& log);

}  // namespace flowrelay::storage
