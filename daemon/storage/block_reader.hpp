// Reads records of segments. Those that lie close together come with few reads of the disk.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "log_segments.hpp"

namespace flowrelay::storage {

class BlockReader {
public:
    /// The bytes of an event's record, as they are on the disk, valid until the next call; fewer
    /// where the file ends before.
    Result<std::span<const std::uint8_t>> read(Segment& segment, const IndexedEvent& event);

private:
    std::uint64_t segment_ = 0;  ///< the number of the one that the block is of; 0: none
    std::uint64_t offset_ = 0;
    std::size_t bytes_ = 0;
    std::size_t ahead_ = 0;
    std::vector<std::uint8_t> block_;
};

/// The event that a record holds; nothing if it is damaged or another one's.
std::optional<core::EventRecord> parse_event(std::span<const std::uint8_t> bytes, Seq seq,
                                             std::uint32_t salt);

/// The records of the first events, up to one that can't be read and as many as take `most_bytes`
/// at most on the disk; unless that is 0, the first one's in any case.
std::vector<core::EventRecord> read_records(const std::vector<LogSegments::Place>& places,
                                            std::uint64_t most_bytes);

}  // namespace flowrelay::storage
