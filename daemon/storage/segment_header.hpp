// The first block of a segment: which segment it is, and the state when it was begun. Only this
// code knows its bytes; docs/spool-format.md describes them for people.
//
// Pure functions. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/core/ledger.hpp"

namespace flowrelay::storage {

/// The header has a block of its own, so that no write of a record affects it.
inline constexpr std::size_t segment_header_size = 4096;

/// The format version that is written. Readers accept it and earlier ones, and refuse newer ones.
inline constexpr std::uint32_t segment_format_version = 3;

struct SegmentHeader {
    std::uint32_t version = segment_format_version;
    std::uint32_t salt = 0;          ///< seed of the records' checksums; new at each reuse
    std::uint64_t number = 0;        ///< from 1, in the order of the log; never reused
    Seq next_seq{1};                 ///< all events before this segment have lower ones
    std::uint64_t previous_end = 0;  ///< where the records of segment `number - 1` end; 0: none
    core::Ledger ledger;             ///< totals of everything before this segment

    // Only of a segment made by compaction:
    std::uint64_t replaces_from = 0;  ///< replaces the segments from this one to `number`
    std::uint64_t own_end = 0;        ///< where its records end, whatever the next header says

    // Since format 3; before 0.
    std::uint64_t size = 0;  ///< size of the file: a shorter one was cut
    std::uint64_t log = 0;   ///< random log id, the same in all segments of a log

    // State at the last start or clean shutdown while it was the newest; 0: not known.
    std::uint64_t durable_end = 0;  ///< records that begin before it were synced
    Seq durable_seq = Seq::none;    ///< upper bound of the seqs before durable_end

    /// Number of seqs right before this segment that were skipped, since it is not known which of
    /// them a lost segment used.
    std::uint64_t skipped_seqs = 0;

    /// The last booking of events as lost by an operator; `ledger.lost` has the total.
    std::optional<core::LossBooking> last_loss;

    friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};

/// Writes the whole block (segment_header_size bytes at `block`): two copies, in separate sectors.
void write_segment_header(std::uint8_t* block, const SegmentHeader& header) noexcept;

struct ParsedSegmentHeader {
    enum class Status {
        valid,
        damaged,  ///< neither copy matches its checksum
        newer,    ///< a later format: only `header.version` is known
    };
    Status status = Status::damaged;
    SegmentHeader header;
};

/// Parses a header. `block` may be shorter than segment_header_size; missing bytes count as
/// damaged.
ParsedSegmentHeader parse_segment_header(std::span<const std::uint8_t> block) noexcept;

}  // namespace flowrelay::storage
