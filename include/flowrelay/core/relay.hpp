// The heart of the relay: what comes in, what is to be done about it.
//
//   submit -> append -> committed -> next -> attempted -> settle | bury | wait
//
// It does no I/O and has no clock: what it decides it returns, and who calls it carries it out
// (runtime/engine in the daemon, a simulation in tests). Log lines go to the Log it was given.
// Owned by one thread (the I/O thread).
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "flowrelay/base/log.hpp"
#include "flowrelay/core/active_set.hpp"
#include "flowrelay/core/admission.hpp"
#include "flowrelay/core/dedup_window.hpp"
#include "flowrelay/core/destination.hpp"
#include "flowrelay/core/effects.hpp"
#include "flowrelay/core/event.hpp"
#include "flowrelay/core/explain.hpp"
#include "flowrelay/core/letter_room.hpp"
#include "flowrelay/core/liveness_checks.hpp"
#include "flowrelay/core/relay_options.hpp"
#include "flowrelay/core/reporting.hpp"
#include "flowrelay/core/scheduler.hpp"
#include "flowrelay/core/stored_event.hpp"
#include "flowrelay/core/token_lifecycle.hpp"
#include "flowrelay/core/token_table.hpp"
#include "flowrelay/core/unused_tokens.hpp"
#include "flowrelay/core/verdict.hpp"

namespace flowrelay::core {

class Relay {
public:
    /// `log` outlives the relay. `tokens` is what the registry holds.
    Relay(RelayOptions options, const Salt& salt, std::vector<TokenEntry> tokens, Random random,
          Log& log);
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

    /// Replaces the options. Waits already in progress keep their deadlines, unless the destination
    /// or the route is another one: then nothing that was said by the former one counts.
    void set_options(RelayOptions options);

    /// Takes the sources of the configuration in the place of the former ones; gives what the
    /// registry has to hold. A token that was parked is tried at once.
    std::vector<TokenEntry> configure(std::vector<ConfiguredSource> sources, Now now);

    /// Logs that `missing` of the dead letters that the books have are not in their file.
    void tell_letters_missing(std::uint64_t missing, std::uint64_t kept);
    /// A wait that the server had asked for, of the destination or of a known token.
    void restore(const Hold& hold, Now now);
    /// The store of dead letters holds this much now: at the start and after each change. Threads
    /// that are held because it was full go on as far as there is room.
    void letters_stored(const LetterUsage& usage, Now now);
    /// The deaths of these events are on the disk, or they are not queued there any more: their
    /// threads go on.
    void buried(std::span<const Seq> events);
    /// Dead letters that are not on the disk yet; each blocks its thread.
    std::size_t unwritten_letters() const noexcept { return unwritten_.size(); }

    // ---- deliveries

    std::optional<Assignment> next(Now now);

    /// Whether the request of an assignment may still be written: its token is the one that the
    /// slot has, and may be used; the destination is the same. To be asked before each write. No:
    /// the attempt ends with withdraw().
    bool may_be_sent(const Assignment& assignment) const;

    /// The request was not written, or not a second time after a kept connection had ended without
    /// an answer (`sent`): the event goes back as if it had not been given.
    void withdraw(const Assignment& assignment, bool sent, Now now);

    /// An answer counts for what the assignment was sent with. Should the slot or the destination
    /// have changed since, a 2xx settles the event, and anything else means that it can be sent
    /// again at once.
    Effects attempted(const Assignment& assignment, const EventRecord& record,
                      const AttemptResult& result, Now now);

    /// The event could not be read from disk. `damaged`: it never will be, and dies; otherwise its
    /// lane waits.
    Effects unreadable(const Assignment& assignment, std::string_view reason, bool damaged,
                       Now now);

    /// Events that have grown too old: no more than the dead letters have room for. The others stay
    /// queued and are tried on.
    Effects expire(Now now);

    /// Once an hour, and after set_options(): dead letters older than this have to be dropped.
    std::optional<Milliseconds> take_due_trim(Now now);
    /// So many were.
    void letters_aged(std::uint64_t letters) { counters_.dropped_by_age += letters; }

