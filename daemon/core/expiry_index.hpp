// Finds events that are too old by the wall clock. An event expires max_age after it was accepted,
// or at its own time if that is earlier. Only its own time is fixed, so there are two orders: a
// change of max_age applies at once and costs nothing.
#pragma once

#include <boost/intrusive/set.hpp>
#include <optional>
#include <set>

#include "lane_table.hpp"

namespace flowrelay::core::scheduling {

inline bool is_over_age(const Event& event, WallTime now, Milliseconds max_age) noexcept {
    return event.expires <= now || now - event.accepted >= max_age;
}

/// Contains the events that may leave, that is, all but those in flight.
class ExpiryIndex {
public:
    ExpiryIndex() = default;
    ExpiryIndex(const ExpiryIndex&) = delete;
    ExpiryIndex& operator=(const ExpiryIndex&) = delete;
    ~ExpiryIndex() { by_age_.clear(); }

    /// Precondition: the event is not in the index.
    void insert(Event& event);

    /// Has no effect if the event is not in the index.
    void erase(Event& event) noexcept;

    /// Returns an event that has expired; null if there is none.
    Event* due(WallTime now, Milliseconds max_age) noexcept;

    /// Returns when the next event expires, which may be in the past.
    std::optional<WallTime> next_due(Milliseconds max_age) const noexcept;

private:
    struct Accepted {
        bool operator()(const Event& a, const Event& b) const noexcept {
            return a.accepted != b.accepted ? a.accepted < b.accepted : a.seq < b.seq;
        }
    };
    struct Expires {
        bool operator()(const Event* a, const Event* b) const noexcept {
            return a->expires != b->expires ? a->expires < b->expires : a->seq < b->seq;
        }
    };
    using Aging = boost::intrusive::set<Event, boost::intrusive::base_hook<TreeHook<ByAge>>,
                                        boost::intrusive::compare<Accepted>,
                                        boost::intrusive::constant_time_size<false>>;

    Aging by_age_;
    std::set<Event*, Expires> by_own_time_;  // few events have one
};

}  // namespace flowrelay::core::scheduling
