// Owns the events, lanes and tokens of the scheduler, and finds them in their orders. Makes no
// decisions.
//
// An event is in the order of all events (by seq), in its lane (by seq) and, unless it is in
// flight, in the expiry index. A lane exists as long as it has events, a token as long as it has
// lanes or a state to remember. Trees find them all: a hash table would be faster until it grows,
// which takes the time of a thousand deliveries.
#pragma once

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "flowrelay/core/queued_event.hpp"
#include "pace.hpp"
#include "rate_limiter.hpp"
#include "timer_queue.hpp"
#include "token_gate.hpp"

namespace flowrelay::core::scheduling {

struct Lane;
struct TokenQueue;

template <class Tag>
using TreeHook = boost::intrusive::set_base_hook<boost::intrusive::tag<Tag>,
                                                 boost::intrusive::optimize_size<true>>;

/// Hook for a list. Destroying the object removes it from the list.
using TurnHook = boost::intrusive::list_base_hook<
    boost::intrusive::link_mode<boost::intrusive::link_mode_type::auto_unlink>>;

struct InAll;
struct InLane;
struct ByAge;
struct InToken;

struct Event : TreeHook<InAll>, TreeHook<InLane>, TreeHook<ByAge> {
    Event(const QueuedEvent& event, Lane& of) noexcept
        : lane(&of),
          seq(event.seq),
          accepted(event.accepted),
          expires(event.expires),
          bytes(event.bytes),
          sent(event.sent) {}

    Lane* lane;
    Seq seq;
    WallTime accepted;
    WallTime expires;
    std::uint32_t bytes;
    std::uint32_t attempts = 0;  ///< attempts that count
    bool sent = false;           ///< may have been sent by an earlier attempt
};

struct BySeq {
    bool operator()(const Event& a, const Event& b) const noexcept { return a.seq < b.seq; }
    bool operator()(Seq a, const Event& b) const noexcept { return a < b.seq; }
    bool operator()(const Event& a, Seq b) const noexcept { return a.seq < b; }
};

template <class Tag>
using EventsBySeq = boost::intrusive::set<Event, boost::intrusive::base_hook<TreeHook<Tag>>,
                                          boost::intrusive::compare<BySeq>,
                                          boost::intrusive::constant_time_size<true>>;

/// A thread of events of one token. Its timer is armed while the lane waits. It is linked while it
/// is ready (in its token's list) or overdue (in the scheduler's list).
struct Lane : Timer, TurnHook, TreeHook<InToken> {
    Lane(TokenQueue& of, std::uint64_t hash) noexcept
        : Timer(Owner::lane), token(&of), thread_hash(hash) {}

    bool is_listed() const noexcept { return TurnHook::is_linked(); }
    void leave_list() noexcept { TurnHook::unlink(); }
    Event& head() noexcept { return *events.begin(); }
    const Event& head() const noexcept { return *events.begin(); }
    LaneId id() const noexcept;

    TokenQueue* token;
    std::uint64_t thread_hash;
    EventsBySeq<InLane> events;  ///< never empty between two calls to the scheduler
    Event* in_flight = nullptr;  ///< the head, unless an older event came meanwhile
    Event* held = nullptr;       ///< a rejected event: the lane waits for an operator
    bool blocked = false;        ///< by an event that has left: see Turns::block()
    // About the next event:
    std::uint32_t failures = 0;       ///< consecutive, for the backoff
    bool blamed_token = false;        ///< the answer was 401 or 403
    bool blamed_destination = false;  ///< the answer suggested a wrong base URL
    bool yields = false;              ///< waits so that another lane is the next probe
};

struct ByThread {
    using type = std::uint64_t;
    type operator()(const Lane& lane) const noexcept { return lane.thread_hash; }
};

using LanesByThread = boost::intrusive::set<Lane, boost::intrusive::base_hook<TreeHook<InToken>>,
                                            boost::intrusive::key_of_value<ByThread>,
                                            boost::intrusive::constant_time_size<false>>;

using LaneList = boost::intrusive::list<Lane, boost::intrusive::base_hook<TurnHook>,
                                        boost::intrusive::constant_time_size<false>>;

/// The lanes and the state of a token. Its timer is armed while its gate is closed and the time for
/// a probe has not come, and while a ready lane must wait for the rate limit. It is linked while
/// one of its ready lanes may begin.
struct TokenQueue : Timer, TurnHook, TreeHook<InAll> {
    explicit TokenQueue(TokenId of) noexcept : Timer(Owner::token), id(of) {}

