// In-memory index of the queued events of the segment that is written to. Sealed segments have an
// index on disk.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "segment_index.hpp"

namespace flowrelay::storage {

/// Sorted by seq, as the log is. Settled entries are removed in bulk, so that memory is
/// proportional to the queue, not to its history.
class LiveIndex {
public:
    /// Adds an event. `event.seq` must be above all added before, and `event.offset` not 0.
    void add(const IndexedEvent& event);

    /// Returns the event, or nullptr if it is not here or settled. Valid until the next settle().
    const IndexedEvent* find(Seq seq) const noexcept;

    /// Removes an event; false if it is not here.
    bool settle(Seq seq);

    /// Removes the events from `first` up to `end` (exclusive). Returns how many there were.
    std::size_t settle(Seq first, Seq end);

    /// Removes and returns all events.
    IndexedEvents take();

    std::size_t size() const noexcept { return live_; }
    bool empty() const noexcept { return live_ == 0; }

    template <class Use>
    void for_each(Use use) const {
        for (const IndexedEvent& event : events_) {
            if (event.offset != 0) use(event);
        }
    }

    /// Passes the events after `after` to `use` until it returns false.
    template <class Use>
    void for_each_after(Seq after, Use use) const {
        auto at = std::ranges::upper_bound(events_, after, {}, &IndexedEvent::seq);
        for (; at != events_.end(); ++at) {
            if (at->offset != 0 && !use(*at)) return;
        }
    }

private:
    void give_back();
    void drop_settled();
    std::optional<std::size_t> place(Seq seq) const noexcept;

    IndexedEvents events_;
    std::size_t live_ = 0;
};

}  // namespace flowrelay::storage
