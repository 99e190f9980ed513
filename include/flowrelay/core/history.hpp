// Remembers failed attempts, events that have left and filtered events, to answer operators'
// questions. Bounded: the oldest entries are dropped first, and a restart forgets all. Of an event
// that left or was filtered, it keeps only numbers, no text of its producer.
//
// Pure; owned by one thread (the I/O thread).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/event_filter.hpp"
#include "flowrelay/core/queued_event.hpp"

namespace flowrelay::core {

/// A failed attempt, after which the event stayed in the queue.
struct PastAttempt {
    Seq seq = Seq::none;
    TokenId token = TokenId::none;
    WallTime at;
    unsigned number = 0;
    int status = 0;      ///< 0: no answer
    std::string reason;  ///< for users: "HTTP 503: try later"
};

/// An event that has left, and its outcome.
struct PastEvent {
    Seq seq = Seq::none;
    TokenId token = TokenId::none;
    std::size_t id_hash = 0;  ///< History::hash_of() the event's id; 0: unknown
    std::uint64_t thread_hash = 0;
    WallTime accepted;
    WallTime ended;
    Outcome outcome = Outcome::delivered;
    unsigned attempts = 0;
    int status = 0;  ///< of the last answer; 0: none
};

/// An event that did not pass the filter of its source.
struct FilteredEvent {
    TokenId token = TokenId::none;
    std::size_t id_hash = 0;  ///< History::hash_of() the event's id
    WallTime at;
    KnownFilter filter;                    ///< the filter at that time
    FilterList list = FilterList::events;  ///< the list that the event did not match
};

class History {
public:
    static constexpr std::size_t max_attempts = 4096;
    static constexpr std::size_t max_events = 8192;
    static constexpr std::size_t max_filtered = 4096;
    static constexpr std::size_t longest_reason = 240;

    /// Returns the hash of an event's id. It is only valid in this process.
    static std::size_t hash_of(std::string_view id) noexcept;

    void attempted(PastAttempt attempt);
    void ended(const PastEvent& event);
    void filtered(FilteredEvent event);

    /// Returns the attempts of one event, oldest first. O(all attempts).
    std::vector<PastAttempt> attempts(Seq seq) const;

    std::optional<PastEvent> find(Seq seq) const;
    std::optional<PastEvent> find(std::string_view id) const;
    /// Returns how the event of this id left that belonged to one token.
    std::optional<PastEvent> find(std::string_view id, TokenId token) const;

    /// Returns the latest filtered event with this id.
    std::optional<FilteredEvent> find_filtered(std::string_view id) const;
    /// Returns the latest event of this id that the filter of one token kept back.
    std::optional<FilteredEvent> find_filtered(std::string_view id, TokenId token) const;

    /// Returns the event that was the last to leave a lane.
    std::optional<PastEvent> last_of(const LaneId& lane) const;

    /// Drops the answers to these tokens and their filters, because the tokens are erased.
    void forget(const std::unordered_set<TokenId>& tokens);

private:
    std::deque<PastAttempt> attempts_;
    std::deque<PastEvent> events_;
    std::deque<FilteredEvent> filtered_;
};

}  // namespace flowrelay::core
