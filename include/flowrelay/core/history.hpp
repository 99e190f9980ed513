// What is remembered of attempts that failed and of events that have left, so that an operator who
// asks gets an answer. Bounded: the oldest goes first, and a restart forgets it all. Of an event
// that left, or was filtered, only numbers are kept, no text of its producer.
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

/// An attempt after which the event stayed.
struct PastAttempt {
    Seq seq = Seq::none;
    TokenId token = TokenId::none;
    WallTime at;
    unsigned number = 0;
    int status = 0;      ///< 0: no answer
    std::string reason;  ///< for people: "HTTP 503: try later"
};

/// An event that has left, and how.
struct PastEvent {
    Seq seq = Seq::none;
    TokenId token = TokenId::none;
    std::size_t id_hash = 0;  ///< of the event's id, by History::hash_of(); 0: not known
    std::uint64_t thread_hash = 0;
    WallTime accepted;
    WallTime ended;
    Outcome outcome = Outcome::delivered;
    unsigned attempts = 0;
    int status = 0;  ///< of the last answer; 0: none
};

/// An event that the filter of its source did not let pass.
struct FilteredEvent {
    TokenId token = TokenId::none;
    std::size_t id_hash = 0;  ///< of the event's id, by History::hash_of()
    WallTime at;
    KnownFilter filter;                    ///< as it was then
    FilterList list = FilterList::events;  ///< which part of it the event did not fit
};

class History {
public:
    static constexpr std::size_t most_attempts = 4096;
    static constexpr std::size_t most_events = 8192;
    static constexpr std::size_t most_filtered = 4096;
    static constexpr std::size_t longest_reason = 240;

    /// Of an event's id, for this process alone.
    static std::size_t hash_of(std::string_view id) noexcept;

    void attempted(PastAttempt attempt);
    void ended(const PastEvent& event);
    void filtered(FilteredEvent event);

    /// The attempts of one event, oldest first. Looks through all.
    std::vector<PastAttempt> attempts(Seq seq) const;

    std::optional<PastEvent> find(Seq seq) const;
    std::optional<PastEvent> find(std::string_view id) const;
    /// Returns how the event of this id left that belonged to one token.
    std::optional<PastEvent> find(std::string_view id, TokenId token) const;

    /// The latest event of this id that was filtered.
    std::optional<FilteredEvent> find_filtered(std::string_view id) const;
    /// Returns the latest event of this id that the filter of one token kept back.
    std::optional<FilteredEvent> find_filtered(std::string_view id, TokenId token) const;

    /// The event that left a lane last.
    std::optional<PastEvent> last_of(const LaneId& lane) const;

    /// What the destination said to these tokens, and their filters, go as well when the tokens are
    /// erased.
    void forget(const std::unordered_set<TokenId>& tokens);

private:
    std::deque<PastAttempt> attempts_;
    std::deque<PastEvent> events_;
    std::deque<FilteredEvent> filtered_;
};

}  // namespace flowrelay::core
