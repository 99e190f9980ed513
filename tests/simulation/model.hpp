// Tracks each event of the simulation and checks what must never happen. It uses only what is
// visible from outside: answers to producers, requests to the server, and the contents of the disk
// after a start.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "flowrelay/core/ledger.hpp"
#include "flowrelay/core/relay.hpp"
#include "flowrelay/core/stored_event.hpp"
#include "flowrelay/core/verdict.hpp"
#include "refused_rows.hpp"
#include "server.hpp"
#include "setup.hpp"
#include "slots.hpp"
#include "waits.hpp"

namespace flowrelay::test {

/// Numbers a copy: an event with several routes has one in each of their slots. Other events count
/// as one copy. Most of the model's functions take numbers of copies.
constexpr std::uint64_t copy_number(std::uint64_t event, std::size_t slot) {
    return (event << 16U) + slot;
}
constexpr std::uint64_t event_number(std::uint64_t copy) {
    return copy >> 16U;
}

class Model {
public:
    /// `setup` outlives the model.
    Model(const core::RelayOptions& options, const Setup& setup)
        : setup_(setup),
          waits_(options.scheduler, options.retry_after_cap,
                 [this](std::string what) { violation(std::move(what)); }),
          letter_limits_(options.dead_letters),
          gone_grace_(options.gone_grace) {}

    /// Violations found so far. One may occur more than once.
    const std::vector<std::string>& violations() const noexcept { return violations_; }
    void violation(std::string what);

    // ---- producers

    /// The source that a producer names.
    struct Address {
        std::string name;  ///< if empty, the token identifies the source
        std::size_t token = 0;
    };
    struct HandedIn {
        std::uint64_t number = 0;
        Address to;
        std::string thread;
        std::string uuid;  ///< chosen by the producer; may be empty
        std::optional<Milliseconds> expires_in;
    };
    /// Returns the copies that there are of the event if it is accepted; one at least.
    std::vector<std::uint64_t> handed_in(const HandedIn& event, Now now);
    /// The relay has not refused the event immediately.
    void taken(std::uint64_t number);
    struct Copy {
        std::uint64_t number = 0;
        bool passes = true;  ///< as its filter was when it was handed in
    };
    /// The copies of one event were accepted together.
    void accepted(const std::vector<Copy>& copies, const std::string& id, bool duplicate);
    void rejected(std::uint64_t number, core::RejectCode code);
    /// Whether the filter of its source lets the event pass that is handed in now.
    bool passes(std::uint64_t number) const;
    void filtered(const Copy& copy);
    std::uint64_t filtered_events() const noexcept { return filtered_; }
    /// The copies that the event has or could have had so far.
    std::vector<std::uint64_t> copies_of(std::uint64_t event) const;
    /// The copy of the event that lies in this slot.
    std::uint64_t copy_in(std::uint64_t event, TokenId slot) const;

    // ---- the disk

    /// The event is durable; its producer will get the answer.
    void durable(std::uint64_t number, Seq seq, WallTime expires);
    /// The event becomes a dead letter because of its age.
    void expires(Seq seq, Now now);

    // ---- operators

    /// An operator replays dead letters. The outcome is open until that is durable.
    void may_be_replayed(const std::vector<Seq>& letters);
    void replayed(Seq seq);

    /// An operator drops an event or a dead letter. The event is no longer sent, and either may be
    /// gone at the next start. Returns false if an earlier drop of it failed.
    bool drop_begins(Seq seq, bool is_letter);
    enum class Drop { done, refused, failed };
    void drop_ends(Seq seq, Drop how, Now now);
    bool is_unsure_of_a_drop() const;

    /// An operator retries the event now: the waits of its lane and its token end.
    void retried(Seq seq, Now now);
    void set_letter_limits(const core::DeadLetterLimits& limits) { letter_limits_ = limits; }
    std::vector<Seq> held() const;  ///< events held for an operator
    /// Sets which configured sources hold rejected events.
    void set_holding(std::function<bool(const std::string& name)> holding) {
        holding_ = std::move(holding);
    }

    void reloaded(Now now);
    void moved();

    // ---- names and tokens (model_sources.cpp)

