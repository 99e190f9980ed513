#include "log_room.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "segment.hpp"

namespace flowrelay::storage {

namespace {

constexpr std::uint64_t min_segment_size = 16 * 1024;

}  // namespace

LogOptions usable(LogOptions options) {
    options.segment_size =
        std::clamp(options.segment_size / segment_header_size * segment_header_size,
                   min_segment_size, max_segment_size);
    options.max_size = std::max(options.max_size, 2 * options.segment_size);
    return options;
}

Result<void> check_sizes(std::span<const core::EventRecord> events, std::uint64_t fresh) {
    for (const core::EventRecord& event : events) {
        if (const std::size_t size = event_record_size(event); size > fresh) {
            return Error{boost::system::errc::make_error_code(boost::system::errc::message_size),
                         fmt::format("an event of {} bytes does not fit into a segment of {} bytes:"
                                     " raise spool.segment_size",
                                     size, fresh + segment_header_size)};
        }
    }
    return {};
}

bool has_room(const LogRoom& room, std::uint64_t waiting_outcomes,
              std::span<const core::EventRecord> events, std::uint64_t queued) {
    std::uint64_t left = room.active;
    std::uint64_t begun = 0;
    const auto begin_next = [&] {
        left = room.fresh;
        ++begun;
    };
    for (std::uint64_t waiting = waiting_outcomes; waiting > 0;) {
        if (left < outcome_reserve) begin_next();
        const std::uint64_t fitting =
            std::min(waiting, (left - record_header_size) / settlement_size);
        left -= settlements_record_size(fitting);
        waiting -= fitting;
    }
    for (const core::EventRecord& event : events) {
        const std::uint64_t size = event_record_size(event);
        if (size > left) begin_next();
        left -= size;
    }
    if (begun > room.spares) return false;
    const std::uint64_t rest =
        left - std::min(left, segment_waste) + (room.spares - begun) * (room.fresh - segment_waste);
    return rest >= (queued + events.size()) * outcome_reserve + spare_reserve;
}

bool has_spares_enough(const LogRoom& room, std::uint64_t queued) noexcept {
    const std::uint64_t needed = queued * outcome_reserve + spare_reserve;
    return room.spares * (room.fresh - segment_waste) > 2 * needed;
}

}  // namespace flowrelay::storage
