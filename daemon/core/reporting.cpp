#include "flowrelay/core/reporting.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

#include "flowrelay/core/event.hpp"
#include "flowrelay/core/log_events.hpp"

namespace flowrelay::core {

namespace ev = log_events;

namespace {

const LogEvent& line_of(DestinationState state) {
    switch (state) {
        case DestinationState::up:
            return ev::destination_up;
        case DestinationState::held:
            return ev::destination_held;
        case DestinationState::parked:
            return ev::destination_parked;
        case DestinationState::down:
            return ev::destination_down;
    }
    return ev::destination_down;
}

const LogEvent* line_of(TokenState state) {
    switch (state) {
        case TokenState::throttled:
            return &ev::token_throttled;
        case TokenState::parked:
            return &ev::token_parked;
        case TokenState::failing:
            return &ev::token_failing;
        case TokenState::active:
        case TokenState::paused:
        case TokenState::gone:
            return nullptr;  // they have lines of their own
    }
    return nullptr;
}

constexpr auto quirk_again = std::chrono::hours(1);

}  // namespace

Reporting::Reporting(const RelayOptions& options, const TokenTable& tokens,
                     const Destination& destination, Random random, Log& log)
    : tokens_(tokens),
      destination_(destination),
      scheduler_(destination.scheduler()),
      log_(log),
      flow_(options, tokens, destination, log),
      liveness_(options, tokens, destination, random, log),
      retry_lines_(10, Seconds(60)),
      dead_lines_(20, Seconds(60)) {}

// ---------------------------------------------------------------- deliveries

void Reporting::attempted(const Assignment& assignment, const EventRecord& record,
                          const AttemptResult& result, const Completion& completion, Now now) {
    flow_.attempted(assignment, result, completion, now);
    remember_attempt(assignment, record, result, completion, now);
    log_state_changes(assignment, result, completion, now);
    log_attempt(assignment, record, result, completion, now);
}

void Reporting::answered_to_former(const Assignment& assignment, const EventRecord& record,
                                   const AttemptResult& result, const Completion& completion,
                                   Now now) {
    remember_attempt(assignment, record, result, completion, now);
    const bool delivered =
        completion.action == Completion::Action::settle && completion.outcome == Outcome::delivered;
    if (delivered) {
        log_attempt(assignment, record, result, completion, now);
    } else {
        log_answer_to_former(assignment, record, result, completion);
    }
}

void Reporting::held(const Assignment& assignment, const EventRecord& record,
                     const AttemptResult& result, const Completion& completion) {
    log_event(ev::delivery_held, assignment, record, result, completion,
              {{"reason", describe(result)}});
}

void Reporting::died(const Assignment& assignment, const EventRecord& record,
                     const AttemptResult& result, const Completion& completion, Now now) {
    const auto suppressed = dead_lines_.admit(now.mono);
    if (!suppressed) return;
    log_event(ev::delivery_dead, assignment, record, result, completion,
              {{"reason", result.detail}, {"suppressed", *suppressed}});
}

void Reporting::died(const DeadLetter& letter, Problem problem, Now now) {
    flow_.trouble(letter.event.token, problem, now);
    history_.ended({letter.seq, letter.event.token, 0, letter.event.thread_hash,
                    letter.event.accepted, letter.died, letter.outcome, letter.attempts,
                    letter.status});
}

// ---------------------------------------------------------------- reasons and changes

const std::string* Reporting::token_reason(TokenId token) const {
    const auto found = token_reasons_.find(token);
    return found == token_reasons_.end() ? nullptr : &found->second;
}

void Reporting::waits_since_before(TokenId token) {
    std::string& reason = token == TokenId::none ? destination_reason_ : token_reasons_[token];
    reason = "asked to wait, before the restart";
}

// What the former destination said says nothing about the new one.
void Reporting::destination_changed(const std::string& to) {
    quirks_told_.clear();
    destination_reason_.clear();
    trouble_since_.reset();
    token_reasons_.clear();
    flow_.renew_all();
    log_.write(
        ev::destination_changed,
        {{"destination", to}, {"former", destination_.url()}, {"queued", destination_.queued()}});
}

void Reporting::renew(TokenId token) {
    token_reasons_.erase(token);
    flow_.renew(token);
}

void Reporting::gone(TokenId token) {
    flow_.renew(token);
    liveness_.forget(token);
}

void Reporting::forget(TokenId token) {
    flow_.renew(token);
    token_reasons_.erase(token);
}

void Reporting::erased(const std::unordered_set<TokenId>& tokens) {
    history_.forget(tokens);
    for (const TokenId token : tokens) token_reasons_.erase(token);
}

// ---------------------------------------------------------------- log lines

// While the trouble goes on the line comes again now and then: who looks at the log of today should
// not have to know that of yesterday.
void Reporting::log_destination(const Assignment& assignment, const AttemptResult& result,
                                const Completion& completion, Now now) {
    const auto status = scheduler_.status();
    const DestinationState state = completion.destination_changed.value_or(status.destination);
    const bool up = state == DestinationState::up;
    const bool tells_why = completion.destination_changed || assignment.probe;
    if (!up && tells_why &&
        (result.end != AttemptEnd::response || result.status >= 300 || result.unexpected)) {
        destination_reason_ = describe(result);
    }
    if (!completion.destination_changed && (up || now.mono < next_reminder_)) return;
    const MonoTime since = trouble_since_.value_or(now.mono);
    const auto lasted = format_duration(std::chrono::duration_cast<Milliseconds>(now.mono - since));
    if (up) {
        trouble_since_.reset();
        destination_reason_.clear();
        log_.write(ev::destination_up, {{"destination", destination_.url()},
                                        {"after", lasted},
                                        {"queued", destination_.queued()}});
        return;
    }
    trouble_since_ = since;
    next_reminder_ = now.mono + Seconds(3600);
    std::string next_try = "now";
    if (status.destination_until) {
        next_try = format_duration(std::chrono::duration_cast<Milliseconds>(
            std::max(*status.destination_until - now.mono, MonoTime::duration::zero())));
    }
    log_.write(line_of(state), {{"destination", destination_.url()},
                                {"reason", destination_reason_},
                                {"for", lasted},
                                {"next_try_in", next_try},
                                {"queued", destination_.queued()}});
}

void Reporting::log_state_changes(const Assignment& assignment, const AttemptResult& result,
                                  const Completion& completion, Now now) {
    log_destination(assignment, result, completion, now);
    const TokenId id = assignment.lane.token;
    const auto state_now = scheduler_.token_status(id).state;
    const bool about_token = result.status == 401 || result.status == 403 || result.status == 429 ||
                             state_now == TokenState::failing;
    const auto told = token_reasons_.find(id);
    if (assignment.probe && about_token && told != token_reasons_.end()) {
        told->second = describe(result);
    }
    if (completion.token_changed) {
        const TokenState state = *completion.token_changed;
        const bool active = state == TokenState::active;
        if (active) {
            token_reasons_.erase(id);
            log_.write(ev::token_active, {{"source", tokens_.at(id).label()},
                                          {"status", result.status},
                                          {"queued", destination_.active().queued(id)}});
            return;
        }
        token_reasons_[id] = describe(result);
        const LogEvent* line = line_of(state);
        if (line == nullptr) return;
        log_.write(*line, {{"source", tokens_.at(id).label()},
                           {"status", result.status},
                           {"reason", token_reasons_[id]},
                           {"queued", destination_.active().queued(id)}});
    }
}

void Reporting::remember_attempt(const Assignment& assignment, const EventRecord& record,
                                 const AttemptResult& result, const Completion& completion,
                                 Now now) {
    if (completion.action == Completion::Action::retry ||
        completion.action == Completion::Action::hold) {
        history_.attempted({assignment.seq, assignment.lane.token, now.wall, completion.attempt,
                            result.status, describe(result)});
        return;
    }
    // Of a replayed event that of its record: for its age the assignment has another.
    history_.ended({assignment.seq, assignment.lane.token, History::hash_of(record.id),
                    assignment.lane.thread_hash, record.accepted, now.wall, completion.outcome,
                    completion.attempt, result.status});
}

// A request without an answer has no status, and its line none either.
void Reporting::log_event(const LogEvent& line, const Assignment& assignment,
                          const EventRecord& record, const AttemptResult& result,
                          const Completion& completion, std::initializer_list<LogField> more) {
    const std::string source = tokens_.at(assignment.lane.token).label();
    std::vector<LogField> fields{
        {"source", source}, {"thread", thread_label(record.thread)}, {"id", record.id}};
    if (result.status != 0) fields.emplace_back("status", result.status);
    fields.emplace_back("attempt", completion.attempt);
    fields.insert(fields.end(), more.begin(), more.end());
    log_.write(line, fields);
}

// A server that does something strange does it each time.
bool Reporting::is_news(std::string_view quirk, MonoTime now) {
    const auto [told, is_first] = quirks_told_.try_emplace(quirk, now);
    if (!is_first && now - told->second < quirk_again) return false;
    told->second = now;
    return true;
}

void Reporting::log_attempt(const Assignment& assignment, const EventRecord& record,
                            const AttemptResult& result, const Completion& completion, Now now) {
    if (!result.quirk.empty() && is_news(result.quirk, now.mono)) {
        log_event(ev::destination_odd_answer, assignment, record, result, completion,
                  {{"reason", result.quirk}});
    }
    if (completion.action == Completion::Action::settle &&
        completion.outcome == Outcome::delivered) {
        if (!log_.enabled(ev::delivery_delivered.severity)) return;
        log_event(ev::delivery_delivered, assignment, record, result, completion, {});
        return;
    }
    if (log_.enabled(ev::delivery_attempt.severity)) {
        log_event(ev::delivery_attempt, assignment, record, result, completion,
                  {{"reason", describe(result)}});
    }
    if (completion.action != Completion::Action::retry) return;
    // While the destination or the token waits as a whole, its own line has told why.
    const bool told = scheduler_.status().destination != DestinationState::up ||
                      scheduler_.token_status(assignment.lane.token).state != TokenState::active;
    if (told) return;
    const auto suppressed = retry_lines_.admit(now.mono);
    if (!suppressed) return;
    log_event(ev::delivery_retry, assignment, record, result, completion,
              {{"next_in", format_duration(completion.wait)},
               {"reason", describe(result)},
               {"suppressed", *suppressed}});
}

void Reporting::log_answer_to_former(const Assignment& assignment, const EventRecord& record,
                                     const AttemptResult& result, const Completion& completion) {
    const bool same_place = destination_.is_here(assignment.with);
    log_event(ev::delivery_outdated, assignment, record, result, completion,
              {{"asked", destination_.url_of(assignment.with)},
               {"changed", same_place ? "token" : "destination"},
               {"reason", describe(result)}});
}

}  // namespace flowrelay::core
