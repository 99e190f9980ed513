// Rebuilds the state of the log from its files.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "flowrelay/base/log.hpp"
#include "flowrelay/core/ledger.hpp"
#include "log_files.hpp"
#include "segment.hpp"

namespace flowrelay::storage {

/// A segment without a readable header. It is left as it is.
struct UnreadableSegment {
    std::uint64_t number = 0;
    std::uint64_t size = 0;
};

struct RecoveredLog {
    std::deque<Segment> segments;  ///< those with a readable header, oldest first
    std::vector<UnreadableSegment> unreadable;
    core::Ledger ledger;
    Seq next_seq{1};
    std::uint64_t next_number = 1;
    bool can_append = false;  ///< the last segment is whole: writing goes on in it
};

/// Reads the segments with these numbers. Changes nothing but the last of them: what is kept of it
/// is made durable again, what is not is wiped. Errors: a newer format, a file that can't be
/// opened, a failed write or sync.
Result<RecoveredLog> recover_log(LogFiles& files, const std::vector<std::uint64_t>& numbers,
                                 Log& log);

}  // namespace flowrelay::storage
