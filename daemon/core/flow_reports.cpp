#include "flowrelay/core/flow_reports.hpp"

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/core/log_events.hpp"

namespace flowrelay::core {

namespace ev = log_events;

FlowReports::FlowReports(const RelayOptions& options, const TokenTable& tokens,
                         const Destination& destination, Log& log)
    : options_(options),
      tokens_(tokens),
      destination_(destination),
      log_(log),
      reports_(options.problem_reports),
      report_lines_(10, Seconds(60)) {}

void FlowReports::options_changed() {
    reports_.set_times(options_.problem_reports);
}

void FlowReports::configure() {
    std::set<TokenId> reporting;
    for (const auto& [id, token] : tokens_.all()) {
        if (token.rules.report_problems) reporting.insert(id);
    }
    reports_.configure(reporting);
}

void FlowReports::renew_all() {
    for (const auto& [id, token] : tokens_.all()) reports_.renew(id);
}

void FlowReports::trouble(TokenId token, Problem problem, Now now) {
    reports_.trouble(token, problem, 0, now);
}

void FlowReports::attempted(const Assignment& assignment, const AttemptResult& result,
                            const Completion& completion, Now now) {
    const TokenId token = assignment.lane.token;
    if (completion.token_changed == TokenState::parked) {
        reports_.trouble(token, Problem::parked, result.status, now);
    } else if (completion.action == Completion::Action::hold) {
        reports_.trouble(token, Problem::held, result.status, now);
    } else if (completion.action == Completion::Action::settle) {
        if (completion.outcome == Outcome::delivered) {
            reports_.delivered(token, now);
        } else if (completion.outcome == Outcome::dead) {
            reports_.trouble(token, Problem::refused, result.status, now);
        }
    }
}

// Returns whether the slot can have reports. A paused one can, but later: see next_report().
bool FlowReports::can_report(TokenId token) const {
    const Token& slot = tokens_.at(token);
    return slot.is_source() && !slot.gone() && !slot.missing();
}

std::optional<ProblemReport> FlowReports::next_report(Now now) {
    if (destination_.scheduler().status().destination != DestinationState::up) return std::nullopt;
    while (const auto token = reports_.due(now.mono)) {
        if (!can_report(*token)) {
            reports_.drop(*token);
            continue;
        }
        const Token& slot = tokens_.at(*token);
        if (slot.entry.state == TokenEntry::State::paused) {
            reports_.postpone(*token, now.mono);
            continue;
        }
        if (destination_.scheduler().token_status(*token).held_lanes > 0) {
            reports_.not_well_yet(*token, now.mono);
        }
        if (auto report = reports_.begin(*token, slot.label(), now.mono)) return report;
    }
    return std::nullopt;
}

bool FlowReports::may_be_sent(const ProblemReport& report) const {
    return can_report(report.token) && reports_.is_current(report) &&
           tokens_.at(report.token).entry.state != TokenEntry::State::paused;
}

void FlowReports::end_report(const ProblemReport& report, const AttemptResult& result, Now now) {
    const bool worth_a_line = reports_.ended(report, result, now.mono);
    if (!worth_a_line) return;
    const std::string label = tokens_.at(report.token).label();
    if (result.end == AttemptEnd::response && result.status >= 200 && result.status < 300) {
        if (report.problem) {
            log_.write(ev::report_sent,
                       {{"source", label}, {"problem", to_string(*report.problem)}});
        } else {
            log_.write(ev::report_cleared, {{"source", label}});
        }
        return;
    }
    const auto suppressed = report_lines_.admit(now.mono);
    if (!suppressed) return;
    const auto problem = report.problem ? to_string(*report.problem) : std::string_view("none");
    const std::string reason = describe(result);
    std::vector<LogField> fields{{"source", label}, {"problem", problem}};
    if (result.status != 0) fields.emplace_back("status", result.status);
    fields.emplace_back("reason", reason);
    fields.emplace_back("suppressed", *suppressed);
    log_.write(ev::report_failed, fields);
}

// Returns nothing while the destination is failing: deliveries wake the caller when it recovers.
std::optional<MonoTime> FlowReports::next_wakeup() const {
    if (destination_.scheduler().status().destination != DestinationState::up) return std::nullopt;
    return reports_.next_wakeup();
}

}  // namespace flowrelay::core
