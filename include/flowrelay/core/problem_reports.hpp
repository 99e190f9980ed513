// What the people in a flow are told of a source's trouble (sources.report_problems): when to set
// the source's error message, and when to clear it. Setting is `PUT /sources` with `flow_token` and
// `error_message`, empty to clear (https://www.flowdock.com/api/sources).
//
// A report is a courtesy: it is made rarely, and what becomes of it has no influence on deliveries.
// The last state counts; what was so between two reports is never told.
//
// After a start it is not known what the flow shows. So a source that is well is cleared once, as
// soon as it is known to be well.
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
    refused,  ///< events were refused for what they are
    held,     ///< so they were, and their threads wait for an operator
    expired,  ///< events grew too old
    lost,     ///< events could not be read from the disk
};

/// "parked", ...: for logs.
std::string_view to_string(Problem problem) noexcept;

/// What is to be sent.
struct ProblemReport {
    TokenId token = TokenId::none;
    std::uint64_t era = 0;           ///< of the source: renew() begins another
    std::optional<Problem> problem;  ///< nothing: all is well again
    std::string message;             ///< for people in the flow; empty clears
};

/// The body of the request. `out` is appended to.
void append_report_body(std::string& out, const Secret& token, std::string_view message);

struct ProblemReportTimes {
    Milliseconds after = Seconds(10);            ///< so long a problem has to last
    Milliseconds clear_after = Seconds(120);     ///< nothing was wrong for so long: it is over
    Milliseconds interval = Seconds(60);         ///< between two requests for a source, at least
    Milliseconds pace{200};                      ///< between two requests
    Milliseconds longest_retry = Seconds(3600);  ///< after failed ones: doubles from `interval` on
};

class ProblemReports {
public:
    explicit ProblemReports(ProblemReportTimes times = {}) : times_(times) {}

    void set_times(ProblemReportTimes times) { times_ = times; }

    /// The tokens whose sources want reports. What was reported for others is cleared.
    void configure(const std::set<TokenId>& tokens);

    // ---- what happens; of tokens without reports nothing is kept

    void trouble(TokenId token, Problem problem, int status, Now now);
    /// The destination has taken an event of it.
    void delivered(TokenId token, Now now) {
        if (!sources_.empty()) note_delivered(token, now.mono);
    }
    /// The token is gone, or the source or the destination is another one: what was known is no
    /// longer so, and how a request ends that is under way means nothing.
    void renew(TokenId token);
    /// Whether a report says what is so of the source as it is now.
    bool is_current(const ProblemReport& report) const;

    // ---- what is to be done: one request at a time

    /// A token about which there may be something to say.
    std::optional<TokenId> due(MonoTime now) const;

    /// For a token that is due: what to send. `ended()` or `release()` has to follow. Nothing if
    /// there is nothing after all. `label`: the source's name.
    std::optional<ProblemReport> begin(TokenId token, std::string_view label, MonoTime now);

    /// For a token that is due, and
    /// can't be reported just now (a pause): it is looked at again in a while;
    void postpone(TokenId token, MonoTime now);
    /// has something wrong with it still, whatever was delivered;
    void not_well_yet(TokenId token, MonoTime now);
    /// can't be reported any more.
    void drop(TokenId token);

    /// How the request ended. A failed one is made again after a while, if it still is to be said
    /// then; after a 410 none is made until renew(). Gives whether that is worth a line: not if the
    /// one before had failed as well.
    bool ended(const ProblemReport& report, const AttemptResult& result, MonoTime now);
    /// It was not made.
    void release(const ProblemReport& report);

    /// When to ask for due() again; nothing while a request is under way.
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
        bool ending = false;  ///< wants no more reports: what is there is cleared
        std::optional<Trouble> parked;
        std::optional<Trouble> died;  ///< the latest kind; `since` of its beginning
        /// An event was taken since the last trouble. Nothing once that is over.
        std::optional<MonoTime> well_since;
        bool well = false;             ///< that was long enough ago
        bool may_show = true;          ///< a message may be there
        std::optional<Problem> shown;  ///< which is known to be there
        MonoTime not_before = MonoTime::min();
        unsigned failures = 0;  ///< in a row
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