    const Slots& slots() const noexcept { return slots_; }
    /// Assigns the relay's id to a slot.
    void bind(std::size_t slot, TokenId id) { slots_.bind(slot, id); }
    /// The relay has forgotten a slot. `window`: the deduplication window.
    void slot_forgotten(std::size_t slot, Milliseconds window, Now now);
    /// The relay may have lost ids of earlier events, and has logged that.
    void ids_lost();
    std::uint64_t forgotten_slots() const noexcept { return forgotten_slots_; }
    /// The setup has been loaded. Returns whether the registry must change.
    bool configured();
    void source_added(const std::string& name, std::size_t token);
    void source_rotated(std::size_t slot, std::size_t token);
    void source_removed(std::size_t slot, Now now);
    void source_filtered(std::size_t slot, unsigned filter);
    /// The filter of a slot that is in force.
    unsigned filter_of(std::size_t slot) const;
    /// The changes of these slots up to this one are on the disk.
    void slots_saved(const std::vector<TokenId>& ids, std::size_t change);
    void all_slots_saved() { slots_.all_saved(); }
    void removal_saved(std::size_t slot);
    bool is_gone(std::size_t slot) const { return told_gone_.contains(slot); }
    /// Returns the slot in which the relay must store an event.
    std::optional<std::size_t> slot_of(std::uint64_t number) const;
    /// Returns whether the request used another token or destination than the current setup.
    bool is_outdated(std::uint64_t number);
    /// Returns the number of the change, to pass to pause_saved().
    std::uint64_t pause_begins(std::size_t slot, bool paused);
    void pause_saved(std::size_t slot, std::uint64_t change);
    bool is_paused(std::size_t slot) const;

    /// An operator has enabled the slot after a 410; durable after enable_saved().
    void enabled(std::size_t slot);
    void enable_saved(std::size_t slot) { enabled_.erase(slot); }

    /// Returns the events that are queued, as far as is visible from outside.
    std::vector<Seq> queued() const;
    std::vector<Seq> under_way() const;

    // ---- the server

    /// The event was assigned: events replayed from now on can't precede it.
    void assigned(Seq seq, Now now);
    void unassigned(Seq seq);
    /// The event was not posted: it could not be read, or its token is gone.
    void not_posted(Seq seq, Now now);
    /// The request was not written.
    void withdrawn(Seq seq);
    void requested(const PostedEvent& post, Seq seq, Now now);
    /// The relay has sent PUT /sources. Returns the token.
    std::size_t reported(std::string_view body, Now now);
    /// The relay has sent GET /sources with this token. Returns the slot of its source, if there is
    /// one.
    std::optional<std::size_t> asked_for(std::size_t token);
    /// The answer to GET /sources was a 410.
    void found_gone(std::size_t slot, Now now);
    /// The server has processed the event, whatever it answers.
    void processed(std::uint64_t number);
    /// State that only the relay can know, for judging an answer.
    struct Seen {
        bool others_queued = false;  ///< other tokens have events queued in memory
        std::uint64_t thread = 0;
        RefusedRows::Threads threads{};
        bool of_all = false;
    };
    void answered(std::uint64_t number, const Server::Reply& reply, Seen seen, Now now);
    /// Returns the first event of each lane that has any. Skips events over their age.
    struct Head {
        Seq seq = Seq::none;
        std::size_t slot = 0;
    };
    std::vector<Head> heads(Now now) const;
    /// Returns whether an event of the lane is held for an operator.
    bool has_held(const Head& head) const;
    /// Returns whether an event of the lane has died in this process, which may not be on the disk
    /// yet.
    bool has_died(const Head& head) const;
    /// Returns whether the server's answers allow the lane to wait until then.
    bool may_wait(const Head& head, MonoTime until) const;

    Waits& waits() noexcept { return waits_; }
    const Waits& waits() const noexcept { return waits_; }

    /// The event was refused and stays queued, because the dead letters are full.
    void found_no_room(std::uint64_t number);
    /// Returns how many tokens were found whose events are all refused alike, which needs an
    /// operator.
    std::uint64_t refused_rows() const noexcept { return refused_rows_; }

    /// The request ended without an answer.
    void given_up(std::uint64_t number);

