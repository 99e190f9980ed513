// What the simulation knows of each event, and what must never happen. It sees the relay from
// outside alone: what producers were told, what the server saw, what lies on the disk after a
// start.
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

class Model {
public:
    /// `setup` outlives the model.
    Model(const core::RelayOptions& options, const Setup& setup)
        : setup_(setup),
          waits_(options.scheduler, options.retry_after_cap,
                 [this](std::string what) { violation(std::move(what)); }),
          letter_limits_(options.dead_letters),
          gone_grace_(options.gone_grace) {}

    /// Where what is wrong is said, each of them once or more.
    const std::vector<std::string>& violations() const noexcept { return violations_; }
    void violation(std::string what);

    // ---- producers

    /// Whom a producer names.
    struct Address {
        std::string name;  ///< or else by its token:
        std::size_t token = 0;
    };
    struct HandedIn {
        std::uint64_t number = 0;
        Address to;
        std::string thread;
        std::string uuid;  ///< the producer's own; may be empty
        std::optional<Milliseconds> expires_in;
    };
    /// Returns the slot that the event belongs to, if it is taken.
    std::size_t handed_in(const HandedIn& event, Now now);
    /// The relay has not refused it at once.
    void taken(std::uint64_t number);
    void accepted(std::uint64_t number, const std::string& id, bool duplicate);
    void rejected(std::uint64_t number, core::RejectCode code);

    // ---- the disk

    /// The event is durable; the producer will be told.
    void durable(std::uint64_t number, Seq seq, WallTime expires);
    /// It goes to the dead letters for its age.
    void expires(Seq seq, Now now);

    // ---- operators

    /// Dead letters are to be delivered after all; perhaps, until that is durable.
    void may_be_replayed(const std::vector<Seq>& letters);
    void replayed(Seq seq);

    /// An event, or a dead letter, is to be dropped: an event is held back from now on, and either
    /// may be gone at the next start. False: that was so before, and failed.
    bool drop_begins(Seq seq, bool is_letter);
    enum class Drop { done, refused, failed };
    void drop_ends(Seq seq, Drop how, Now now);
    bool is_unsure_of_a_drop() const;

    /// An operator wants it tried now: its lane is held no longer, its token asked to wait no more.
    void retried(Seq seq, Now now);
    void set_letter_limits(const core::DeadLetterLimits& limits) { letter_limits_ = limits; }
    std::vector<Seq> held() const;  ///< events that wait for an operator
    /// Configured sources of this name hold what is rejected.
    void set_holding(std::function<bool(const std::string& name)> holding) {
        holding_ = std::move(holding);
    }

    void reloaded(Now now);
    void moved();

    // ---- names and tokens (model_sources.cpp)

    const Slots& slots() const noexcept { return slots_; }
    /// What the relay calls a slot that it has made.
    void bind(std::size_t slot, TokenId id) { slots_.bind(slot, id); }
    /// The relay has forgotten a slot. `window`: how long an id is known.
    void slot_forgotten(std::size_t slot, Milliseconds window, Now now);
    /// Ids of earlier events may not be known any more, and the log has said so.
    void ids_lost();
    std::uint64_t forgotten_slots() const noexcept { return forgotten_slots_; }
    /// The setup has been loaded. Returns whether the registry has to hold something else.
    bool configured();
    void source_added(const std::string& name, std::size_t token);
    void source_rotated(std::size_t slot, std::size_t token);
    void source_removed(std::size_t slot, Now now);
    /// The changes of these slots up to this one are on the disk.
    void slots_saved(const std::vector<TokenId>& ids, std::size_t change);
    void all_slots_saved() { slots_.all_saved(); }
    void removal_saved(std::size_t slot);
    bool is_gone(std::size_t slot) const { return told_gone_.contains(slot); }
    /// The slot of an event; the relay has to store it there.
    std::optional<std::size_t> slot_of(std::uint64_t number) const;
    /// The request was made with another token, or to another destination, than the setup has.
    bool is_outdated(std::uint64_t number);
    /// Returns the number of the change, for pause_saved().
    std::uint64_t pause_begins(std::size_t slot, bool paused);
    void pause_saved(std::size_t slot, std::uint64_t change);
    bool is_paused(std::size_t slot) const;

    /// The relay has taken a 410 back, durably once it is saved.
    void enabled(std::size_t slot);
    void enable_saved(std::size_t slot) { enabled_.erase(slot); }

    /// Events that are queued, as far as anybody outside can know.
    std::vector<Seq> queued() const;
    std::vector<Seq> under_way() const;

    // ---- the server

