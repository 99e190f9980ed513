// Which lane's turn it is, as far as lanes and tokens go.
//
// A lane is in exactly one of these states: an event of it is in flight; it waits (its timer is
// armed); it is held for an operator; it is blocked until an event that has left is on the disk as
// dead; it is overdue (its head is over its age and has to leave
// first); it is ready, in the list of its token. A token takes turns while it has a ready lane and
// both its gate and its rate limit let one begin; otherwise its timer is armed until the gate lets
// a probe through and the bucket of the limit has an event.
//
// Lanes and tokens that have nothing left are destroyed on the way: references to them, and to
// events that leave, end with the call.
#pragma once

#include <cassert>
#include <optional>
#include <unordered_map>

#include "expiry_index.hpp"
#include "lane_table.hpp"
#include "timer_queue.hpp"

namespace flowrelay::core::scheduling {

class Turns {
public:
    const LaneTable& table() const noexcept { return table_; }
    Event* find(Seq seq) noexcept { return table_.find(seq); }
    TokenQueue* find(TokenId id) noexcept { return table_.find(id); }
    Lane* find(const LaneId& id) noexcept { return table_.find(id); }
    TokenQueue& find_or_add(TokenId id) { return table_.find_or_add(id); }

    // ---- events

    /// See Scheduler::enqueue.
    void add(const QueuedEvent& queued);

    struct Begun {
        Event& event;
        Gate::Pass pass;  ///< of the token's gate
    };
    /// Gives the head of the lane whose turn it is, which is now in flight; nothing when no lane is
    /// ready of a token that is admitted. Events over their age are passed over, unless `max_age`
    /// is empty: then nothing expires. First call advance() with the same time. Tokens that are not
    /// admitted keep their turn; there may be few of them.
    ///
    /// `in_step`: also of tokens that are in step. These and the others take turns, so that neither
    /// are kept waiting by how many the others are.
    template <class Admits>
    std::optional<Begun> begin(Now now, std::optional<Milliseconds> max_age, bool in_step,
                               Admits admits);

    /// Whether a token other than this one takes turns.
    bool is_another_ready(const TokenQueue& token) const noexcept {
        return has_another(free_, token) || has_another(in_step_, token);
    }
    /// The same among those that are in step.
    bool is_another_ready_in_step(const TokenQueue& token) const noexcept {
        return has_another(in_step_, token);
    }

    /// It is in flight no more and has left for good.
    void settle(Event& event) noexcept;

    /// It is in flight no more and stays; its lane waits, if it is told until when.
    void put_back(Event& event, std::optional<MonoTime> until);

    /// It is in flight no more and stays; its lane waits until release() or until it leaves.
    void hold(Event& event);
    void release(Lane& lane) noexcept;
    std::size_t held_lanes() const noexcept { return held_lanes_; }

    /// Nothing of the lane is given until unblock() was called as often, whether it has events or
    /// not.
    void block(const LaneId& lane);
    void unblock(const LaneId& lane) noexcept;
    bool is_blocked(const LaneId& lane) const noexcept { return blocked_.contains(lane); }

    /// It waits no more.
    void hurry(Lane& lane) noexcept;

    /// An event that is not in flight leaves.
    QueuedEvent leave(Event& event) noexcept;

    /// An event that is over its age and not in flight; null when there is none.
    Event* find_expired(WallTime now, Milliseconds max_age) noexcept {
        return expiry_.due(now, max_age);
    }

    // ---- tokens

    /// Ends a pause, and the trouble that its token had. It may be destroyed.
    void resume(TokenQueue& token) noexcept;

    /// Whether it is in step with others: see pacing.hpp.
    void set_in_step(TokenQueue& token, bool in_step) noexcept;

    /// Its gate or its pause has changed, but no event of it.
    void update(TokenQueue& token) noexcept;

    /// Its gate has changed; an event of it is about to be settled or put back.
    void set_timer(TokenQueue& token) noexcept;

    /// What was said of it, and of its threads, is void: only an operator keeps it waiting, and its
    /// rate limit. O(threads of the token). The token may be destroyed.
    void renew(TokenQueue& token) noexcept;

    /// The same for all tokens.
    void renew_all();

    /// Events per second; 0: no limit. It belongs to the token for good, also when it has no events
    /// and when it is cleared.
    void set_rate(TokenId id, double rate);

    /// When the rate limit lets the next event of the token begin, if that was still to come when
    /// advance() was last called.
    std::optional<MonoTime> rate_limited_until(const TokenQueue& token) const noexcept;

    /// The same for what the server was seen to take of the token.
    std::optional<MonoTime> paced_until(const TokenQueue& token) const noexcept;

    /// The later of both.
    std::optional<MonoTime> limited_until(const TokenQueue& token) const noexcept;

    /// Takes out all events that are not in flight, gives how many, and forgets all that answers
    /// have told of it. `in_flight` is called with each event that is; the token stays for them.
    template <class Function>
    std::size_t clear(TokenQueue& token, Function in_flight);

