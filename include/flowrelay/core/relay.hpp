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
#include "flowrelay/core/dedup_window.hpp"
#include "flowrelay/core/event.hpp"
#include "flowrelay/core/explain.hpp"
#include "flowrelay/core/history.hpp"
#include "flowrelay/core/letter_room.hpp"
#include "flowrelay/core/problem_reports.hpp"
#include "flowrelay/core/refusal_log.hpp"
#include "flowrelay/core/refusals.hpp"
#include "flowrelay/core/repeat_limiter.hpp"
#include "flowrelay/core/scheduler.hpp"
#include "flowrelay/core/source_checks.hpp"
#include "flowrelay/core/stored_event.hpp"
#include "flowrelay/core/token_table.hpp"
#include "flowrelay/core/verdict.hpp"

namespace flowrelay::core {

struct RelayOptions {
    SchedulerOptions scheduler;
    ActiveSetOptions active_set;
    Milliseconds retry_after_cap{3'600'000};
    std::uint64_t max_events_per_token = 0;  ///< queued; 0: no limit
    std::uint64_t max_event_size = 0;        ///< with its source's defaults; 0: no limit
    Milliseconds gone_grace{3'600'000};
    Milliseconds dedup_window{600'000};
    std::size_t dedup_entries = 200'000;  ///< bounds the memory of the window
    DeadLetterLimits dead_letters;
    ProblemReportTimes problem_reports;
    bool accept_unknown_tokens = true;
    std::size_t max_unknown_tokens = 100'000;  ///< slots of tokens that belong to no source
    /// How many of these are kept at most that have no events, those that were used last.
    std::size_t unused_tokens = 10'000;
    /// How many are kept: few enough for new tokens to find room. The newest slot is kept besides.
    std::size_t kept_unused_tokens() const noexcept {
        return std::min(unused_tokens, (std::max<std::size_t>(max_unknown_tokens, 1) - 1) / 2);
    }
    Milliseconds check_idle_sources{0};  ///< see SourceChecks; 0: none is asked for
    std::string destination;             ///< the base URL
    std::string route;  ///< what else decides where requests go: another path, a proxy
};

/// A source that the server is asked for.
struct SourceCheck {
    TokenId token = TokenId::none;
    SentWith with;
    bool asked = false;  ///< by an operator
};

/// Counts since the process started.
struct RelayCounters {
    std::uint64_t accepted = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t filtered = 0;  ///< answered as accepted, and neither stored nor delivered
    std::uint64_t rejected = 0;  ///< submissions, and requests that could not be any
    std::uint64_t delivered = 0;
    std::uint64_t attempts = 0;   ///< requests made
    std::uint64_t retried = 0;    ///< attempts after which the event waits
    std::uint64_t ambiguous = 0;  ///< of these: written, but not answered
    std::uint64_t dead = 0;       ///< deaths, expired events included
    std::uint64_t expired = 0;
    std::uint64_t dropped_by_age = 0;       ///< dead letters over dead_letters.max_age
    std::uint64_t dropped_by_operator = 0;  ///< queued events and dead letters
};

class Relay {
public:
    /// `log` outlives the relay. `tokens` is what the registry holds.
    Relay(RelayOptions options, const Salt& salt, std::vector<TokenEntry> tokens, Random random,
          Log& log);

    /// Replaces the options. Waits already in progress keep their deadlines, unless the destination
    /// or the route is another one: then nothing that was said by the former one counts.
    void set_options(RelayOptions options);

    /// If the destination is in trouble the next probe may be sent at once.
    void try_destination_now(Now now) { scheduler_.hurry_destination(now); }

    /// Takes the sources of the configuration in the place of the former ones; gives what the
    /// registry has to hold. A token that was parked is tried at once.
    std::vector<TokenEntry> configure(std::vector<ConfiguredSource> sources, Now now);

    /// Takes what recovery found of one token, after configure().
    void restore(TokenId token, std::uint64_t queued, Seq first);
    /// Logs that `missing` of the dead letters that the books have are not in their file.
    void tell_letters_missing(std::uint64_t missing, std::uint64_t kept);
    /// Logs that a token is unknown (Token::unknown), and what the spool holds of it.
    void tell_unknown(TokenId token, std::uint64_t queued, std::uint64_t dead_letters);
    /// So many ids fit into the deduplication window.
    std::size_t dedup_capacity() const noexcept { return options_.dedup_entries; }
    void remember(TokenId token, std::string_view id, WallTime accepted);
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

    // ---- submissions

