// Connects ProblemReports to the relay: decides from the state of tokens and of the destination
// whether a report that is due can be sent, and logs its result.
//
// Reads the token table and the destination, and changes neither. Pure; owned by one thread (the
// I/O thread).
#pragma once

#include <optional>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/log.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/destination.hpp"
#include "flowrelay/core/problem_reports.hpp"
#include "flowrelay/core/relay_options.hpp"
#include "flowrelay/core/repeat_limiter.hpp"
#include "flowrelay/core/scheduler.hpp"
#include "flowrelay/core/token_table.hpp"
#include "flowrelay/core/verdict.hpp"

namespace flowrelay::core {

class FlowReports {
public:
    /// All arguments must outlive it.
    FlowReports(const RelayOptions& options, const TokenTable& tokens,
                const Destination& destination, Log& log);
    FlowReports(const FlowReports&) = delete;
    FlowReports& operator=(const FlowReports&) = delete;

    /// Applies the options about reports.
    void options_changed();
    /// Called after sources were configured. Applies which of them have reports enabled.
    void configure();

    // ---- events

    void attempted(const Assignment& assignment, const AttemptResult& result,
                   const Completion& completion, Now now);
    /// Records that an event of the token ended for a reason other than an attempt.
    void trouble(TokenId token, Problem problem, Now now);
    /// See ProblemReports::renew().
    void renew(TokenId token) { reports_.renew(token); }
    void renew_all();

    // ---- requests

    /// Returns the next report to send, one at a time: end_report() or release_report() must
    /// follow. Nothing while the destination is failing.
    std::optional<ProblemReport> next_report(Now now);
    /// Returns whether the request may still be written, like Delivery::may_be_sent().
    bool may_be_sent(const ProblemReport& report) const;
    void end_report(const ProblemReport& report, const AttemptResult& result, Now now);
    /// Records that the request was not sent (the daemon stops).
    void release_report(const ProblemReport& report) { reports_.release(report); }

    /// Returns when next_report() may return a report, unless an input changes that.
    std::optional<MonoTime> next_wakeup() const;

private:
    bool can_report(TokenId token) const;

    const RelayOptions& options_;
    const TokenTable& tokens_;
    const Destination& destination_;
    Log& log_;
    ProblemReports reports_;
    RepeatLimiter report_lines_;
};

}  // namespace flowrelay::core
