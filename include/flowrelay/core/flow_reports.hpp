// What the flow of a source is told of its trouble: the relay's side of ProblemReports. Decides
// from the state of tokens and of the destination whether a report that is due can be made, and
// logs how it ended.
//
// Reads the token table and the destination, changes neither. Pure; owned by one thread (the I/O
// thread).
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
    /// All arguments outlive it.
    FlowReports(const RelayOptions& options, const TokenTable& tokens,
                const Destination& destination, Log& log);
    FlowReports(const FlowReports&) = delete;
    FlowReports& operator=(const FlowReports&) = delete;

    /// Takes over what the options say of reports.
    void options_changed();
    /// Sources were configured: takes over which of them want reports.
    void configure();

    // ---- what happens

    void attempted(const Assignment& assignment, const AttemptResult& result,
                   const Completion& completion, Now now);
    /// An event of the token has ended otherwise.
    void trouble(TokenId token, Problem problem, Now now);
    /// See ProblemReports::renew().
    void renew(TokenId token) { reports_.renew(token); }
    void renew_all();

    // ---- what is to be done

    /// What is to be said of a source now; one at a time: end_report() or release_report() follows.
    /// Nothing while the destination is not well.
    std::optional<ProblemReport> next_report(Now now);
    /// Whether it may still be written, as for an event.
    bool may_be_sent(const ProblemReport& report) const;
    void end_report(const ProblemReport& report, const AttemptResult& result, Now now);
    /// It was not made (the daemon stops).
    void release_report(const ProblemReport& report) { reports_.release(report); }

    /// When next_report() may have something, if nothing comes in before.
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
