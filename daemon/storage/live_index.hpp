// The queued events of the segment that is written to, in memory. Of sealed segments they are in
// an index on disk.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "segment_index.hpp"

namespace flowrelay::storage {

/// Sorted by seq, as the log is. Settled entries are dropped in bulk, so that the memory follows
/// the queue and not its history.
class LiveIndex {
public:
    /// `event.seq` is above all that were added before, `event.offset` is not 0.
    void add(const IndexedEvent& event);

    /// The event, or nullptr when it is not here or settled. Valid until the next settle().
    const IndexedEvent* find(Seq seq) const noexcept;

    /// Takes an event out; false when it is not here.
    bool settle(Seq seq);

    /// Takes out what is here from `first` up to `end`; gives how many that were.
    std::size_t settle(Seq first, Seq end);

    /// Takes all events out.
    IndexedEvents take();

    std::size_t size() const noexcept { return live_; }
    bool empty() const noexcept { return live_ == 0; }

    template <class Use>
    void for_each(Use use) const {
        for (const IndexedEvent& event : events_) {
            if (event.offset != 0) use(event);
        }
    }

    /// Gives the events behind `after` to `use` until that returns false.
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