    // ---- processes

    /// What a starting process finds on the disk.
    struct Found {
        struct Queued {
            std::uint64_t number = 0;
            Seq seq = Seq::none;
            std::string id;
            WallTime expires;
            TokenId slot = TokenId::none;
        };
        std::vector<Queued> queued;
        std::vector<core::DeadLetter> letters;  ///< those with `replayed` are queued as well
        std::vector<Slots::Found> slots;
        core::Ledger ledger;
    };
    void ended(Now now);
    void started(const Found& found, Now now);

    /// The disk fails or is full: outcomes may not reach it from now on.
    void disk_in_trouble() { disk_in_trouble_ = true; }

    /// Checks the final state, when nothing more is pending.
    void finished(const Found& found);

    std::uint64_t accepted_events() const noexcept { return accepted_; }
    /// Accepted events with several copies, and those with copies that were accepted before.
    std::uint64_t several() const noexcept { return several_; }
    std::uint64_t completed() const noexcept { return completed_; }
    std::uint64_t requests() const noexcept { return requests_; }
    std::uint64_t repeats() const noexcept { return repeats_; }
    std::uint64_t dropped() const noexcept { return dropped_; }
    std::uint64_t enables() const noexcept { return enables_; }
    std::uint64_t no_rooms() const noexcept { return no_rooms_; }
    std::uint64_t holds() const noexcept { return holds_; }
    std::uint64_t reports() const noexcept { return reports_; }
    std::uint64_t checks() const noexcept { return checks_; }
    std::uint64_t found_gone() const noexcept { return found_gone_; }
    std::uint64_t outdated() const noexcept { return outdated_; }
    std::uint64_t renames() const noexcept { return renames_; }
    std::uint64_t rotations() const noexcept { return rotations_; }
    std::uint64_t additions() const noexcept { return additions_; }
    std::uint64_t removals() const noexcept { return removals_; }

private:
    enum class Last { none, open, unsettled, delivered, rejected, held, no_room, dropped, gone };
    struct Event {
        std::uint64_t number = 0;  ///< of the copy
        HandedIn handed;
        bool may_pass = false;  ///< a filter has let it pass
        std::size_t slot = 0;
        std::size_t change = 0;  ///< last change of the slots when it was taken; 0: not pending
        std::string id;
        Seq seq = Seq::none;
        /// The first time it was submitted and may have been stored: its id is known from then on.
        MonoTime handed_at;
        /// In elapsed time: before this it can't have expired.
        MonoTime not_before = MonoTime::max();
        std::set<WallTime> may_expire;  ///< from each time it was submitted
        WallTime expires = WallTime::max();
        bool accepted = false;
        bool in_doubt = false;      ///< handed in, not answered, or answered with a failure
        bool was_in_doubt = false;  ///< before it was handed in the last time
        unsigned processed = 0;
        Last last = Last::none;
        unsigned last_life = 0;
        MonoTime told_at;
        unsigned times_handed_in = 0;
        bool refused_with_all = false;
        bool overtaken = false;  ///< a later event of its lane was posted after it was refused
        /// The event that was assigned when this one was replayed.
        Seq may_be_overtaken_by = Seq::none;
        bool dropping = false;  ///< an operator drops it, with unknown result
        bool dropping_letter = false;
        bool id_lost = false;
        bool erased = false;     ///< a start did not find it
        bool forgotten = false;  ///< settled; its id may have been erased with its token
        std::size_t token = 0;   ///< token of its last request
        unsigned moves = 0;      ///< changes of the destination before that
    };
    using Lane = std::pair<std::size_t, std::string>;

