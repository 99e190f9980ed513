// Reads records of segments. Records that lie close together are fetched with few reads of the
// disk.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "log_segments.hpp"

namespace flowrelay::storage {

class BlockReader {
public:
    /// Returns the bytes of an event's record as they are on disk, valid until the next call.
    /// Returns fewer if the file ends within the record.
    Result<std::span<const std::uint8_t>> read(Segment& segment, const IndexedEvent& event);

private:
    std::uint64_t segment_ = 0;  ///< number of the segment of the block; 0: none
    std::uint64_t offset_ = 0;
    std::size_t bytes_ = 0;
    std::size_t ahead_ = 0;
    std::vector<std::uint8_t> block_;
};

/// Parses the record of an event; nothing if it is damaged or the record of another event.
std::optional<core::EventRecord> parse_event(std::span<const std::uint8_t> bytes, Seq seq,
                                             std::uint32_t salt);

/// Reads the records of the first events: as many as can be read and take at most `max_bytes` on
/// disk. Unless `max_bytes` is 0, the first record is read whatever its size.
std::vector<core::EventRecord> read_records(const std::vector<LogSegments::Place>& places,
                                            std::uint64_t max_bytes);

}  // namespace flowrelay::storage
