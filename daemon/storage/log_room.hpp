// Reckons whether the space that the log has taken already is enough: for events, and for the
// outcomes that must find room on a full disk. Pure.
#pragma once

#include <cstdint>
#include <span>

#include "flowrelay/base/error.hpp"
#include "flowrelay/core/stored_event.hpp"
#include "flowrelay/storage/segmented_log.hpp"
#include "record.hpp"

namespace flowrelay::storage {

/// Kept free for each queued event: its outcome in a record of its own, at worst.
inline constexpr std::uint64_t outcome_reserve = settlements_record_size(1);
/// Kept free besides.
inline constexpr std::uint64_t spare_reserve = 4096;
/// Lost at the end of a segment in which not even one outcome fits.
inline constexpr std::uint64_t segment_waste = outcome_reserve;

/// Sizes that a log can work with.
LogOptions usable(LogOptions options);

/// An error if one of the events does not fit into a whole segment: `fresh` bytes for records.
Result<void> check_sizes(std::span<const core::EventRecord> events, std::uint64_t fresh);

struct LogRoom {
    std::uint64_t active = 0;  ///< bytes left in the segment that is written to
    std::uint64_t fresh = 0;   ///< bytes for records in a new one
    std::uint64_t spares = 0;  ///< files that can become one
};

/// Whether there is room for the outcomes that wait to be written, these events behind them, and
/// then an outcome for each event that is queued: `queued` others and these.
bool has_room(const LogRoom& room, std::uint64_t waiting_outcomes,
              std::span<const core::EventRecord> events, std::uint64_t queued);

/// Spares that hold `queued` outcomes twice over: more need not be kept.
bool has_spares_enough(const LogRoom& room, std::uint64_t queued) noexcept;

}  // namespace flowrelay::storage
