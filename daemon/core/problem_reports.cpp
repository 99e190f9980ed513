#include "flowrelay/core/problem_reports.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "flowrelay/base/http_status.hpp"
#include "flowrelay/core/json.hpp"

namespace flowrelay::core {
namespace {

// Number of attempts to clear the message of a source whose reports were disabled.
constexpr unsigned max_farewells = 6;

/// Formats a time: "2026-11-23 15:04 UTC".
std::string minute_of(WallTime time) {
    std::string text = format_time(time).substr(0, 16);
    text[10] = ' ';
    return text + " UTC";
}

/// Formats a status: " (HTTP 422)".
std::string answer_of(int status) {
    return status == 0 ? std::string() : fmt::format(" (HTTP {})", status);
}

// Returns the message: what is missing in the flow, whether it will still arrive, and where
// operators can look. It contains nothing of the events or of the server's answers, which may quote
// events.
std::string message_of(Problem problem, int status, WallTime since, std::string_view label) {
    const std::string time = minute_of(since);
    switch (problem) {
        case Problem::parked:
            return fmt::format(
                "Activity of this source is missing here since {}: its token is refused{}. Nothing "
                "is lost: it is kept and will be posted when the token is accepted again. For "
                "those who run the relay: flowrelay explain {}",
                time, answer_of(status), label);
        case Problem::refused:
            return fmt::format(
                "Some activity of this source is missing here since {}: it was refused as "
                "invalid{} and is kept aside. For those who run the relay: flowrelay dead list "
                "--source {}",
                time, answer_of(status), label);
        case Problem::held:
            return fmt::format(
                "Some threads of this source stand still here since {}: an event was refused as "
                "invalid{}, and what follows it waits. For those who run the relay: flowrelay "
                "explain {}",
                time, answer_of(status), label);
        case Problem::expired:
            return fmt::format(
                "Some activity of this source is missing here since {}: it could not be posted in "
                "time and is kept aside. For those who run the relay: flowrelay dead list --source "
                "{}",
                time, label);
        case Problem::lost:
            break;
    }
    return fmt::format(
        "Some activity of this source is missing here since {}: it was damaged on the disk of the "
        "relay. For those who run the relay: flowrelay dead list --source {}",
        time, label);
}

}  // namespace

std::string_view to_string(Problem problem) noexcept {
    switch (problem) {
        case Problem::parked:
            return "parked";
        case Problem::refused:
            return "refused";
        case Problem::held:
            return "held";
        case Problem::expired:
            return "expired";
        case Problem::lost:
            break;
    }
    return "lost";
}

void append_report_body(std::string& out, const Secret& token, std::string_view message) {
    out += R"({"flow_token":)";
    json::append_string(out, token.reveal());
    out += R"(,"error_message":)";
    json::append_string(out, message);
    out += '}';
}

void ProblemReports::configure(const std::set<TokenId>& tokens) {
    for (const TokenId token : tokens) sources_[token];
    for (auto next = sources_.begin(); next != sources_.end();) {
        auto& [token, source] = *next++;
        source.ending = !tokens.contains(token);
        // What the daemon showed before its start is unknown, and no reason for a request.
        if (source.ending && !source.shown && source.failures == 0 && token != in_flight_) {
            drop(token);
        } else {
            schedule(token, source);
        }
    }
}

void ProblemReports::trouble(TokenId token, Problem problem, int status, Now now) {
    const auto found = sources_.find(token);
    if (found == sources_.end()) return;
    Source& source = found->second;
    consider(source, now.mono);
    auto& trouble = problem == Problem::parked ? source.parked : source.died;
    // The token is parked again before the last time was reported.
    const bool again =
        problem == Problem::parked && source.well_since && source.shown != Problem::parked;
    if (!trouble || again) {
        trouble = {problem, status, now.wall, now.mono};
    } else if (trouble->problem != problem) {
        trouble = {problem, status, now.wall, trouble->from};
    }
    source.well_since.reset();
    source.well = false;
    schedule(token, source);
}

void ProblemReports::note_delivered(TokenId token, MonoTime now) {
    const auto found = sources_.find(token);
    if (found == sources_.end()) return;
    Source& source = found->second;
    if (source.well || source.well_since) return;
    source.well_since = now;
    schedule(token, source);
}

void ProblemReports::renew(TokenId token) {
    const auto found = sources_.find(token);
    if (found == sources_.end()) return;
    Source fresh;
    fresh.era = found->second.era + 1;
    fresh.ending = found->second.ending;
    fresh.due = found->second.due;
    fresh.not_before = std::min(found->second.not_before, paced_until_ + times_.interval);
    found->second = fresh;
    schedule(token, found->second);
}

// Ends the problems of a source if nothing was wrong for long enough.
void ProblemReports::consider(Source& source, MonoTime now) const {
    if (!source.well_since || now < *source.well_since + times_.clear_after) return;
    source.well_since.reset();
    source.well = true;
    source.parked.reset();
    source.died.reset();
}

const ProblemReports::Trouble* ProblemReports::to_report(const Source& source) const {
    if (source.ending) return nullptr;
    // A token that is accepted again is not parked any more. A dead event stays dead.
    if (source.parked && !source.well_since) return &*source.parked;
    if (source.died) return &*source.died;
    return source.parked && source.shown == Problem::parked ? &*source.parked : nullptr;
}

std::optional<MonoTime> ProblemReports::due_of(const Source& source) const {
    std::optional<MonoTime> due;
    const Trouble* trouble = to_report(source);
    if (trouble != nullptr && source.shown != trouble->problem) due = trouble->from + times_.after;
    const bool clears = source.may_show && trouble == nullptr && source.well;
    if (source.ending || clears) due = MonoTime::min();
    const bool may_end = source.well_since && (source.may_show || source.parked || source.died);
    if (may_end && (!due || *source.well_since + times_.clear_after < *due)) {
        due = *source.well_since + times_.clear_after;
    }
    return due ? std::optional(std::max(*due, source.not_before)) : std::nullopt;
}

void ProblemReports::schedule(TokenId token, Source& source) {
    if (source.due) due_.erase({*source.due, token});
    source.due = token == in_flight_ ? std::nullopt : due_of(source);
    if (source.due == MonoTime::max()) source.due.reset();
    if (source.due) due_.emplace(*source.due, token);
}

std::optional<TokenId> ProblemReports::due(MonoTime now) const {
    if (in_flight_ != TokenId::none || now < paced_until_ || due_.empty()) return std::nullopt;
    const auto& [at, token] = *due_.begin();
    return at <= now ? std::optional(token) : std::nullopt;
}

std::optional<ProblemReport> ProblemReports::begin(TokenId token, std::string_view label,
                                                   MonoTime now) {
    Source& source = sources_.at(token);
    consider(source, now);
    ProblemReport report;
    report.token = token;
    report.era = source.era;
    const Trouble* trouble = to_report(source);
    if (trouble != nullptr && source.shown != trouble->problem) {
        if (now >= trouble->from + times_.after) {
            report.problem = trouble->problem;
            report.message = message_of(trouble->problem, trouble->status, trouble->since, label);
        }
    }
    const bool clears = source.may_show && (source.ending || (trouble == nullptr && source.well));
    if (!report.problem && !clears) {
        if (source.ending) {
            drop(token);
        } else {
            schedule(token, source);
        }
        return std::nullopt;
    }
    in_flight_ = token;
    source.may_show = true;
    source.shown.reset();  // until the answer arrives
    schedule(token, source);
    return report;
}

void ProblemReports::postpone(TokenId token, MonoTime now) {
    Source& source = sources_.at(token);
    source.not_before = std::max(source.not_before, now + times_.interval);
    schedule(token, source);
}

void ProblemReports::not_well_yet(TokenId token, MonoTime now) {
    Source& source = sources_.at(token);
    if (source.well_since) source.well_since = now;
    schedule(token, source);
}

void ProblemReports::drop(TokenId token) {
    const auto found = sources_.find(token);
    if (found->second.due) due_.erase({*found->second.due, token});
    sources_.erase(found);
}

bool ProblemReports::ended(const ProblemReport& report, const AttemptResult& result, MonoTime now) {
    in_flight_ = TokenId::none;
    paced_until_ = now + times_.pace;
    const auto found = sources_.find(report.token);
    if (found == sources_.end()) return false;
    Source& source = found->second;
    if (source.era != report.era) {
        source.not_before = std::max(source.not_before, now + times_.interval);
        schedule(report.token, source);
        return false;
    }
    const bool taken = result.end == AttemptEnd::response && is_success(result.status);
    if (taken) {
        source.shown = report.problem;
        source.may_show = report.problem.has_value();
        source.failures = 0;
        source.not_before = now + times_.interval;
        schedule(report.token, source);
        return true;
    }
    const bool first = source.failures++ == 0;
    const bool removed = result.end == AttemptEnd::response && result.status == 410;
    if (source.ending && (removed || source.failures > max_farewells)) {
        drop(report.token);
        return first;
    }
    Milliseconds wait = times_.interval * (1U << std::min(source.failures - 1, 10U));
    if (result.retry_after) wait = std::max(wait, *result.retry_after);
    source.not_before = removed ? MonoTime::max() : now + std::min(wait, times_.longest_retry);
    schedule(report.token, source);
    return first;
}

bool ProblemReports::is_current(const ProblemReport& report) const {
    const auto found = sources_.find(report.token);
    return found != sources_.end() && found->second.era == report.era;
}

void ProblemReports::release(const ProblemReport& report) {
    in_flight_ = TokenId::none;
    const auto found = sources_.find(report.token);
    if (found != sources_.end()) schedule(report.token, found->second);
}

std::optional<MonoTime> ProblemReports::next_wakeup() const {
    if (in_flight_ != TokenId::none || due_.empty()) return std::nullopt;
    return std::max(due_.begin()->first, paced_until_);
}

}  // namespace flowrelay::core
