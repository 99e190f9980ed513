// What the relay tells of its deliveries: the log lines of attempts, the reasons why tokens and the
// destination take no events, what is remembered for operators (History), what the flows are told
// (FlowReports) and whether sources live in them (LivenessChecks).
//
// Others tell it what has happened; it decides what is worth a line, and limits repetition. Reads
// the token table and the destination, changes neither. No other part is known to it. Pure; owned
// by one thread (the I/O thread).
#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/log.hpp"
#include "flowrelay/base/random.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/destination.hpp"
#include "flowrelay/core/flow_reports.hpp"
#include "flowrelay/core/history.hpp"
#include "flowrelay/core/liveness_checks.hpp"
#include "flowrelay/core/problem_reports.hpp"
#include "flowrelay/core/relay_options.hpp"
#include "flowrelay/core/repeat_limiter.hpp"
#include "flowrelay/core/scheduler.hpp"
#include "flowrelay/core/stored_event.hpp"
#include "flowrelay/core/token_table.hpp"
#include "flowrelay/core/verdict.hpp"

namespace flowrelay::core {

class Reporting {
public:
    /// All arguments but `random` outlive it.
    Reporting(const RelayOptions& options, const TokenTable& tokens, const Destination& destination,
              Random random, Log& log);
    Reporting(const Reporting&) = delete;
    Reporting& operator=(const Reporting&) = delete;

    FlowReports& flow() noexcept { return flow_; }
    const FlowReports& flow() const noexcept { return flow_; }
    LivenessChecks& liveness() noexcept { return liveness_; }
    const LivenessChecks& liveness() const noexcept { return liveness_; }
    const History& history() const noexcept { return history_; }

    // ---- deliveries, after the scheduler and the token table know of them

    void attempted(const Assignment& assignment, const EventRecord& record,
                   const AttemptResult& result, const Completion& completion, Now now);
    /// The answer came after the token or the destination had changed.
    void answered_to_former(const Assignment& assignment, const EventRecord& record,
                            const AttemptResult& result, const Completion& completion, Now now);
    /// The event was refused, and its thread waits for an operator. Comes before attempted().
    void held(const Assignment& assignment, const EventRecord& record, const AttemptResult& result,
              const Completion& completion);
    /// The event becomes a dead letter. Comes before attempted().
    void died(const Assignment& assignment, const EventRecord& record, const AttemptResult& result,
              const Completion& completion, Now now);
    /// An event became a dead letter without an attempt.
    void died(const DeadLetter& letter, Problem problem, Now now);
    /// An operator has dropped an event or a letter.
    void dropped(const PastEvent& event) { history_.ended(event); }
    /// The filter of its source has kept an event back.
    void filtered(FilteredEvent event) { history_.filtered(std::move(event)); }

    // ---- reasons

    /// Why the destination does not take events, in a sentence; empty when it does.
    const std::string& destination_reason() const noexcept { return destination_reason_; }
    /// The same for a token, as far as an answer has said it.
    const std::string* token_reason(TokenId token) const;
    void forget_reason(TokenId token) { token_reasons_.erase(token); }
    /// A wait of the destination or of a token goes on after a restart.
    void waits_since_before(TokenId token);

    // ---- changes

    /// Another destination takes the place of this one. Comes before its options are set.
    void destination_changed(const std::string& to);
    /// Another token lies in the slot: what was said of the former one is forgotten.
    void renew(TokenId token);
    /// The token is gone or was removed. What was said of it stays known until erased().
    void gone(TokenId token);
    /// The slot has no events and is forgotten.
    void forget(TokenId token);
    /// What is stored for these tokens is being erased, so it is here as well.
    void erased(const std::unordered_set<TokenId>& tokens);

private:
    void log_event(const LogEvent& line, const Assignment& assignment, const EventRecord& record,
                   const AttemptResult& result, const Completion& completion,
                   std::initializer_list<LogField> more);
    bool is_news(std::string_view quirk, MonoTime now);
    void log_attempt(const Assignment& assignment, const EventRecord& record,
                     const AttemptResult& result, const Completion& completion, Now now);
    void log_answer_to_former(const Assignment& assignment, const EventRecord& record,
                              const AttemptResult& result, const Completion& completion);
    void log_destination(const Assignment& assignment, const AttemptResult& result,
                         const Completion& completion, Now now);
    void log_state_changes(const Assignment& assignment, const AttemptResult& result,
                           const Completion& completion, Now now);
    void remember_attempt(const Assignment& assignment, const EventRecord& record,
                          const AttemptResult& result, const Completion& completion, Now now);

    const TokenTable& tokens_;
    const Destination& destination_;
    const Scheduler& scheduler_;
    Log& log_;
    FlowReports flow_;
    LivenessChecks liveness_;
    History history_;
    RepeatLimiter retry_lines_;
    RepeatLimiter dead_lines_;
    std::map<std::string_view, MonoTime> quirks_told_;  ///< AttemptResult::quirk: when last
    std::string destination_reason_;
    std::optional<MonoTime> trouble_since_;  ///< the destination takes no events
    MonoTime next_reminder_{};
    std::map<TokenId, std::string> token_reasons_;
};

}  // namespace flowrelay::core
