// The segments of the log and which of their events are queued: the state that recovery rebuilds
// and commits move on. Reads indexes and makes them; writes nothing else.
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
    /// `files` outlives it.
    explicit LogSegments(LogFiles& files) : files_(files) {}

    std::deque<Segment>& all() noexcept { return segments_; }  ///< oldest first
    const std::deque<Segment>& all() const noexcept { return segments_; }
    Segment& newest() noexcept { return segments_.back(); }
    std::uint64_t queued() const noexcept { return queued_; }
    std::uint64_t disk_bytes() const noexcept;
    std::optional<core::LossBooking> last_loss() const {
        return segments_.empty() ? std::nullopt : segments_.back().header.last_loss;
    }

    /// Takes a segment with what it has queued.
    void push_back(Segment segment);
    void pop_front();

    /// Puts a compacted segment in the place of `count` others, from this one on. What it holds was
    /// queued in them.
    void replace(std::size_t first, std::size_t count, Segment segment);

    /// The segment that an event lies in, if it is there at all; or nullptr.
    Segment* of(Seq seq);

    // ---- events; errors are those of reading an index that can't be made anew

    /// An event that is queued.
    Result<std::optional<IndexedEvent>> find(Seq seq);

    /// Notes that an outcome waits to be written; false if the event is not queued or has one.
    Result<bool> begin_settling(Seq seq);

    /// The outcome is durable, in the newest segment; false if the event is not queued.
    Result<bool> settle(Seq seq);

    /// At recovery: a record of a segment settles all of these. `fresh`: of the newest.
    Result<void> settle(const SeqRange& range, bool fresh);

    /// Notes an event that was written to the newest segment.
    void add(const RecordHeader& event, std::uint64_t offset);

    Result<std::vector<EventQueue::Backlog>> backlog();

    /// Where an event lies. Valid until segments are added or taken away.
    struct Place {
        Segment* segment;
        IndexedEvent event;
    };
    /// The events that a request asks for, and where they lie.
    Result<core::LoadedSlice> load(const core::LoadRequest& request, std::vector<Place>& places);

    /// Gives the queued events of some tokens in one segment to `add`, but for those that are being
    /// settled. After an error it was given a part of them.
    using Tokens = std::unordered_set<TokenId>;
    Result<void> queued_of(const Tokens& tokens, Segment& segment,
                           const std::function<void(Seq, TokenId)>& add);

    /// Whether a segment has, or had, an event of one of these tokens.
    Result<bool> mentions(Segment& segment, const Tokens& tokens);

    /// Gives the newest segment its index: nothing is added to it any more.
    Result<void> seal_newest();

    /// Uses the index of a sealed segment; makes it anew and tries again if it is damaged, in
    /// memory when the disk does not give the new one either.
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