    /// Make this durable (the token first, if there is one), then call committed().
    struct Append {
        EventRecord record;
        std::optional<TokenEntry> new_token;
    };
    /// Was handed in before, perhaps a moment ago: when all that was handed to storage before now
    /// is committed, answer what confirm() says.
    struct Duplicate {
        TokenId token = TokenId::none;
        std::string id;
        std::uint64_t failures = 0;  ///< commits of events with ids that had failed before
    };
    /// The filter of its source does not let it pass: there is nothing to be done but to answer.
    struct Filtered {
        std::string id;
    };
    using Decision = std::variant<Append, Duplicate, Filtered, Rejection>;

    Decision submit(Submission submission, Now now, const Submitter& by = {});

    /// Counts and logs what was refused before it was an event (it is no JSON, no request for
    /// /messages, ...); returns the rejection.
    Rejection refuse(Rejection rejection, const Submitter& by, Now now);

    /// Logs that a producer has let `bytes` of answers lie for a minute.
    void note_unread(const Submitter& by, std::uint64_t bytes);

    /// The event is durable as `seq`. True: the scheduler has it; otherwise it waits on disk.
    bool committed(const EventRecord& record, Seq seq);

    /// It is not; gives what to tell the producer. `full`: try again later.
    Rejection commit_failed(const EventRecord& record, bool full);

    /// Whether a duplicate still is one: its original may have failed meanwhile.
    bool confirm(const Duplicate& duplicate, Now now);

    /// From now on submissions are refused with shutting_down.
    void stop_accepting() noexcept { accepting_ = false; }
    bool accepting() const noexcept { return accepting_; }

    // ---- deliveries

    /// What has to be recorded after an attempt or with the passing of time.
    struct Effects {
        std::optional<Settlement> settle;
        std::vector<DeadLetter> bury;    ///< without the events: storage has them
        std::vector<TokenEntry> tokens;  ///< for the registry
        std::vector<Seq>
            replay;  ///< dead letters that have to be queued again, perhaps just buried
        std::optional<Hold> hold;  ///< for the registry: no harm if it can't be written
    };

    std::optional<Assignment> next(Now now);

    /// What to read of the backlog on disk; see ActiveSet.
    std::optional<LoadRequest> next_load() { return active_.next_load(); }
    void loaded(const LoadRequest& request, const LoadedSlice& slice);
    void load_failed(const LoadRequest& request, std::string_view reason, Now now);

    /// Dead letters that are to be delivered after all, at start or by an operator: each takes its
    /// old place in its lane. Those of tokens that are gone or unknown stay where they are.
    void replayed(std::span<const QueuedEvent> events);

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

    /// By an operator: an event that was rejected, and whose lane is held, is tried again. False:
    /// its lane is not held.
    bool release_lane(Seq seq) { return scheduler_.release_lane(seq); }

    /// The attempt was not made (the daemon stops).
    void release(const Assignment& assignment, Now now) { withdraw(assignment, false, now); }

    /// Events that have grown too old: no more than the dead letters have room for. The others stay
    /// queued and are tried on.
    Effects expire(Now now);

    /// Entries were put into the registry, or could not be: those are tried again in a while. A
    /// token that is gone, or was removed, is not erased before its entry says so durably.
    void tokens_saved(std::span<const TokenEntry> entries);
    void tokens_not_saved(std::span<const TokenEntry> entries, std::string_view reason, Now now);
    std::vector<TokenEntry> take_unsaved_tokens(Now now);

    /// Once an hour, and after set_options(): dead letters older than this have to be dropped.
    std::optional<Milliseconds> take_due_trim(Now now);
    /// So many were.
    void letters_aged(std::uint64_t letters) { counters_.dropped_by_age += letters; }

    /// Slots whose grace is over, to be erased; none of them twice unless erase_failed() says so.
    std::vector<TokenId> take_due_erasures(Now now);

    /// The events of a slot are erased: gives the entry without its secret for the registry.
    std::vector<TokenEntry> erasing(std::span<const TokenId> tokens, Now now);

    /// The secret has gone from the registry as well: nothing is left of the slot but a
    /// fingerprint.
    void erased(TokenId token, std::uint64_t events, std::uint64_t dead_letters);

    /// Any of these steps failed: it all is tried again in a minute.
    void erase_failed(TokenId token, std::string_view reason, Now now);

    /// So many events of a slot whose erasure failed are still there.
    void left_to_erase(TokenId token, std::uint64_t events);

    /// Why what is stored for a token that is gone or was removed can't be erased at present: the
    /// disk is full, say. Empty if nothing has failed.
    std::string erasure_waits(TokenId token) const;

