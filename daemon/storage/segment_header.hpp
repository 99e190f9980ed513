// The first block of a segment: which one it is, and what was true when it was begun. The one
// place that knows its bytes; docs/spool-format.md describes them for people.
//
// Pure functions. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/core/ledger.hpp"

namespace flowrelay::storage {

/// The header has a block of its own, so that no write of a record touches it.
inline constexpr std::size_t segment_header_size = 4096;

/// The format that is written. Readers accept it and earlier ones and refuse newer ones.
inline constexpr std::uint32_t segment_format_version = 3;

struct SegmentHeader {
    std::uint32_t version = segment_format_version;
    std::uint32_t salt = 0;          ///< seed of the records' checksums; new in each life
    std::uint64_t number = 0;        ///< from 1, in the order of the log; never reused
    Seq next_seq{1};                 ///< all events before this segment have lower ones
    std::uint64_t previous_end = 0;  ///< where the records of segment `number - 1` end; 0: none
    core::Ledger ledger;             ///< the totals over all that lies before this segment

    // Of a segment that compaction made:
    std::uint64_t replaces_from = 0;  ///< it stands for the segments from this one to `number`
    std::uint64_t own_end = 0;        ///< where its records end, whatever the next header says

    // Since format 3; before 0.
    std::uint64_t size = 0;  ///< of the file: a shorter one was cut
    std::uint64_t log = 0;   ///< random: the same in all segments of a log

    // As of the last start or clean end while it was the newest; 0: not known.
    std::uint64_t durable_end = 0;  ///< records that begin before it were synced
    Seq durable_seq = Seq::none;    ///< events before that place have this seq at most

    /// Seqs right before this segment that were left out, since those of a lost segment were not
    /// known: no event is known to have had them.
    std::uint64_t skipped_seqs = 0;

    /// The last time that an operator booked events as lost; `ledger.lost` has how many in all.
    std::optional<core::LossBooking> last_loss;

    friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};

/// Fills the whole block (segment_header_size bytes at `block`): two copies, in sectors far apart.
void write_segment_header(std::uint8_t* block, const SegmentHeader& header) noexcept;

struct ParsedSegmentHeader {
    enum class Status {
        valid,
        damaged,  ///< neither copy has its checksum
        newer,    ///< of a later format: `header.version` says which, all else is unknown
    };
    Status status = Status::damaged;
    SegmentHeader header;
};

/// `block` may be shorter than segment_header_size: what is missing is damaged.
ParsedSegmentHeader parse_segment_header(std::span<const std::uint8_t> block) noexcept;

}  // namespace flowrelay::storage