    // ---- time

    /// Makes ready what has waited until now; if it is very much, enough of it for a turn.
    void advance(Now now) noexcept;

    /// Other events than before may be over their age: lanes that are overdue are looked at again.
    void reconsider_overdue() noexcept;

    bool has_due(MonoTime now) const noexcept { return timers_.has_due(now); }
    bool is_any_ready() const noexcept { return !free_.empty() || !in_step_.empty(); }
    bool is_any_free_ready() const noexcept { return !free_.empty(); }
    bool is_any_ready_in_step() const noexcept { return !in_step_.empty(); }

    /// When a lane or a token next stops waiting, after `now`.
    std::optional<MonoTime> next_timer(MonoTime now) const noexcept {
        return timers_.first_after(now);
    }

    std::optional<WallTime> next_expiry(Milliseconds max_age) const noexcept {
        return expiry_.next_due(max_age);
    }

    std::size_t waiting_lanes() const noexcept { return timers_.armed(Timer::Owner::lane); }

private:
    // As many as may be passed over: no more than there are requests under way.
    static constexpr int most_passed_over = 256;

    static bool has_another(const TokenList& list, const TokenQueue& token) noexcept {
        auto first = list.begin();
        if (first == list.end()) return false;
        return &*first != &token || ++first != list.end();
    }
    template <class Admits>
    std::optional<Begun> begin_of(TokenList& list, Now now, std::optional<Milliseconds> max_age,
                                  Admits admits);
    bool put_overdue(Lane& lane, WallTime now, std::optional<Milliseconds> max_age);
    Begun begin(TokenQueue& token, Lane& lane, MonoTime now);
    void end_wait(Timer& timer) noexcept;
    void place(Lane& lane) noexcept;
    void refresh(TokenQueue& token) noexcept;
    void forget_if_idle(TokenQueue& token) noexcept;
    void begin_anew(Lane& lane) noexcept;
    static void forget_trouble(Lane& lane) noexcept;
    void forget_hold(Lane& lane) noexcept;

    // The table owns what the others refer to: it goes last.
    LaneTable table_;
    ExpiryIndex expiry_;
    TimerQueue timers_;
    // Of the tokens that take turns, those that are not in step and those that are.
    TokenList free_;
    TokenList in_step_;
    bool began_in_step_ = false;  // the last one
    LaneList overdue_;
    WallTime overdue_seen_ = WallTime::min();  // the latest time at which a lane was found overdue
    std::size_t held_lanes_ = 0;
    std::unordered_map<LaneId, std::size_t> blocked_;  // also those that have no events now
    MonoTime advanced_to_ = MonoTime::min();
};

template <class Admits>
std::optional<Turns::Begun> Turns::begin(Now now, std::optional<Milliseconds> max_age, bool in_step,
                                         Admits admits) {
    const bool first_in_step = in_step && !began_in_step_;
    for (const bool of_step : {first_in_step, !first_in_step}) {
        if (of_step && !in_step) continue;
        const auto begun = begin_of(of_step ? in_step_ : free_, now, max_age, admits);
        if (!begun) continue;
        began_in_step_ = of_step;
        return begun;
    }
    return std::nullopt;
}

template <class Admits>
std::optional<Turns::Begun> Turns::begin_of(TokenList& list, Now now,
                                            std::optional<Milliseconds> max_age, Admits admits) {
    int passed_over = 0;
    for (auto at = list.begin(); at != list.end() && passed_over < most_passed_over;) {
        TokenQueue& token = *at;
        ++at;
        if (!admits(token)) {
            ++passed_over;
            continue;
        }
        Lane& lane = token.ready.front();
        lane.leave_list();
        token.leave_list();  // and comes back at the end of the round
        if (!put_overdue(lane, now.wall, max_age)) return begin(token, lane, now.mono);
        refresh(token);
        at = list.begin();
        passed_over = 0;
    }
    return std::nullopt;
}

template <class Function>
std::size_t Turns::clear(TokenQueue& token, Function in_flight) {
    std::size_t removed = 0;
    for (auto next = token.lanes.begin(); next != token.lanes.end();) {
        Lane& lane = *next++;
        begin_anew(lane);
        if (lane.held) forget_hold(lane);
        for (auto i = lane.events.begin(); i != lane.events.end();) {
            Event& event = *i++;
            if (&event == lane.in_flight) {
                in_flight(event);
                continue;
            }
            expiry_.erase(event);
            table_.remove(event);
            ++removed;
        }
        if (lane.events.empty()) table_.remove(lane);
    }
    token.gate = TokenGate();
    token.pace.reset();
    token.good_at = MonoTime::min();
    assert(!token.in_step);
    token.paused = false;
    token.removed = true;
    update(token);
    return removed;
}

}  // namespace flowrelay::core::scheduling
