// Reads all records of a segment: for its recovery, for its index, for checks of the spool.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flowrelay/storage/record_scanner.hpp"
#include "flowrelay/storage/segment_header.hpp"
#include "flowrelay/storage/segment_index.hpp"
#include "token_set.hpp"

namespace flowrelay::storage {

struct DamagedRange {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::uint64_t missing = 0;  ///< seqs whose events are lost with it
};

/// An event whose payload is wrong: wiped on purpose if it turns out to be settled.
struct Suspect {
    Seq seq = Seq::none;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
};

/// The header of a segment; nothing if it can't be read, or is that of another segment. An error if
/// it is of a newer format. `path` is for the message.
Result<std::optional<SegmentHeader>> read_segment_header(File& file, const std::string& path,
                                                         std::uint64_t number);

struct SegmentScan {
    ScanResult result;
    std::vector<IndexedEvent> events;        ///< by seq: all of them
    std::vector<core::Settlement> outcomes;  ///< in the order of their records
    std::vector<SeqRange> settled_before;    ///< what compaction kept of earlier outcomes
    TokenSet tokens;                         ///< of all events
    WallTime newest_own_id = WallTime::min();
    std::vector<DamagedRange> damage;
    std::vector<Suspect> suspects;
    std::uint64_t missing = 0;  ///< seqs of all damaged ranges

    std::uint64_t accepted() const noexcept { return events.size() + missing; }
};

/// `following`: the seq that the segment behind this one begins with; none for the newest.
SegmentScan scan_segment(File& file, const SegmentHeader& header, const ScanRange& range,
                         std::optional<Seq> following);

/// What the index of a sealed segment holds.
IndexContents index_contents(const SegmentHeader& header, SegmentScan scan);

/// The same seqs in ascending ranges without overlaps.
std::vector<SeqRange> merged(std::vector<SeqRange> ranges);

}  // namespace flowrelay::storage
