// Rebuilds the state of the log from its files at a start.
#pragma once

#include <cstdint>
#include <unordered_set>
#include <vector>

#include "flowrelay/base/log.hpp"
#include "flowrelay/core/ledger.hpp"
#include "flowrelay/storage/segmented_log.hpp"
#include "log_files.hpp"
#include "log_segments.hpp"

namespace flowrelay::storage {

struct RecoveredLog {
    explicit RecoveredLog(LogFiles& files) : segments(files) {}

    LogSegments segments;                   ///< segments with a valid header
    std::vector<std::uint64_t> headerless;  ///< numbers of segments without one
    std::uint64_t log_id = 0;               ///< id in their headers; 0: in none
    std::unordered_set<Seq> told_damaged;   ///< queued events reported as damaged
    core::Ledger ledger;
    Seq next_seq{1};
    std::uint64_t next_number = 1;
    bool can_append = false;         ///< the newest segment is whole and can be written to
    std::uint64_t skipped_seqs = 0;  ///< right below next_seq; see SegmentHeader
    /// The books include the loss of another log. No file of this log has that until a segment is
    /// begun with these books.
    bool has_other_books = false;
};

/// Recovers the segments with these numbers. Sealed ones are loaded by their indexes, which are
/// rebuilt if missing; the newest is read as a whole. Only the newest is changed: what is kept of
/// it is made durable again, the rest is wiped. Damage is copied to the quarantine. Errors: a newer
/// format; a file that can't be opened; a failed write or sync; required bytes that can't be read
/// (QueueErrc::unreadable), in which case only indexes of other segments were changed.
Result<RecoveredLog> recover_log(LogFiles& files, const std::vector<std::uint64_t>& numbers,
                                 const LogOptions& options, Log& log);

}  // namespace flowrelay::storage