    /// When there may be something to do if nothing comes in before: for any part.
    std::optional<MonoTime> next_wakeup(Now now) const;

    /// How a check of LivenessChecks ended.
    struct CheckEnd : CheckAnswer {
        Effects effects;  ///< of a source that is gone: as after the 410 to an event
    };
    /// `has_source`: whether the body of the answer is a source.
    CheckEnd end_check(const SourceCheck& check, const AttemptResult& result, bool has_source,
                       Now now);

    // ---- for operators (daemon/core/relay_operations.cpp)

    enum class Drop {
        dropped,     ///< record it as such, then call drop_settled()
        in_flight,   ///< its request is under way
        not_queued,  ///< it has left meanwhile
    };
    /// `event`: as EventQueue::load() gave it; `id`: if it is known, for those who ask later.
    Drop drop(const QueuedEvent& event, std::string_view id, Now now);
    void drop_settled(Seq seq) { active_.settled(seq); }
    /// A dead letter was dropped: for those who ask later.
    void letter_dropped(const DeadLetter& letter, Now now);

    /// Why a queued event waits.
    Situation situation(const QueuedEvent& event) const;

    // ---- parts and views

    Destination& destination() noexcept { return destination_; }
    const Destination& destination() const noexcept { return destination_; }
    Reporting& reporting() noexcept { return reporting_; }
    const Reporting& reporting() const noexcept { return reporting_; }
    Admission& admission() noexcept { return admission_; }
    const Admission& admission() const noexcept { return admission_; }
    UnusedTokens& unused() noexcept { return unused_; }
    TokenLifecycle& lifecycle() noexcept { return lifecycle_; }
    const TokenLifecycle& lifecycle() const noexcept { return lifecycle_; }
    const RelayOptions& options() const noexcept { return options_; }
    const TokenTable& tokens() const noexcept { return tokens_; }
    TokenTable& tokens() noexcept { return tokens_; }
    const RelayCounters& counters() const noexcept { return counters_; }
    const LetterRoom& letter_room() const noexcept { return letter_room_; }
    /// Threads that are held because the dead letters are full.
    std::size_t lanes_held_by_letters() const noexcept { return held_by_letters_.size(); }

private:
    /// What the parts draw from, in the order in which they are named.
    struct Randomness {
        Random scheduler;
        Random ids;
        Random checks;
    };
    Relay(RelayOptions options, const Salt& salt, std::vector<TokenEntry> tokens,
          const Randomness& random, Log& log);

    std::set<TokenId> holding_tokens() const;
    void release_held(TokenId token);
    Effects answered_to_former(const Assignment& assignment, const EventRecord& record,
                               const AttemptResult& result, Now now);
    void settle_delivered(const Assignment& assignment, Effects& effects);
    std::string widen_refusal(const Assignment& assignment, Judgement& judgement, Effects& effects);
    void bury(DeadLetter letter, std::uint64_t event_bytes, Effects& effects);
    void note_letter_room(Now now);
    void release_held_by_letters();
    void bury(const Assignment& assignment, const EventRecord& record, const AttemptResult& result,
              const Completion& completion, Effects& effects, Now now);
    Effects conclude(const Assignment& assignment, const EventRecord& record,
                     const AttemptResult& result, Judgement judgement, Effects& effects, Now now);

    RelayOptions options_;
    Log& log_;
    TokenTable tokens_;
    RelayCounters counters_;
    Destination destination_;
    Scheduler& scheduler_ = destination_.scheduler();
    ActiveSet& active_ = destination_.active();
    Reporting reporting_;
    DedupWindow dedup_;
    TokenLifecycle lifecycle_;
    Admission admission_;
    UnusedTokens unused_;
    LetterRoom letter_room_;
    std::map<Seq, LaneId> unwritten_;  ///< see buried()
    std::set<Seq> held_by_letters_;    ///< events that were refused while there was no room
    std::optional<MonoTime> tell_letters_full_at_;
    MonoTime trim_at_ = MonoTime::min();
};

}  // namespace flowrelay::core
