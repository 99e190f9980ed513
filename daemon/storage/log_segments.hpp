// The segments of the log and which of their events are queued. Recovery rebuilds this state,
// commits update it. Reads and makes indexes; writes nothing else.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <unordered_set>
#include <vector>

#include "flowrelay/storage/event_queue.hpp"
#include "log_files.hpp"
#include "segment.hpp"

namespace flowrelay::storage {

class LogSegments {
public:
    /// `files` must outlive this.
    explicit LogSegments(LogFiles& files) : files_(files) {}

    std::deque<Segment>& all() noexcept { return segments_; }  ///< oldest first
    const std::deque<Segment>& all() const noexcept { return segments_; }
    Segment& newest() noexcept { return segments_.back(); }
    std::uint64_t queued() const noexcept { return queued_; }
    std::uint64_t disk_bytes() const noexcept;
    std::optional<core::LossBooking> last_loss() const {
        return segments_.empty() ? std::nullopt : segments_.back().header.last_loss;
    }

    /// Adds a segment with its queued events.
    void push_back(Segment segment);
    void pop_front();

    /// Replaces `count` segments from `first` on by a compacted one, whose events were queued in
    /// them.
    void replace(std::size_t first, std::size_t count, Segment segment);

    /// Returns the segment that contains an event, if any does; otherwise nullptr.
    Segment* of(Seq seq);

    // ---- events; errors are those of reading an index that can't be rebuilt

    /// Finds a queued event.
    Result<std::optional<IndexedEvent>> find(Seq seq);

    /// Marks an event as having a pending outcome; false if it is not queued or has one already.
    Result<bool> begin_settling(Seq seq);

    /// Marks an event as settled durably in the newest segment; false if it is not queued.
    Result<bool> settle(Seq seq);

    /// Used in recovery: marks all events in the range as settled by a record. `fresh`: a record of
    /// the newest segment.
    Result<void> settle(const SeqRange& range, bool fresh);

    /// Adds an event that was written to the newest segment.
    void add(const RecordHeader& event, std::uint64_t offset);

    Result<std::vector<EventQueue::Backlog>> backlog();

    /// Location of an event. Valid until segments are added or removed.
    struct Place {
        Segment* segment;
        IndexedEvent event;
    };
    /// Returns the events that match a request, and their locations in `places`.
    Result<core::LoadedSlice> load(const core::LoadRequest& request, std::vector<Place>& places);

    /// Passes the queued events of some tokens in one segment to `add`, except those with a pending
    /// outcome. If it fails, some of the events were passed.
    using Tokens = std::unordered_set<TokenId>;
    Result<void> queued_of(const Tokens& tokens, Segment& segment,
                           const std::function<void(Seq, TokenId)>& add);

    /// Whether a segment has or had an event of one of these tokens.
    Result<bool> mentions(Segment& segment, const Tokens& tokens);

    /// Seals the newest segment: makes its index. Nothing may be added to it any more.
    Result<void> seal_newest();

    /// Calls `use` with the index of a sealed segment. Rebuilds a damaged index and tries again;
    /// the second time the new index stays in memory, for a disk that does not return it either.
    template <class Use>
    auto with_index(Segment& segment, Use use) -> decltype(use(*segment.sealed)) {
        auto result = use(*segment.sealed);
        for (const auto place : {LogFiles::IndexPlace::disk, LogFiles::IndexPlace::memory}) {
            if (!result.has_error() || is_out_of_descriptors(result.error().code)) break;
            if (auto made = renew_index(segment, place); made.has_error()) return made.error();
            result = use(*segment.sealed);
        }
        return result;
    }

private:
    class Loading;

    Result<void> renew_index(Segment& segment, LogFiles::IndexPlace place);
    Result<std::vector<SeqRange>> fresh_ranges();
    Result<bool> is_queued(Seq seq);
    Result<bool> settle_in(Segment& segment, Seq seq);

    LogFiles& files_;
    std::deque<Segment> segments_;
    std::unordered_set<Seq> settling_;
    std::uint64_t queued_ = 0;
};

}  // namespace flowrelay::storage
