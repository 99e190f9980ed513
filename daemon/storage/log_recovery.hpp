// Rebuilds the state of the log from its files.
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

    LogSegments segments;                   ///< those with a header
    std::vector<std::uint64_t> headerless;  ///< numbers of the others
    std::uint64_t log_id = 0;               ///< as their headers have it; 0: none has
    std::unordered_set<Seq> told_damaged;   ///< queued, and reported as damaged
    core::Ledger ledger;
    Seq next_seq{1};
    std::uint64_t next_number = 1;
    bool can_append = false;         ///< the newest segment is whole: writing goes on in it
    std::uint64_t skipped_seqs = 0;  ///< right below next_seq: SegmentHeader::skipped_seqs
    /// The books have the loss of another log as well, which no file of this one knows of until a
    /// segment is begun with them.
    bool has_other_books = false;
};

/// Takes up the segments with these numbers: sealed ones by their indexes, which are made where
/// they are missing, the newest by reading all of it. Changes nothing but that one: what is kept of
/// it is made durable again, what is not is wiped. Damage is copied to the quarantine. Errors: a
/// newer format, a file that can't be opened, a failed write or sync; and what has to be read and
/// can't be (QueueErrc::unreadable): then nothing was changed, but for indexes of other segments.
Result<RecoveredLog> recover_log(LogFiles& files, const std::vector<std::uint64_t>& numbers,
                                 const LogOptions& options, Log& log);

}  // namespace flowrelay::storage
