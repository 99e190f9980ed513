// A destination as the relay sees it: which one it is, what is queued for it, and what it has said
// that holds for longer than one attempt.
//
// It owns the scheduler (with its breaker, gates, rates and limit of concurrency), the active set
// that feeds the scheduler from the disk, the row of final refusals, the waits that the registry
// knows, and the number by which assignments tell one destination from another (SentWith). The
// relay has one. A relay with several destinations gets one Destination for each, as the runtime
// gets one pool of clients for each; what does not depend on where an event goes (tokens, ids, dead
// letters) is in the other parts.
//
// It knows the token table and no other part of the relay. Pure; owned by one thread (the I/O
// thread).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/log.hpp"
#include "flowrelay/base/random.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/active_set.hpp"
#include "flowrelay/core/queued_event.hpp"
#include "flowrelay/core/refusals.hpp"
#include "flowrelay/core/relay_options.hpp"
#include "flowrelay/core/scheduler.hpp"
#include "flowrelay/core/stored_event.hpp"
#include "flowrelay/core/token_table.hpp"
#include "flowrelay/core/verdict.hpp"

namespace flowrelay::core {

class Destination {
public:
    /// `options`, `tokens` and `log` outlive the destination.
    Destination(const RelayOptions& options, const TokenTable& tokens, Log& log, Random random);
    Destination(const Destination&) = delete;
    Destination& operator=(const Destination&) = delete;

    Scheduler& scheduler() noexcept { return scheduler_; }
    const Scheduler& scheduler() const noexcept { return scheduler_; }
    ActiveSet& active() noexcept { return active_; }
    const ActiveSet& active() const noexcept { return active_; }
    Refusals& refusals() noexcept { return refusals_; }
    /// The base URL.
    const std::string& url() const noexcept { return options_.destination; }
    /// Events that wait for delivery, of all tokens.
    std::uint64_t queued() const noexcept { return active_.queued(); }

    // ---- which one it is

    /// Another destination takes the place of this one: nothing that was said by the former one
    /// counts. Comes before the options of the new one are set.
    void change();
    /// Takes over what the options say of the scheduler.
    void options_changed() { scheduler_.set_options(options_.scheduler); }
    /// What an assignment of this token is sent with if it is handed out now.
    SentWith sent_with_now(TokenId token) const;
    /// Whether the token of the slot or the destination has changed since it was handed out.
    bool is_outdated(const Assignment& assignment) const;
    /// Whether an assignment was handed out for this destination, and not for a former one.
    bool is_here(const SentWith& with) const noexcept { return with.destination == number_; }
    /// The base URL that an assignment was sent to, or words for one that is too long ago.
    std::string url_of(const SentWith& with) const;

    // ---- waits that the server asked for and that outlast a restart

    /// Takes a wait that was recorded, of the destination or of a known token. Returns whether it
    /// counts: it is of this destination and not over.
    bool restore(const Hold& hold, Now now);
    /// The wait that is worth being recorded after an answer, if any. `scope`: whose wait it is.
    std::optional<Hold> hold_to_remember(TokenId token, const Judgement& judgement,
                                         std::optional<Scope> scope, Now now);

    // ---- tokens

    /// Another token lies in the slot: what was said of the former one is forgotten.
    void renew(TokenId token);
    /// The token is gone: takes it out with all its events that are not in flight.
    void take_out(TokenId token);
    /// The slot has no events and is forgotten.
    void forget(TokenId token);
    /// The threads of a token that have events, as Refusals wants to know them.
    Refusals::Threads threads_with_events(TokenId token) const;

    // ---- what is queued for it on the disk

    /// Takes what was read of the backlog for ActiveSet::next_load(). What is of a token that is
    /// gone or forgotten by now is left out.
    void loaded(const LoadRequest& request, const LoadedSlice& slice);
    /// It could not be read: retry_loads() has it asked for again in a while.
    void load_failed(const LoadRequest& request, std::string_view reason, Now now);
    void retry_loads(Now now);
    /// Dead letters that are to be delivered after all, at start or by an operator: each takes its
    /// old place in its lane. Those of tokens that are gone or unknown stay where they are.
    void replayed(std::span<const QueuedEvent> events);

    /// An event was accepted, the newest of all: of it and of all later ones the scheduler knows
    /// whether they were sent, of earlier ones it does not.
    void accepted(Seq seq) noexcept {
        if (first_own_ == Seq::none) first_own_ = seq;
    }
    /// Events come back of which some may have been sent: accepted() begins again.
    void accepted_before() noexcept { first_own_ = Seq::none; }
    /// Whether accepted() was told of it: no other life of the daemon can have sent it.
    bool is_own(Seq seq) const noexcept { return first_own_ != Seq::none && seq >= first_own_; }

    /// While deliveries are held nothing is posted; events are accepted as ever. As long as the
    /// spool came from another machine.
    void hold_deliveries(bool hold) noexcept { deliveries_held_ = hold; }
    bool deliveries_held() const noexcept { return deliveries_held_; }

    /// When the scheduler or retry_loads() may have something, if nothing comes in before.
    std::optional<MonoTime> next_wakeup(Now now) const;

private:
    std::uint64_t hash() const;

    const RelayOptions& options_;
    const TokenTable& tokens_;
    Log& log_;
    Scheduler scheduler_;
    ActiveSet active_;
    Refusals refusals_;
    std::uint32_t number_ = 0;                     ///< SentWith::destination
    std::map<std::uint32_t, std::string> former_;  ///< the last few base URLs
    std::map<TokenId, WallTime> remembered_holds_;
    std::optional<MonoTime> retry_loads_at_;
    /// From this event on the scheduler knows of each whether it was sent. None: of none yet.
    Seq first_own_ = Seq::none;
    bool deliveries_held_ = false;
};

}  // namespace flowrelay::core