    /// Its turn has come: what is replayed from now on comes too late to be in front of it.
    void assigned(Seq seq, Now now);
    void unassigned(Seq seq);
    /// It could not be read, or its token has gone.
    void not_posted(Seq seq, Now now);
    /// It was not written after all.
    void withdrawn(Seq seq);
    void requested(const PostedEvent& post, Seq seq, Now now);
    /// PUT /sources. Returns the token.
    std::size_t reported(std::string_view body, Now now);
    /// GET /sources, with this token. Returns the slot of its source, if there is one.
    std::optional<std::size_t> asked_for(std::size_t token);
    /// The answer to that was a 410.
    void found_gone(std::size_t slot, Now now);
    /// The server has taken it, whatever it answers.
    void processed(std::uint64_t number);
    /// What only the relay can know, and what follows.
    struct Seen {
        bool others_queued = false;  ///< of other tokens something is queued in memory
        std::uint64_t thread = 0;
        RefusedRows::Threads threads{};
        bool of_all = false;
    };
    void answered(std::uint64_t number, const Server::Reply& reply, Seen seen, Now now);
    /// The events whose turn it is, one of each lane that has any; those over their age left out.
    struct Head {
        Seq seq = Seq::none;
        std::size_t slot = 0;
    };
    std::vector<Head> heads(Now now) const;
    /// An event of its lane waits for an operator.
    bool has_held(const Head& head) const;
    /// An event of its lane has died in this life, and may not be on the disk as dead.
    bool has_died(const Head& head) const;
    /// Its lane may wait until then, after what the server answered.
    bool may_wait(const Head& head, MonoTime until) const;

    Waits& waits() noexcept { return waits_; }
    const Waits& waits() const noexcept { return waits_; }

    /// It was refused and stays queued, since the dead letters are full.
    void found_no_room(std::uint64_t number);
    /// Tokens whose events are all refused alike: an operator has to look.
    std::uint64_t refused_rows() const noexcept { return refused_rows_; }

    /// The request was given up without an answer.
    void given_up(std::uint64_t number);

    // ---- processes

    /// What is found at a start.
    struct Found {
        struct Queued {
            std::uint64_t number = 0;
            Seq seq = Seq::none;
            std::string id;
            WallTime expires;
            TokenId slot = TokenId::none;
        };
        std::vector<Queued> queued;
        std::vector<core::DeadLetter> letters;  ///< `replayed` ones are queued as well
        std::vector<Slots::Found> slots;
        core::Ledger ledger;
    };
    void ended(Now now);
    void started(const Found& found, Now now);

    /// From now on outcomes may not reach the disk: it fails or is full.
    void disk_in_trouble() { disk_in_trouble_ = true; }

    /// Everything has had its time.
    void finished(const Found& found);

    std::uint64_t accepted_events() const noexcept { return accepted_; }
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
        HandedIn handed;
        std::size_t slot = 0;
        std::size_t change = 0;  ///< of the slots, when it was taken; 0: it is not under way
        std::string id;
        Seq seq = Seq::none;
        MonoTime handed_at;  ///< the last time before it was accepted: its id counts from then on
        MonoTime not_before = MonoTime::max();  ///< in time that has passed: it can't have expired
        std::set<WallTime> may_expire;          ///< as handed in, once or more often
        WallTime expires = WallTime::max();
        bool accepted = false;
        bool in_doubt = false;  ///< handed in, not answered, or answered with a failure
        unsigned processed = 0;
        Last last = Last::none;
        unsigned last_life = 0;
        MonoTime told_at;
        unsigned times_handed_in = 0;
        bool refused_with_all = false;
        bool overtaken = false;  ///< a later one of its lane was posted after it was refused
        Seq may_be_overtaken_by = Seq::none;  ///< whose turn it was when this one was replayed
        bool dropping = false;                ///< an operator drops it; not known how that ended
        bool dropping_letter = false;
        bool id_lost = false;
        bool erased = false;     ///< a start has not found it any more
        bool forgotten = false;  ///< it is settled, and its id may have been erased with its token
        std::size_t token = 0;   ///< of its last request
        unsigned moves = 0;      ///< of the destination, before that
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
    std::size_t slot_named(const Address& to);
    void settle_drop(Event& event, bool is_there);
    void settle_erasure(Event& event);
    bool may_be_erased(const Event& event) const;
    bool is_held(const Event& event) const;
    /// Other slots than those of the configuration have no settings.
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
    std::map<Lane, std::set<std::uint64_t>> died_;  ///< refused for good in this life
    std::set<Seq> asked_to_replay_;
    Waits waits_;
    core::DeadLetterLimits letter_limits_;
    Milliseconds gone_grace_;
    RefusedRows rows_;
    std::set<Seq> has_to_go_back_;
    std::uint64_t refused_rows_ = 0;
    std::map<Lane, Seq> assigned_;
    // By a 410 or an operator.
    struct Gone {
        unsigned life = 0;
        Now told_at;
        /// An earlier 410 was taken back, and that may not be on the disk: a start may go on with
        /// its grace.
        Now on_disk_since;
        bool removed = false;  ///< by an operator: at once and for good
        bool removal_saved = false;
    };
    std::map<std::size_t, Gone> told_gone_;
    std::set<std::size_t> durably_gone_;
    std::map<std::size_t, Gone> enabled_;  ///< perhaps not for long: it is not saved yet
    struct Pause {
        bool now = false;
        std::optional<bool> saved = false;  ///< nothing: it may be either
        std::uint64_t change = 0;           ///< which one made it so
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
    std::uint64_t forgotten_slots_ = 0;
    std::uint64_t dropped_or_erased_ = 0;  ///< nobody was told which of the two
    unsigned life_ = 0;
    Now ended_at_;
    bool disk_in_trouble_ = false;
    std::uint64_t accepted_ = 0;
    std::uint64_t requests_ = 0;
    std::uint64_t repeats_ = 0;
};

}  // namespace flowrelay::test
