// The events, lanes and tokens of the scheduler, and the orders in which they stand. Decides
// nothing: it owns the objects and keeps them findable.
//
// An event stands in the order of all (by seq), in its lane (by seq) and, unless it is in flight,
// in the expiry index. A lane is there as long as it has events; a token as long as it has lanes
// or a state to remember. All are found through trees: a hash table would be faster until it grows,
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

/// In a list that it leaves by itself.
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
    std::uint32_t attempts = 0;  ///< that counted
    bool sent = false;           ///< perhaps, by an attempt of before
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

/// Its timer is armed while it waits; it is linked while it is ready (in its token's list) or
/// overdue (in the scheduler's).
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
    Event* in_flight = nullptr;  ///< one of them; the head unless an older one came meanwhile
    Event* held = nullptr;       ///< one of them, rejected: nothing goes until an operator decides
    bool blocked = false;        ///< by one that has left: see Turns::block()
    // Of the event whose turn it is:
    std::uint32_t failures = 0;       ///< in a row, for the backoff
    bool blamed_token = false;        ///< was answered 401 or 403
    bool blamed_destination = false;  ///< was answered as if the base URL were wrong
    bool yields = false;  ///< waits so that others are the next probe: token or URL is in doubt
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

/// Its timer is armed while its gate is closed and the time for a probe has not come, and while a
/// ready lane has to wait for the rate limit; it is linked while one of its ready lanes may begin.
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
    std::uint32_t era = 0;      ///< of the destination, in which `under_way` was last counted
    std::size_t under_way = 0;  ///< attempts of that era
    MonoTime good_at = MonoTime::min();  ///< the last healthy answer since it last had no events
    TokenGate gate;
    std::unique_ptr<RateLimiter> rate;  ///< null: no limit
    std::unique_ptr<Pace> pace;         ///< null: the server has not refused it for going too fast
    bool in_step = false;               ///< it goes by the pace that all of these have together
    MonoTime refused_at = MonoTime::min();  ///< of `in_step`: for going too fast, the last time
    bool paused = false;
    bool removed = false;  ///< nothing is left but events in flight
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

/// The events that hold a lane of the token.
std::vector<Seq> held_events(const TokenQueue& token);

/// The hashes of its threads, so many of them at most.
std::vector<std::uint64_t> threads_of(const TokenQueue& token, std::size_t limit);

class LaneTable {
public:
    LaneTable() = default;
    LaneTable(const LaneTable&) = delete;
    LaneTable& operator=(const LaneTable&) = delete;
    ~LaneTable();

    /// Adds an event, and its lane and token when they are new. Throws std::logic_error for a seq
    /// that is there already.
    Event& add(const QueuedEvent& event);

    /// Takes an event out and destroys it. Its lane stays, even when that was its last.
    void remove(Event& event) noexcept;

    /// Destroys a lane without events, whose timer is not armed.
    void remove(Lane& lane) noexcept;

    /// Destroys a token without lanes, whose timer is not armed.
    void remove(TokenQueue& token) noexcept;

    Event* find(Seq seq) noexcept;
    const Event* find(Seq seq) const noexcept;
    Lane* find(const LaneId& id) noexcept;
    TokenQueue* find(TokenId id) noexcept;
    const TokenQueue* find(TokenId id) const noexcept;
    TokenQueue& find_or_add(TokenId id);
    const Lane* find(const LaneId& id) const noexcept;

    /// Calls this with each token, which may be removed by it.
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
