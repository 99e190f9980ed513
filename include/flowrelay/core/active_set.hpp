// Chooses which queued events the scheduler holds, since there may be ten million of them.
//
// The disk may hold far more events than memory should, so only a bounded part of each token's
// backlog is loaded: its oldest events, and a handful of each lane. Later events stay on disk until
// there is room, and are then read in order, so that a lane never has a gap. Every token with a
// backlog has a share of its own. So a parked token with millions of events takes no room from
// other tokens, and a stuck lane takes none from its neighbours.
//
// Pure: returns what to read as a LoadRequest, and receives the result. Owned by one thread (the
// I/O thread).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "flowrelay/core/queued_event.hpp"
#include "flowrelay/core/scheduler.hpp"

namespace flowrelay::core {

/// A request to read the next queued events of a token (or of one of its lanes) after `after`.
struct LoadRequest {
    TokenId token = TokenId::none;
    std::optional<std::uint64_t> thread_hash;
    Seq after = Seq::none;
    std::size_t limit = 0;
    std::uint64_t ticket = 0;   ///< identifies late answers
    bool with_replays = false;  ///< for operators: include replayed dead letters
};

/// The events read for a LoadRequest.
struct LoadedSlice {
    std::vector<QueuedEvent> events;  ///< in the order of their seqs
    Seq end = Seq::none;              ///< everything up to here was searched
    bool complete = true;             ///< the search reached the end
};

struct ActiveSetOptions {
    std::size_t capacity = 16'384;   ///< approximate limit of events of all tokens; >= 1
    std::size_t lane_capacity = 32;  ///< limit of events of one lane; >= 1
};

class ActiveSet {
public:
    /// `scheduler` must outlive the set.
    ActiveSet(Scheduler& scheduler, ActiveSetOptions options);

    /// At start: sets how many events of a token are on disk, and the first of them.
    void restore(TokenId token, std::uint64_t queued, Seq first);

    /// Adds the newest event, which has become durable. Returns true if the scheduler has it now;
    /// otherwise it waits on disk for its turn.
    bool add(const QueuedEvent& event);

    /// Adds a replayed dead letter, which is not part of the backlog on disk. It waits until the
    /// earlier events of its lane have been loaded from disk.
    void replay(const QueuedEvent& event);

    /// Records that an event has left the scheduler for good.
    void left(const LaneId& lane);

    /// Drops an event that is only on disk, for an operator: the scheduler will never get it.
    /// Returns false if the event was loaded already, or dropped but not settled(). The caller must
    /// call settled() when the outcome is durable, and must not call this with an event that was
    /// read before that.
    bool drop(const QueuedEvent& event);
    void settled(Seq seq) { dropped_.erase(seq); }

    /// Forgets a token that has left the scheduler with all its events.
    void forget(TokenId token);

    /// Returns what to read next; nothing if there is no room or nothing left to read. Each request
    /// must be followed by loaded() or load_failed().
    std::optional<LoadRequest> next_load();
    void loaded(const LoadRequest& request, const LoadedSlice& slice);

    /// Records that a read failed. retry_failed() makes next_load() return it again.
    void load_failed(const LoadRequest& request);
    void retry_failed();
    bool has_failed() const noexcept { return !failed_.empty(); }

    /// Returns the number of queued events, on disk or in the scheduler.
    std::uint64_t queued() const noexcept { return queued_; }
    std::uint64_t queued(TokenId token) const;
    /// Returns whether more of a token is about to be read, so that there may be events of threads
    /// that the scheduler does not have.
    bool is_reading(TokenId token) const;

private:
    /// A lane with more events on disk than in the scheduler.
    struct LaneBehind {
        Seq cursor = Seq::none;  ///< loaded up to here
        bool loading = false;
        bool missed = false;  ///< an event was added while a load was in progress
    };
    struct Backlog {
        std::uint64_t ticket = 0;
        std::uint64_t queued = 0;
        std::size_t loaded = 0;
        Seq cursor = Seq::none;  ///< up to here, all events are loaded or in a lane in `behind`
        bool more = false;       ///< there are events after the cursor
        bool loading = false;
        bool missed = false;
        std::unordered_map<std::uint64_t, LaneBehind> behind;
        std::vector<QueuedEvent> replays;  ///< waiting for earlier events of their lanes
    };
    using Place = std::pair<TokenId, std::optional<std::uint64_t>>;

    Backlog& find_or_add(TokenId token);
    std::size_t share() const noexcept;
    static bool is_loaded_up_to(const Backlog& backlog, const QueuedEvent& event);
    void place_replays(Backlog& backlog);
    bool take(Backlog& backlog, const QueuedEvent& event);
    void look(TokenId token, Backlog& backlog);
    void look(const LaneId& lane, LaneBehind& behind);
    std::optional<LoadRequest> request_for(const Place& place);
    void loaded_lane(const LaneId& lane, Backlog& backlog, const LoadedSlice& slice);

    Scheduler& scheduler_;
    ActiveSetOptions options_;
    std::unordered_map<TokenId, Backlog> backlogs_;
    std::unordered_set<Seq> dropped_;  ///< perhaps still in an answer that was not received yet
    std::uint64_t queued_ = 0;
    std::uint64_t last_ticket_ = 0;
    std::deque<Place> hungry_;
    std::vector<Place> failed_;
};

}  // namespace flowrelay::core
