// Calculates whether the space reserved by the log is sufficient for events, and for the outcomes
// that must fit even on a full disk. Pure.
#pragma once

#include <cstdint>
#include <span>

#include "flowrelay/base/error.hpp"
#include "flowrelay/core/stored_event.hpp"
#include "flowrelay/storage/segmented_log.hpp"
#include "record.hpp"

namespace flowrelay::storage {

/// Reserved for each queued event: its outcome, in the worst case in a record of its own.
inline constexpr std::uint64_t outcome_reserve = settlements_record_size(1);
/// Reserved in addition.
inline constexpr std::uint64_t spare_reserve = 4096;
/// Unusable at the end of a segment: less than one outcome.
inline constexpr std::uint64_t segment_waste = outcome_reserve;

/// Returns the options with sizes that a log can work with.
LogOptions usable(LogOptions options);

/// Returns an error if an event does not fit into a new segment. `fresh`: bytes for records in a
/// new segment.
Result<void> check_sizes(std::span<const core::EventRecord> events, std::uint64_t fresh);

struct LogRoom {
    std::uint64_t active = 0;  ///< bytes left in the segment that is written to
    std::uint64_t fresh = 0;   ///< bytes for records in a new segment
    std::uint64_t spares = 0;  ///< number of files that can become a segment
};

/// Whether there is room for the pending outcomes, then these events, and then one outcome for each
/// queued event: `queued` others and these.
bool has_room(const LogRoom& room, std::uint64_t waiting_outcomes,
              std::span<const core::EventRecord> events, std::uint64_t queued);

/// Whether the spares have twice the room that `queued` outcomes need: no more have to be kept.
bool has_spares_enough(const LogRoom& room, std::uint64_t queued) noexcept;

}  // namespace flowrelay::storage