    /// When to call next(), expire() and take_due_erasures() again if nothing comes in before.
    std::optional<MonoTime> next_wakeup(Now now) const;

    // ---- tokens that came with events and have none any more (daemon/core/unused_tokens.cpp)

    /// Whether take_unused_tokens() may have something. O(1).
    bool may_have_unused() const noexcept {
        return tokens_.direct() > options_.kept_unused_tokens() && leaving_.empty();
    }
    /// Slots that could be forgotten, should their outcomes be durable and none have dead letters:
    /// forget_unused() has to follow with those of which both is so. Nothing until then. As long
    /// as there is no room for a new token, at least half of those that could be are given.
    std::vector<TokenId> take_unused_tokens(Now now);
    /// Forgets those that have not been used meanwhile, and returns them: what the disk still has
    /// of their delivered events is to be erased, and then the registry can drop them. A token that
    /// comes back gets a new slot at once.
    std::vector<TokenId> forget_unused(std::span<const TokenId> without_letters);
    /// That erasure failed: take_unerased() returns them again in a minute.
    void forget_failed(std::span<const TokenId> slots, Now now);
    std::vector<TokenId> take_unerased(Now now);

    // ---- reports to the flow (daemon/core/relay_reports.cpp)

    /// What is to be said of a source now; one at a time: end_report() or release_report() follows.
    /// Nothing while the destination is not well.
    std::optional<ProblemReport> next_report(Now now);
    /// Whether it may still be written, as for an event.
    bool may_be_sent(const ProblemReport& report) const;
    void end_report(const ProblemReport& report, const AttemptResult& result, Now now);
    /// It was not made (the daemon stops).
    void release_report(const ProblemReport& report) { reports_.release(report); }

    // ---- whether sources live (daemon/core/relay_checks.cpp)

    /// A source that has been idle for long and is to be asked for now; one at a time: end_check()
    /// or release_check() follows. Nothing while the destination is not well or deliveries are
    /// held.
    std::optional<SourceCheck> next_check(Now now);
    /// Why a slot can't be asked for, if so.
    std::optional<Refusal> refuse_check(TokenId token) const;
    /// The same as next_check(), of a slot that refuse_check() lets pass, whatever else is so.
    SourceCheck begin_check(TokenId token, bool asked);
    bool is_checking() const noexcept { return checks_.busy(); }
    /// Whether it may still be written, as for an event.
    bool may_be_sent(const SourceCheck& check) const;
    struct CheckEnd {
        SourceLife life = SourceLife::unanswered;
        int status = 0;      ///< of the answer; 0: there is none that counts
        std::string reason;  ///< for people
        Effects effects;     ///< of a source that is gone: as after the 410 to an event
    };
    /// `has_source`: whether the body of the answer is a source.
    CheckEnd end_check(const SourceCheck& check, const AttemptResult& result, bool has_source,
                       Now now);
    /// It was not asked for (the daemon stops).
    void release_check(Now now) { checks_.release(now.mono); }

    // ---- for operators (daemon/core/relay_operations.cpp)
    //
    // Entries that come back are for the registry.

    Wish<TokenTable::Changes> add_source(const std::string& name, Secret secret, Now now,
                                         KnownFlowSource flow_source = {});
    Wish<TokenTable::Changes> rotate_source(TokenId token, Secret secret, Now now,
                                            KnownFlowSource flow_source = {});
    Wish<TokenTable::Changes> pause_source(TokenId token, Now now,
                                           TokenEntry::Pause why = TokenEntry::Pause::by_operator);
    /// Ends a pause; a token that is parked is tried at once.
    Wish<TokenTable::Changes> resume_source(TokenId token, Now now);
    /// See TokenTable::set_filter().
    Wish<TokenTable::Changes> set_source_filter(TokenId token, KnownFilter filter) {
        return tokens_.set_filter(token, std::move(filter));
    }
    /// Has all of it erased at once, without a grace. There is no way back.
    Wish<TokenTable::Changes> remove_source(TokenId token, Now now);
    /// What lies in the spool of a slot that is out of use.
    struct StoredBacklog {
        TokenId token = TokenId::none;
        std::uint64_t queued = 0;
        Seq first = Seq::none;             ///< of the queued ones
        std::vector<QueuedEvent> replays;  ///< its dead letters that are to be delivered after all
    };
    /// Takes a 410 back while nothing is erased yet, for all slots of the token: `backlogs` has
    /// those of TokenTable::gone_with(), the one that is meant first.
    Wish<TokenTable::Changes> enable_source(std::span<const StoredBacklog> backlogs, Now now);

