// Which of the queued events the scheduler has before it, when there may be ten million of them.
//
// The events on disk are far more than memory should hold, so only a bounded part of each token's
// backlog is loaded: its oldest events, and of each lane no more than a handful. What is behind
// that stays on disk until there is room, and is then read in order, so that a lane never sees a
// gap. Every token with a backlog has a share of its own: one that is parked with millions of
// events takes no room from others, nor does a stuck lane from its neighbours.
//
// Pure: what has to be read is returned as a LoadRequest, and its result handed in. Owned by one
// thread (the I/O thread).
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

/// "Read the next queued events of this token (or of one of its lanes) behind `after`."
struct LoadRequest {
    TokenId token = TokenId::none;
    std::optional<std::uint64_t> thread_hash;
    Seq after = Seq::none;
    std::size_t limit = 0;
    std::uint64_t ticket = 0;   ///< of the set: tells an answer that comes too late
    bool with_replays = false;  ///< also the dead letters that are replayed: for operators
};

/// What was read for it.
struct LoadedSlice {
    std::vector<QueuedEvent> events;  ///< in the order of their seqs
    Seq end = Seq::none;              ///< everything up to here has been looked at
    bool complete = true;             ///< there was nothing more to look at
};

struct ActiveSetOptions {
    std::size_t capacity = 16'384;   ///< events of all tokens together, about; >= 1
    std::size_t lane_capacity = 32;  ///< events of one lane; >= 1
};

class ActiveSet {
public:
    /// `scheduler` outlives the set.
    ActiveSet(Scheduler& scheduler, ActiveSetOptions options);

    /// At start: so many events of a token lie on disk, from this one on.
    void restore(TokenId token, std::uint64_t queued, Seq first);

    /// An event has become durable, the newest of all. True: the scheduler has it; otherwise it
    /// waits on disk for its turn.
    bool add(const QueuedEvent& event);

    /// A dead letter is to be delivered after all: it is not part of the backlog on disk. It waits
    /// until what is on disk in front of it in its lane has been loaded.
    void replay(const QueuedEvent& event);

    /// An event has left the scheduler for good.
    void left(const LaneId& lane);

    /// An operator drops an event that lies on disk alone: it is not handed to the scheduler any
    /// more. False if it is not one of those, but has been loaded, or dropped and not settled().
    /// To be followed by settled() once its outcome is durable, and not to be called with what was
    /// read before that.
    bool drop(const QueuedEvent& event);
    void settled(Seq seq) { dropped_.erase(seq); }

    /// A token has left the scheduler with everything that it had.
    void forget(TokenId token);

    /// What to read next; nothing when there is no room or nothing more. Each request is to be
    /// followed by loaded() or load_failed().
    std::optional<LoadRequest> next_load();
    void loaded(const LoadRequest& request, const LoadedSlice& slice);

    /// It could not be read: asked for again after retry_failed().
    void load_failed(const LoadRequest& request);
    void retry_failed();
    bool has_failed() const noexcept { return !failed_.empty(); }

    /// Events queued, on disk or in the scheduler.
    std::uint64_t queued() const noexcept { return queued_; }
    std::uint64_t queued(TokenId token) const;
    /// More of a token is about to be read: there may be events of other threads than it has in
    /// the scheduler.
    bool is_reading(TokenId token) const;

private:
    /// A lane of which there is more on disk than in the scheduler.
    struct LaneBehind {
        Seq cursor = Seq::none;  ///< up to here it is loaded
        bool loading = false;
        bool missed = false;  ///< an event was added while a load was under way
    };
    struct Backlog {
        std::uint64_t ticket = 0;
        std::uint64_t queued = 0;
        std::size_t loaded = 0;
        Seq cursor = Seq::none;  ///< up to here all is loaded, or in a lane that is behind
        bool more = false;       ///< there are events behind the cursor
        bool loading = false;
        bool missed = false;
        std::unordered_map<std::uint64_t, LaneBehind> behind;
        std::vector<QueuedEvent> replays;  ///< that wait for what is in front of them
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
    std::unordered_set<Seq> dropped_;  ///< and perhaps still in an answer that is on its way
    std::uint64_t queued_ = 0;
    std::uint64_t last_ticket_ = 0;
    std::deque<Place> hungry_;
    std::vector<Place> failed_;
};

}  // namespace flowrelay::core