    core::AttemptResult seen_in_its_row(Event& event, const core::AttemptResult& result,
                                        Seen& seen);
    static Lane lane_of(const Event& event) { return {event.slot, event.handed.thread}; }
    static bool is_final(const Event& event) {
        return event.last == Last::delivered || event.last == Last::rejected ||
               event.last == Last::dropped;
    }
    std::string name(const Event& event) const;
    Event& at(std::uint64_t number);
    Event* find(Seq seq);
    const Event* find(Seq seq) const;
    void set_expiry(Event& event, WallTime when);
    void queue_again(Event& event);
    void gone(std::size_t slot, Now now);
    void leave(std::size_t slot);
    void check_gone(std::size_t slot, const std::string& what);
    struct FoundStates {
        std::set<std::size_t> gone;
        std::set<std::size_t> paused;
    };
    FoundStates slots_found(const Found& found);
    void gone_found(const FoundStates& found);
    void check_paused(const FoundStates& found);
    void changed(const Slots::Changes& changes);
    std::vector<std::size_t> slots_named(const Address& to);
    void copy_handed_in(Event& event, Now now);
    bool copy_accepted(Event& event, const std::string& id, bool may_be_known);
    void settle_drop(Event& event, bool is_there);
    void settle_erasure(Event& event);
    bool may_be_erased(const Event& event) const;
    bool is_held(const Event& event) const;
    /// Only slots of configured sources have settings.
    bool holds(std::size_t slot) const {
        const auto& is = slots_.at(slot).is;
        return is.kind == Slots::Kind::configured && holding_(is.name);
    }
    void release_held(std::size_t slot);
    void check_order(const Event& event, Now now);
    void note_overtaken(const Event& by);
    void check_letters(const Found& found, bool at_the_end);
    void check_books(const Found& found);
    bool is_erased(const Event& event) const { return told_gone_.contains(event.slot); }

    void answered_to_former(Event& event, const core::AttemptResult& result);

    const Setup& setup_;
    Slots slots_;
    std::vector<std::string> violations_;
    std::map<std::uint64_t, Event> events_;
    std::map<Lane, std::map<Seq, std::uint64_t>> pending_;
    std::map<Lane, std::uint64_t> in_flight_;
    std::map<Lane, std::set<std::uint64_t>> died_;  ///< refused permanently in this process
    std::set<Seq> asked_to_replay_;
    Waits waits_;
    core::DeadLetterLimits letter_limits_;
    Milliseconds gone_grace_;
    RefusedRows rows_;
    std::set<Seq> has_to_go_back_;
    std::uint64_t refused_rows_ = 0;
    std::map<Lane, Seq> assigned_;
    // Slots that are gone, by a 410 or an operator.
    struct Gone {
        unsigned life = 0;
        Now told_at;
        /// An earlier 410 was undone, which may not be on the disk: a start may continue its grace.
        Now on_disk_since;
        bool removed = false;  ///< by an operator: immediate and permanent
        bool removal_saved = false;
    };
    std::map<std::size_t, Gone> told_gone_;
    std::set<std::size_t> durably_gone_;
    std::map<std::size_t, Gone> enabled_;  ///< not saved yet, so it may be lost
    struct Pause {
        bool now = false;
        std::optional<bool> saved = false;  ///< nothing: unknown
        std::uint64_t change = 0;           ///< the change that set `now`
    };
    std::map<std::size_t, Pause> pauses_;
    std::uint64_t pause_changes_ = 0;
    std::function<bool(const std::string&)> holding_ = [](const std::string&) { return false; };
    std::map<std::size_t, WallTime> reported_at_;
    std::uint64_t dropped_ = 0;
    std::uint64_t enables_ = 0;
    std::uint64_t holds_ = 0;
    std::uint64_t no_rooms_ = 0;
    std::uint64_t reports_ = 0;
    std::uint64_t checks_ = 0;
    std::uint64_t found_gone_ = 0;
    std::uint64_t outdated_ = 0;
    std::uint64_t renames_ = 0;
    std::uint64_t rotations_ = 0;
    std::uint64_t additions_ = 0;
    std::uint64_t removals_ = 0;
    std::uint64_t filtered_ = 0;
    std::map<std::string, unsigned> filters_;  ///< of the configuration that is in force
    std::uint64_t forgotten_slots_ = 0;
    std::uint64_t dropped_or_erased_ = 0;  ///< which of the two is not visible
    unsigned life_ = 0;
    Now ended_at_;
    bool disk_in_trouble_ = false;
    std::uint64_t accepted_ = 0;
    std::uint64_t several_ = 0;
    std::uint64_t completed_ = 0;
    std::uint64_t requests_ = 0;
    std::uint64_t repeats_ = 0;
};

}  // namespace flowrelay::test