    /// What holds the event waits no longer; a pause and rate limits stay.
    bool hurry(Seq seq, Now now) { return scheduler_.hurry(seq, now); }

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

    /// While deliveries are held nothing is posted; events are accepted as ever. As long as the
    /// spool came from another machine.
    void hold_deliveries(bool hold) noexcept { deliveries_held_ = hold; }
    bool deliveries_held() const noexcept { return deliveries_held_; }

    /// Why a queued event waits.
    Situation situation(const QueuedEvent& event) const;

    const History& history() const noexcept { return history_; }

    // ---- views

    const TokenTable& tokens() const noexcept { return tokens_; }
    TokenTable& tokens() noexcept { return tokens_; }
    const Scheduler& scheduler() const noexcept { return scheduler_; }
    /// Events that wait for delivery, of all tokens or of one.
    std::uint64_t queued() const noexcept { return active_.queued(); }
    /// Of a token that is gone: what still lies on disk until it is erased.
    std::uint64_t queued(TokenId token) const;
    /// retry.max_age.
    Milliseconds max_age() const noexcept { return options_.scheduler.max_age; }
    /// Those of a token, as Refusals wants to know them.
    Refusals::Threads threads_with_events(TokenId token) const;
    /// Whether its events are refused because spool.max_events_per_token is reached.
    bool at_quota(TokenId token) const;
    const RelayCounters& counters() const noexcept { return counters_; }
    const LetterRoom& letter_room() const noexcept { return letter_room_; }
    /// Threads that are held because the dead letters are full.
    std::size_t lanes_held_by_letters() const noexcept { return held_by_letters_.size(); }
    /// Why the destination does not take events, in a sentence; empty when it does.
    const std::string& destination_reason() const noexcept { return destination_reason_; }
    /// The same for a token.
    std::string token_reason(TokenId token) const;

private:
    struct Erasure {
        TokenId token;
        WallTime due;
    };

    Rejection rejected(Rejection rejection, std::string_view label,
                       const std::optional<Producer>& by, MonoTime now);
    /// Events of a token that are queued or on their way to the disk.
    std::uint64_t counted_for_quota(TokenId token) const;
    Rejection refuse_over_quota(TokenId token, Now now, const std::optional<Producer>& by);
    void note_below_quota(TokenId token);
    Rejection refuse_new_token(Now now, const std::optional<Producer>& by);
    Filtered filter_out(TokenId token, FilterList list, std::string uuid, Now now);
    bool is_unused(const Token& token) const;
    void no_longer_uncommitted(TokenId token);
    TokenEntry carry_entry(TokenId token, const std::string& event_id);
    void entry_arrived(const EventRecord& record);
    std::map<TokenId, Fingerprint> fingerprints() const;
    void renew_changed_tokens(const std::map<TokenId, Fingerprint>& before);
    std::set<TokenId> holding_tokens() const;
    void release_held(TokenId token);
    void destination_changed(const RelayOptions& to);
    std::uint64_t destination_hash() const;
    SentWith sent_with_now(TokenId token) const;
    bool is_outdated(const Assignment& assignment) const;
    Effects answered_to_former(const Assignment& assignment, const EventRecord& record,
                               const AttemptResult& result, Now now);
    void log_answer_to_former(const Assignment& assignment, const EventRecord& record,
                              const AttemptResult& result, const Completion& completion);
    void settle_delivered(const Assignment& assignment, Effects& effects);
    void apply_token_states();
    void apply_state(TokenId id, const Token& token);
    void take_out(TokenId token);
    std::optional<Refusal> refuse_enable(std::span<const StoredBacklog> backlogs) const;
    void one_doomed_less(const Assignment& assignment);
    void schedule_erasure(const TokenEntry& entry);
    void schedule_erasures();
    std::string widen_refusal(const Assignment& assignment, Judgement& judgement, Effects& effects);
    void bury(DeadLetter letter, std::uint64_t event_bytes, Effects& effects);
    void note_letter_room(Now now);
    void release_held_by_letters();
    void bury(const Assignment& assignment, const EventRecord& record, const AttemptResult& result,
              const Completion& completion, Effects& effects, Now now);
    Effects conclude(const Assignment& assignment, const EventRecord& record,
                     const AttemptResult& result, Judgement judgement, Effects& effects, Now now);
    std::optional<Hold> hold_to_remember(TokenId token, const Judgement& judgement,
                                         std::optional<Scope> scope, Now now);
    void log_event(const LogEvent& line, const Assignment& assignment, const EventRecord& record,
                   const AttemptResult& result, const Completion& completion,
                   std::initializer_list<LogField> more);
    void log_held(const Assignment& assignment, const EventRecord& record,
                  const AttemptResult& result, const Completion& completion);
    bool is_news(std::string_view quirk, MonoTime now);
    void log_attempt(const Assignment& assignment, const EventRecord& record,
                     const AttemptResult& result, const Completion& completion, Now now);
    void log_destination(const Assignment& assignment, const AttemptResult& result,
                         const Completion& completion, Now now);
    void log_state_changes(const Assignment& assignment, const AttemptResult& result,
                           const Completion& completion, Now now);
    void disable(TokenId token, Effects& effects, Now now);
    void note_for_reports(const Assignment& assignment, const AttemptResult& result,
                          const Completion& completion, Now now);
    bool can_report(TokenId token) const;
    void watch_source(TokenId id, const Token& token, Now now);
    std::optional<MonoTime> next_check_wakeup() const;
    std::optional<MonoTime> next_report_wakeup() const;
    void remember_attempt(const Assignment& assignment, const EventRecord& record,
                          const AttemptResult& result, const Completion& completion, Now now);
    void remember_end(const DeadLetter& letter);

