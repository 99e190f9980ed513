// An open segment of the log: the one that is written to, or a sealed one.
#pragma once

#include <algorithm>
#include <boost/dynamic_bitset.hpp>
#include <cstdint>
#include <memory>
#include <optional>

#include "flowrelay/storage/file_system.hpp"
#include "live_index.hpp"
#include "record.hpp"
#include "segment_header.hpp"
#include "segment_index.hpp"
#include "token_set.hpp"

namespace flowrelay::storage {

inline constexpr std::uint64_t max_segment_size = 1ULL << 30;

/// What is known of the events of a sealed segment: its index, and two bits for each of them.
struct SealedEvents {
    using Bits = boost::dynamic_bitset<std::uint64_t>;

    explicit SealedEvents(SegmentIndex made)
        : index(std::move(made)), settled(index.size()), fresh(index.size()), live(index.size()) {}

    /// Marks the event at a position as settled; false if it is settled already.
    bool settle(std::size_t ordinal) {
        if (settled.test_set(ordinal)) return false;
        fresh.set(ordinal);
        --live;
        return true;
    }

    SegmentIndex index;
    Bits settled;  ///< settled by a record anywhere in the log
    Bits fresh;    ///< settled by a record of the segment that is written to
    std::size_t live;
    bool cold = false;  ///< nothing of it was settled while a whole segment was written
};

struct Segment {
    SegmentHeader header;
    std::unique_ptr<File> file;
    std::uint64_t size = 0;                   ///< size of the file
    std::uint64_t end = segment_header_size;  ///< end of the last record
    std::uint32_t last_commit = 0;            ///< the highest commit number used
    Seq highest_seq = Seq::none;              ///< highest seq of its events
    bool damaged = false;                     ///< some bytes hold no readable record
    bool confirmed = true;   ///< a later commit proves that the last one with contents is durable
    bool tail_dirty = true;  ///< old or torn bytes may follow the end
    std::uint64_t wiped_for = 0;  ///< the last erasure that found it clean

    // Of the segment that is written to:
    std::uint64_t written = 0;  ///< blocks before this offset were written to
    LiveIndex live;
    TokenSet tokens;
    WallTime newest_own_id = WallTime::min();  ///< newest acceptance among events with own_id

    std::optional<SealedEvents> sealed;  ///< set for sealed segments only

    /// Bytes free after the last record; 0 in a file that was cut short. A sealed segment has no
    /// room: bytes written after the seal would never be found.
    std::uint64_t room() const noexcept { return sealed ? 0 : size - std::min(size, end); }
    std::size_t queued() const noexcept { return sealed ? sealed->live : live.size(); }
    std::uint64_t disk_bytes() const noexcept {
        return size + (sealed && sealed->index.on_disk() ? sealed->index.bytes() : 0);
    }

    /// Adds an event that was written.
    void add(const RecordHeader& event, std::uint64_t offset) {
        tokens.add(event.token);
        highest_seq = event.seq;
        if ((event.flags & record_flag_own_id) != 0) {
            newest_own_id = std::max(newest_own_id, event.accepted);
        }
        live.add({event.seq, event.token, event.thread_hash, event.accepted, event.expires,
                  static_cast<std::uint32_t>(offset),
                  static_cast<std::uint32_t>(record_size(event))});
    }
};

}  // namespace flowrelay::storage
