// Reads all records of a segment: for its recovery, for its index, for checks of the spool.
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
    std::uint64_t missing = 0;  ///< seqs whose events are lost with it
    bool at_least = false;      ///< the file was cut off: there may have been more
};

/// An event whose payload is wrong: wiped on purpose if it turns out to be settled.
struct Suspect {
    Seq seq = Seq::none;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
};

/// The header of a segment; nothing if it is damaged, or that of another segment. Errors: it can't
/// be read (QueueErrc::unreadable), or is of a newer format. `path` is for the message.
Result<std::optional<SegmentHeader>> read_segment_header(File& file, const std::string& path,
                                                         std::uint64_t number);

/// Outcomes of a segment, summed up: when a large backlog drains there are millions in one segment.
class OutcomeSums {
public:
    void add(std::span<const core::Settlement> outcomes);

    std::uint64_t count() const noexcept { return count_; }

    /// Adds them to the books.
    void settle_in(core::Ledger& ledger) const noexcept;

    /// The events that they settle: ascending, without overlaps.
    std::vector<SeqRange> seqs() const;

private:
    std::uint64_t count_ = 0;
    core::Ledger ends_;
    std::vector<SeqRange> ranges_;
    std::size_t merge_at_ = 64 * 1024;  ///< so many ranges are looked through for neighbours
};

struct SegmentScan {
    ScanResult result;
    IndexedEvents events;  ///< by seq: all of them
    OutcomeSums outcomes;
    std::vector<SeqRange> settled_before;  ///< what compaction kept of earlier outcomes
    TokenSet tokens;                       ///< of all events
    WallTime newest_own_id = WallTime::min();
    std::vector<DamagedRange> damage;
    std::vector<Suspect> suspects;
    std::uint64_t missing = 0;  ///< seqs of all damaged ranges

    std::uint64_t accepted() const noexcept { return events.size() + missing; }
};

/// Writes the header of a segment anew, one copy after the other: a power failure leaves one of
/// them whole. The second copy is not synced yet.
Result<void> rewrite_segment_header(File& file, const SegmentHeader& header);

/// How many bytes a segment lacks at its end, as far as its header tells (before format 3 only that
/// something is missing). Files of segments never shrink, so it was cut from outside.
std::uint64_t cut_off_bytes(const SegmentHeader& header, std::uint64_t size) noexcept;

/// `following`: the seq that the segment behind this one begins with; none for the newest.
SegmentScan scan_segment(File& file, const SegmentHeader& header, const ScanRange& range,
                         std::optional<Seq> following);

/// How many events lay between two segments, as far as their seqs tell; some may be settled.
/// `highest`: of the one before.
std::uint64_t seqs_between(const SegmentHeader& before, Seq highest, const SegmentHeader& behind);

/// What the index of a sealed segment holds.
IndexContents index_contents(const SegmentHeader& header, SegmentScan scan);

/// The same seqs in ascending ranges without overlaps.
std::vector<SeqRange> merged(std::vector<SeqRange> ranges);

}  // namespace flowrelay::storage