    bool is_listed() const noexcept { return TurnHook::is_linked(); }
    void leave_list() noexcept { TurnHook::unlink(); }

    TokenState state() const noexcept;

    TokenId id;
    LanesByThread lanes;
    LaneList ready;
    std::size_t queued = 0;
    std::size_t held_lanes = 0;
    std::uint32_t era = 0;      ///< the destination's era for which `under_way` was counted
    std::size_t under_way = 0;  ///< attempts in flight of that era
    MonoTime good_at = MonoTime::min();  ///< last healthy answer since it last had no events
    TokenGate gate;
    std::unique_ptr<RateLimiter> rate;  ///< null: no limit
    std::unique_ptr<Pace> pace;         ///< null: the server has not refused it for being too fast
    bool in_step = false;               ///< goes by the pace that all of these have together
    MonoTime refused_at = MonoTime::min();  ///< of `in_step`: the last time for being too fast
    bool paused = false;
    bool removed = false;  ///< only events in flight are left
};

struct ById {
    using type = TokenId;
    type operator()(const TokenQueue& token) const noexcept { return token.id; }
};

using TokensById = boost::intrusive::set<TokenQueue, boost::intrusive::base_hook<TreeHook<InAll>>,
                                         boost::intrusive::key_of_value<ById>,
                                         boost::intrusive::constant_time_size<false>>;

using TokenList = boost::intrusive::list<TokenQueue, boost::intrusive::base_hook<TurnHook>,
                                         boost::intrusive::constant_time_size<false>>;

inline LaneId Lane::id() const noexcept {
    return LaneId{token->id, thread_hash};
}

QueuedEvent to_queued_event(const Event& event) noexcept;

/// Returns the events that hold lanes of the token.
std::vector<Seq> held_events(const TokenQueue& token);

/// Returns the hashes of at most `limit` threads of the token.
std::vector<std::uint64_t> threads_of(const TokenQueue& token, std::size_t limit);

class LaneTable {
public:
    LaneTable() = default;
    LaneTable(const LaneTable&) = delete;
    LaneTable& operator=(const LaneTable&) = delete;
    ~LaneTable();

    /// Adds an event, and its lane and token if they are new. Throws std::logic_error if the seq
    /// exists already.
    Event& add(const QueuedEvent& event);

    /// Removes and destroys an event. Its lane stays, even if it has no events left.
    void remove(Event& event) noexcept;

    /// Destroys a lane. Preconditions: it has no events, and its timer is not armed.
    void remove(Lane& lane) noexcept;

    /// Destroys a token. Preconditions: it has no lanes, and its timer is not armed.
    void remove(TokenQueue& token) noexcept;

    Event* find(Seq seq) noexcept;
    const Event* find(Seq seq) const noexcept;
    Lane* find(const LaneId& id) noexcept;
    TokenQueue* find(TokenId id) noexcept;
    const TokenQueue* find(TokenId id) const noexcept;
    TokenQueue& find_or_add(TokenId id);
    const Lane* find(const LaneId& id) const noexcept;

    /// Calls `function` with each token. It may remove that token.
    template <class Function>
    void for_each_token(Function function) {
        for (auto next = tokens_.begin(); next != tokens_.end();) function(*next++);
    }

    const Event* oldest() const noexcept;
    std::size_t events() const noexcept { return event_count_; }
    std::size_t lanes() const noexcept { return lane_count_; }

private:
    Lane& find_or_add(TokenQueue& token, std::uint64_t thread_hash);

    TokensById tokens_;
    EventsBySeq<InAll> events_;
    std::size_t event_count_ = 0;
    std::size_t lane_count_ = 0;
};

}  // namespace flowrelay::core::scheduling
