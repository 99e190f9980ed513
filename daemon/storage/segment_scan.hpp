// Reads all records of a segment, for recovery, for its index, and for checks of the spool.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flowrelay/core/ledger.hpp"
#include "record_scanner.hpp"
#include "segment_header.hpp"
#include "segment_index.hpp"
#include "token_set.hpp"

namespace flowrelay::storage {

struct DamagedRange {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::uint64_t missing = 0;  ///< number of seqs whose events are lost with it
    bool at_least = false;      ///< the file was cut off: there may have been more
};

/// An event with an invalid payload: if it turns out to be settled, it was wiped on purpose.
struct Suspect {
    Seq seq = Seq::none;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
};

/// Reads the header of a segment; nothing if it is damaged, or that of another segment. Errors: it
/// can't be read (QueueErrc::unreadable), or has a newer format. `path` is for the message.
Result<std::optional<SegmentHeader>> read_segment_header(File& file, const std::string& path,
                                                         std::uint64_t number);

/// Outcomes of a segment as sums and ranges: when a large backlog drains, one segment has millions.
class OutcomeSums {
public:
    void add(std::span<const core::Settlement> outcomes);

    std::uint64_t count() const noexcept { return count_; }

    /// Adds the outcomes to the books.
    void settle_in(core::Ledger& ledger) const noexcept;

    /// Returns the settled seqs: ascending, without overlaps.
    std::vector<SeqRange> seqs() const;

private:
    std::uint64_t count_ = 0;
    core::Ledger ends_;
    std::vector<SeqRange> ranges_;
    std::size_t merge_at_ = 64 * 1024;  ///< number of ranges at which neighbours are merged
};

struct SegmentScan {
    ScanResult result;
    IndexedEvents events;  ///< all events, by seq
    OutcomeSums outcomes;
    std::vector<SeqRange> settled_before;  ///< earlier outcomes kept by compaction
    TokenSet tokens;                       ///< tokens of all events
    WallTime newest_own_id = WallTime::min();
    std::vector<DamagedRange> damage;
    std::vector<Suspect> suspects;
    std::uint64_t missing = 0;  ///< number of seqs lost in all damaged ranges

    std::uint64_t accepted() const noexcept { return events.size() + missing; }
};

/// Writes the header of a segment again, one copy after the other: a power failure leaves at least
/// one intact. The second copy is not synced yet.
Result<void> rewrite_segment_header(File& file, const SegmentHeader& header);

/// Returns how many bytes are missing at the end of a segment, according to its header (before
/// format 3 only whether some are). Files of segments never shrink, so it was cut from outside.
std::uint64_t cut_off_bytes(const SegmentHeader& header, std::uint64_t size) noexcept;

/// Reads a segment. `following`: the first seq of the next segment; none for the newest.
SegmentScan scan_segment(File& file, const SegmentHeader& header, const ScanRange& range,
                         std::optional<Seq> following);

/// Returns how many events were between two segments, as far as their seqs show; some may be
/// settled. `highest`: highest seq of the first segment.
std::uint64_t seqs_between(const SegmentHeader& before, Seq highest, const SegmentHeader& behind);

/// Returns the contents of the index of a sealed segment.
IndexContents index_contents(const SegmentHeader& header, SegmentScan scan);

/// Returns the same seqs in ascending ranges without overlaps.
std::vector<SeqRange> merged(std::vector<SeqRange> ranges);

}  // namespace flowrelay::storage