    RelayOptions options_;
    Log& log_;
    TokenTable tokens_;
    Scheduler scheduler_;
    ActiveSet active_;
    DedupWindow dedup_;
    std::deque<std::pair<TokenId, std::uint64_t>> failed_ids_;  ///< the last, by their hashes
    std::uint64_t forgotten_failures_ = 0;                      ///< that came before these
    std::map<TokenId, std::uint64_t> doomed_;                   ///< events of tokens that are gone
    /// Tokens at their quota, and when the next reminder of that is due.
    std::unordered_map<TokenId, MonoTime> over_quota_;
    std::unordered_map<TokenId, std::uint64_t> uncommitted_;  ///< events on their way to the disk
    /// What an event on its way to the disk has with it: the entry of its slot, which is new or was
    /// changed.
    struct Carried {
        std::string event_id;  ///< empty: that one was not written, and any after it tells
        TokenEntry entry;
    };
    std::unordered_map<TokenId, Carried> carried_;
    /// Asked to be forgotten, with Token::used at that time.
    std::unordered_map<TokenId, std::uint64_t> leaving_;
    MonoTime look_for_unused_at_ = MonoTime::min();
    std::vector<TokenId> unerased_;  ///< forgotten slots
    MonoTime erase_unused_at_{};
    UuidGenerator ids_;
    RelayCounters counters_;
    Refusals refusals_;
    LetterRoom letter_room_;
    std::map<Seq, LaneId> unwritten_;  ///< see buried()
    std::set<Seq> held_by_letters_;    ///< events that were refused while there was no room
    std::optional<MonoTime> tell_letters_full_at_;
    RefusalLog refusal_log_{log_};
    History history_;
    ProblemReports reports_;
    RepeatLimiter report_lines_;
    SourceChecks checks_;
    RepeatLimiter check_lines_;
    std::vector<Erasure> erasures_;
    std::set<TokenId> erasing_;  ///< begun, perhaps in vain so far: some of it is gone
    std::map<TokenId, std::string> erase_failures_;  ///< of them: why it was in vain
    std::set<TokenId> unsaved_;  ///< the registry does not have the present entry yet
    std::set<TokenId> to_save_;  ///< of them: it was tried in vain
    std::optional<MonoTime> save_again_at_;
    std::map<TokenId, WallTime> remembered_holds_;
    MonoTime trim_at_ = MonoTime::min();
    std::optional<MonoTime> retry_loads_at_;
    RepeatLimiter retry_lines_;
    RepeatLimiter dead_lines_;
    std::map<std::string_view, MonoTime> quirks_told_;  ///< AttemptResult::quirk: when last
    std::string destination_reason_;
    std::uint32_t destination_ = 0;                             ///< SentWith::destination
    std::map<std::uint32_t, std::string> former_destinations_;  ///< the last few base URLs
    /// From this event on the scheduler knows of each whether it was sent. None: of none yet.
    Seq first_own_ = Seq::none;
    std::optional<MonoTime> trouble_since_;  ///< the destination takes no events
    MonoTime next_reminder_{};
    std::map<TokenId, std::string> token_reasons_;
    bool accepting_ = true;
    bool deliveries_held_ = false;
};

}  // namespace flowrelay::core
