// What becomes of events on their way out: hands out the next one, says whether its request may
// still be written, and turns each answer into what is to be recorded.
//
//   next -> (may_be_sent before each write) -> attempted | withdraw | unreadable -> Effects
//
// Each assignment ends with exactly one of the three. It has the destination's scheduler judge and
// wait, hands dead letters to LetterHolds, tokens that are gone to TokenLifecycle, and tells
// Reporting what has happened; none of them knows it. Pure; owned by one thread (the I/O thread).
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/log.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/destination.hpp"
#include "flowrelay/core/effects.hpp"
#include "flowrelay/core/letter_holds.hpp"
#include "flowrelay/core/liveness_checks.hpp"
#include "flowrelay/core/queued_event.hpp"
#include "flowrelay/core/relay_options.hpp"
#include "flowrelay/core/reporting.hpp"
#include "flowrelay/core/scheduler.hpp"
#include "flowrelay/core/stored_event.hpp"
#include "flowrelay/core/token_lifecycle.hpp"
#include "flowrelay/core/token_table.hpp"
#include "flowrelay/core/verdict.hpp"

namespace flowrelay::core {

class Delivery {
public:
    /// All arguments outlive it.
    Delivery(const RelayOptions& options, const TokenTable& tokens, RelayCounters& counters,
             Destination& destination, LetterHolds& letters, TokenLifecycle& lifecycle,
             Reporting& reporting, Log& log);
    Delivery(const Delivery&) = delete;
    Delivery& operator=(const Delivery&) = delete;

    /// Takes a wait that the server had asked for before the start, of the destination or of a
    /// known token.
    void restore(const Hold& hold, Now now);

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

    /// How a check of LivenessChecks ended.
    struct CheckEnd : CheckAnswer {
        Effects effects;  ///< of a source that is gone: as after the 410 to an event
    };
    /// `has_source`: whether the body of the answer is a source.
    CheckEnd end_check(const SourceCheck& check, const AttemptResult& result, bool has_source,
                       Now now);

    // ---- for operators (daemon/core/delivery_operations.cpp)

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

    /// The tokens that have threads which wait for an operator.
    std::set<TokenId> holding_tokens() const;
    /// Sources were configured: threads of those of these tokens whose sources hold rejected events
    /// no longer go on.
    void release_no_longer_held(const std::set<TokenId>& holding);

private:
    Effects conclude(const Assignment& assignment, const EventRecord& record,
                     const AttemptResult& result, Judgement judgement, Effects& effects, Now now);
    Effects answered_to_former(const Assignment& assignment, const EventRecord& record,
                               const AttemptResult& result, Now now);
    std::string widen_refusal(const Assignment& assignment, Judgement& judgement, Effects& effects);
    void settle_delivered(const Assignment& assignment, Effects& effects);
    void bury(const Assignment& assignment, const EventRecord& record, const AttemptResult& result,
              const Completion& completion, Effects& effects, Now now);
    void release_held(TokenId token);

    const RelayOptions& options_;
    const TokenTable& tokens_;
    RelayCounters& counters_;
    Destination& destination_;
    Scheduler& scheduler_;
    ActiveSet& active_;
    LetterHolds& letters_;
    TokenLifecycle& lifecycle_;
    Reporting& reporting_;
    Log& log_;
};

}  // namespace flowrelay::core
