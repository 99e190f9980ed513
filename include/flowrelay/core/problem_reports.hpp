// Decides when to show a source's problem in its flow (sources.report_problems), and when to clear
// it. The request is `PUT /sources` with `flow_token` and `error_message`, which is empty to clear
// it (https://www.flowdock.com/api/sources).
//
// Reports are optional: they are rare, and their result has no influence on deliveries. Only the
// latest state is reported, not the states between two reports.
//
// After a start it is unknown what the flow shows. So each source is cleared once, as soon as it is
// known to work.
//
// Pure: time is an argument. Owned by one thread (the I/O thread). Each step costs O(log n).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/secret.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/verdict.hpp"

namespace flowrelay::core {

enum class Problem {
    parked,   ///< the token is refused: its events wait
    refused,  ///< events were rejected for their contents
    held,     ///< events were rejected, and their threads wait for an operator
    expired,  ///< events became too old
    lost,     ///< events could not be read from the disk
};

/// Returns the word for logs: "parked", ...
std::string_view to_string(Problem problem) noexcept;

/// A report to send.
struct ProblemReport {
    TokenId token = TokenId::none;
    std::uint64_t era = 0;           ///< of the source: renew() begins a new one
    std::optional<Problem> problem;  ///< nothing: the problem is over
    std::string message;             ///< for users of the flow; empty clears it
};

/// Appends the body of the request to `out`.
void append_report_body(std::string& out, const Secret& token, std::string_view message);

struct ProblemReportTimes {
    Milliseconds after = Seconds(10);            ///< minimum duration of a problem
    Milliseconds clear_after = Seconds(120);     ///< time without failures after which it is over
    Milliseconds interval = Seconds(60);         ///< minimum time between two requests for a source
    Milliseconds pace{200};                      ///< minimum time between two requests
    Milliseconds longest_retry = Seconds(3600);  ///< maximum retry wait; doubles from `interval`
};

class ProblemReports {
public:
    explicit ProblemReports(ProblemReportTimes times = {}) : times_(times) {}

    void set_times(ProblemReportTimes times) { times_ = times; }

    /// Sets the tokens whose sources have reports enabled. Clears what was reported for others.
    void configure(const std::set<TokenId>& tokens);

    // ---- events; ignored for tokens without reports

    void trouble(TokenId token, Problem problem, int status, Now now);
    /// Records a delivered event of the token.
    void delivered(TokenId token, Now now) {
        if (!sources_.empty()) note_delivered(token, now.mono);
    }
    /// Forgets what is known of the token, because the token is gone, or the source or the
    /// destination changed. The result of a request in flight is ignored.
    void renew(TokenId token);
    /// Returns whether a report is about the source in its present era.
    bool is_current(const ProblemReport& report) const;

    // ---- requests, one at a time

    /// Returns a token that may need a report.
    std::optional<TokenId> due(MonoTime now) const;

    /// Returns the report for a token that is due; nothing if none is needed after all. `ended()`
    /// or `release()` must follow. `label` is the source's name.
    std::optional<ProblemReport> begin(TokenId token, std::string_view label, MonoTime now);

    /// Postpones a token that is due but can't be reported now (a pause).
    void postpone(TokenId token, MonoTime now);
    /// Records that a token that is due still has a problem, whatever was delivered.
    void not_well_yet(TokenId token, MonoTime now);
    /// Drops a token that is due but can't be reported any more.
    void drop(TokenId token);

    /// Records the result of the request. A failed request is repeated later if the report is still
    /// needed; after a 410 there are no requests until renew(). Returns whether to log the result:
    /// not if the previous request failed as well.
    bool ended(const ProblemReport& report, const AttemptResult& result, MonoTime now);
    /// Records that the request was not sent.
    void release(const ProblemReport& report);

    /// Returns when to call due() again; nothing while a request is in flight.
    std::optional<MonoTime> next_wakeup() const;

private:
    struct Trouble {
        Problem problem;
        int status = 0;
        WallTime since;
        MonoTime from;
    };
    struct Source {
        std::uint64_t era = 0;
        bool ending = false;  ///< reports were disabled: clear what is shown
        std::optional<Trouble> parked;
        std::optional<Trouble> died;  ///< the latest kind; `since` is its beginning
        /// Time of the first delivery since the last problem. Nothing once the problem is over.
        std::optional<MonoTime> well_since;
        bool well = false;             ///< `well_since` was long enough ago
        bool may_show = true;          ///< the flow may show a message
        std::optional<Problem> shown;  ///< the problem known to be shown
        MonoTime not_before = MonoTime::min();
        unsigned failures = 0;  ///< consecutive
        std::optional<MonoTime> due;
    };

    void note_delivered(TokenId token, MonoTime now);
    void consider(Source& source, MonoTime now) const;
    const Trouble* to_report(const Source& source) const;
    std::optional<MonoTime> due_of(const Source& source) const;
    void schedule(TokenId token, Source& source);

    ProblemReportTimes times_;
    std::unordered_map<TokenId, Source> sources_;
    std::set<std::pair<MonoTime, TokenId>> due_;
    TokenId in_flight_ = TokenId::none;
    MonoTime paced_until_ = MonoTime::min();
};

}  // namespace flowrelay::core
