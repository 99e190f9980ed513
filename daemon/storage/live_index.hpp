// The queued events of one segment, in memory: what delivery has to know of them and where they
// lie.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::storage {

/// 48 bytes for each queued event.
struct LiveEvent {
    Seq seq = Seq::none;
    TokenId token = TokenId::none;
    std::uint64_t thread_hash = 0;
    WallTime accepted;
    WallTime expires;
    std::uint32_t offset = 0;        ///< of its record in the segment; 0: settled
    std::uint32_t bytes : 31 = 0;    ///< of its record
    std::uint32_t settling : 1 = 0;  ///< its outcome waits to be written
};

/// Sorted by seq, as the log is. Settled entries are dropped in bulk, so that the memory follows
/// the queue and not its history.
class LiveIndex {
public:
    /// `event.seq` is above all that were added before.
    void add(const LiveEvent& event);

    /// The event, or nullptr when it is not here or settled. Valid until the next settle().
    LiveEvent* find(Seq seq) noexcept;

    /// Takes an event out; false when it is not here.
    bool settle(Seq seq);

    std::size_t size() const noexcept { return live_; }
    bool empty() const noexcept { return live_ == 0; }

    template <class Use>
    void for_each(Use use) const {
        for (const LiveEvent& event : events_) {
            if (event.offset != 0) use(event);
        }
    }

    /// Gives the events behind `after` to `use` until that returns false.
    template <class Use>
    void for_each_after(Seq after, Use use) const {
        auto at = std::upper_bound(events_.begin(), events_.end(), after,
                                   [](Seq seq, const LiveEvent& event) { return seq < event.seq; });
        for (; at != events_.end(); ++at) {
            if (at->offset != 0 && !use(*at)) return;
        }
    }

private:
    std::vector<LiveEvent> events_;
    std::size_t live_ = 0;
};

}  // namespace flowrelay::storage
