#include "commit_buffer.hpp"

#include <algorithm>
#include <cassert>

#include "log_room.hpp"
#include "record.hpp"

namespace flowrelay::storage {

CommitBuffer::Part CommitBuffer::encode(const Segment& segment,
                                        std::span<const core::Settlement> outcomes,
                                        std::span<const core::EventRecord> events, Seq first) {
    const CommitMark mark{segment.last_commit + 1, static_cast<std::uint32_t>(segment.end)};
    const std::uint64_t room = segment.room();
    part_ = {};
    std::uint64_t bytes = 0;
    if (!outcomes.empty() && room >= outcome_reserve) {
        part_.outcomes =
            std::min<std::uint64_t>(outcomes.size(), (room - record_header_size) / settlement_size);
        bytes += settlements_record_size(part_.outcomes);
    }
    if (part_.outcomes == outcomes.size()) {
        for (const core::EventRecord& event : events) {
            const std::uint64_t size = event_record_size(event);
            if (bytes + size > room) break;
            bytes += size;
            ++part_.events;
        }
    }
    part_.bytes = static_cast<std::size_t>(bytes);
    if (buffer_.size() < part_.bytes) buffer_.resize(part_.bytes);
    std::uint8_t* out = buffer_.data();
    if (part_.outcomes > 0) {
        out += write_settlements(out, outcomes.first(part_.outcomes), mark, segment.header.salt);
    }
    std::uint64_t seq = to_number(first);
    for (const core::EventRecord& event : events.first(part_.events)) {
        out += write_event(out, event, Seq{seq++}, mark, segment.header.salt);
    }
    // The calculated sizes must match what was written.
    assert(out == buffer_.data() + part_.bytes && part_.bytes <= room);
    return part_;
}

}  // namespace flowrelay::storage
