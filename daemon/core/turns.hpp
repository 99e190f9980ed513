// Chooses the next lane, as far as lanes and tokens decide it.
//
// A lane is in exactly one of these states: in flight (one of its events is); waiting (its timer is
// armed); held for an operator; blocked until the dead letter of an event that has left is on the
// disk; overdue (its head has expired and must leave first); ready (in the list of its token). A
// token takes turns while it has a ready lane and both its gate and its rate limit let an attempt
// begin. Otherwise its timer is armed until the gate admits a probe and the rate limit's bucket has
// an event.
//
// Calls destroy lanes and tokens that have nothing left. References to them, and to events that
// leave, become invalid with the call.
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

    /// Adds an event, see Scheduler::enqueue.
    void add(const QueuedEvent& queued);

    struct Begun {
        Event& event;
        Gate::Pass pass;  ///< from the token's gate
    };
    /// Returns the head of the next lane, which is in flight from now on; nothing if no token that
    /// is admitted has a ready lane. Skips expired events, unless `max_age` is empty: then nothing
    /// expires. advance() must be called first with the same time. Tokens that are not admitted
    /// keep their turn; there may only be few of them.
    ///
    /// `in_step`: also takes tokens that are in step. One token of each group goes in turn, so that
    /// neither group waits longer because the other has many.
    template <class Admits>
    std::optional<Begun> begin(Now now, std::optional<Milliseconds> max_age, bool in_step,
                               Admits admits);

    /// Returns whether a token other than this one takes turns.
    bool is_another_ready(const TokenQueue& token) const noexcept {
        return has_another(free_, token) || has_another(in_step_, token);
    }
    /// The same among those that are in step.
    bool is_another_ready_in_step(const TokenQueue& token) const noexcept {
        return has_another(in_step_, token);
    }

    /// Ends the flight of an event that leaves for good.
    void settle(Event& event) noexcept;

    /// Ends the flight of an event that stays. Its lane waits until `until`, if that is given.
    void put_back(Event& event, std::optional<MonoTime> until);

    /// Ends the flight of an event that stays. Its lane waits until release() or until the event
    /// leaves.
    void hold(Event& event);
    void release(Lane& lane) noexcept;
    std::size_t held_lanes() const noexcept { return held_lanes_; }

    /// Blocks the lane, which may be empty, until unblock() was called as often as block().
    void block(const LaneId& lane);
    void unblock(const LaneId& lane) noexcept;
    bool is_blocked(const LaneId& lane) const noexcept { return blocked_.contains(lane); }

    /// Ends the wait of a lane.
    void try_now(Lane& lane) noexcept;

    /// Removes an event that is not in flight.
    QueuedEvent leave(Event& event) noexcept;

    /// Returns an expired event that is not in flight; null if there is none.
    Event* find_expired(WallTime now, Milliseconds max_age) noexcept {
        return expiry_.due(now, max_age);
    }

    // ---- tokens

    /// Ends a pause and the failure state of a token. May destroy the token.
    void resume(TokenQueue& token) noexcept;

    /// Sets whether the token is in step with others: see pacing.hpp.
    void set_in_step(TokenQueue& token, bool in_step) noexcept;

    /// Must be called when a token's gate or pause has changed, but none of its events.
    void update(TokenQueue& token) noexcept;

    /// Must be called when a token's gate has changed, before one of its events is settled or put
    /// back.
    void set_timer(TokenQueue& token) noexcept;

    /// Forgets all answers to a token and its threads. Only an operator's pause and holds, and the
    /// rate limit, remain. O(threads of the token). May destroy the token.
    void renew(TokenQueue& token) noexcept;

    /// Calls renew() for all tokens.
    void renew_all();

    /// Sets the rate limit in events per second; 0: no limit. It stays with the token even if that
    /// has no events or is cleared.
    void set_rate(TokenId id, double rate);

    /// Returns when the rate limit admits the next event of the token, if that was in the future at
    /// the last call of advance().
    std::optional<MonoTime> rate_limited_until(const TokenQueue& token) const noexcept;

    /// Like rate_limited_until(), for the pace that the server accepts for the token.
    std::optional<MonoTime> paced_until(const TokenQueue& token) const noexcept;

    /// Returns the later of rate_limited_until() and paced_until().
    std::optional<MonoTime> limited_until(const TokenQueue& token) const noexcept;

    /// Removes all events that are not in flight, forgets all answers to the token, and returns the
    /// number of removed events. Calls `in_flight` with each event in flight; the token stays for
    /// these.
    template <class Function>
    std::size_t clear(TokenQueue& token, Function in_flight);

    // ---- time

    /// Makes ready the lanes and tokens whose waits have ended; if there are very many, enough for
    /// one turn.
    void advance(Now now) noexcept;

    /// Checks overdue lanes again, because other events than before may have expired.
    void reconsider_overdue() noexcept;

    bool has_due(MonoTime now) const noexcept { return timers_.has_due(now); }
    bool is_any_ready() const noexcept { return !free_.empty() || !in_step_.empty(); }
    bool is_any_free_ready() const noexcept { return !free_.empty(); }
    bool is_any_ready_in_step() const noexcept { return !in_step_.empty(); }

    /// Returns when the next wait of a lane or a token ends, after `now`.
    std::optional<MonoTime> next_timer(MonoTime now) const noexcept {
        return timers_.first_after(now);
    }

    std::optional<WallTime> next_expiry(Milliseconds max_age) const noexcept {
        return expiry_.next_due(max_age);
    }

    std::size_t waiting_lanes() const noexcept { return timers_.armed(Timer::Owner::lane); }

private:
    // Maximum number of tokens to pass over: at most as many as there are requests in flight.
    static constexpr int max_passed_over = 256;

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

    // The table owns what the other members refer to, so it is destroyed last.
    LaneTable table_;
    ExpiryIndex expiry_;
    TimerQueue timers_;
    // Of the tokens that take turns, those that are not in step and those that are.
    TokenList free_;
    TokenList in_step_;
    bool began_in_step_ = false;  // the last one
    LaneList overdue_;
    WallTime overdue_seen_ = WallTime::min();  // latest time at which a lane was found overdue
    std::size_t held_lanes_ = 0;
    std::unordered_map<LaneId, std::size_t> blocked_;  // including lanes without events
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
    for (auto at = list.begin(); at != list.end() && passed_over < max_passed_over;) {
        TokenQueue& token = *at;
        ++at;
        if (!admits(token)) {
            ++passed_over;
            continue;
        }
        Lane& lane = token.ready.front();
        lane.leave_list();
        token.leave_list();  // it returns at the end of the round
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
