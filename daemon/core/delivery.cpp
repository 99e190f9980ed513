#include "flowrelay/core/delivery.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "flowrelay/base/http_status.hpp"
#include "flowrelay/core/log_events.hpp"

namespace flowrelay::core {

namespace ev = log_events;

namespace {

constexpr std::size_t max_expired_at_once = 1000;

// What is known without the event itself, which only storage has.
DeadLetter letter_for(const Assignment& assignment, const Completion& completion, Now now) {
    DeadLetter letter;
    letter.seq = assignment.seq;
    letter.event.token = assignment.lane.token;
    letter.event.thread_hash = assignment.lane.thread_hash;
    letter.event.accepted = assignment.accepted;
    letter.outcome = completion.outcome;
    letter.died = now.wall;
    letter.attempts = completion.attempt;
    return letter;
}

}  // namespace

Delivery::Delivery(const RelayOptions& options, const TokenTable& tokens, RelayCounters& counters,
                   Destination& destination, LetterHolds& letters, TokenLifecycle& lifecycle,
                   Reporting& reporting, Log& log)
    : options_(options),
      tokens_(tokens),
      counters_(counters),
      destination_(destination),
      scheduler_(destination.scheduler()),
      active_(destination.active()),
      letters_(letters),
      lifecycle_(lifecycle),
      reporting_(reporting),
      log_(log) {}

void Delivery::restore(const Hold& hold, Now now) {
    if (destination_.restore(hold, now)) reporting_.waits_since_before(hold.token);
}

std::optional<Assignment> Delivery::next(Now now) {
    auto assignment = scheduler_.next(now);
    if (assignment) assignment->with = destination_.sent_with_now(assignment->lane.token);
    return assignment;
}

bool Delivery::may_be_sent(const Assignment& assignment) const {
    const Token& slot = tokens_.at(assignment.lane.token);
    return !slot.gone() && !slot.entry.secret.empty() && scheduler_.may_be_sent(assignment.seq) &&
           !destination_.is_outdated(assignment);
}

void Delivery::withdraw(const Assignment& assignment, bool sent, Now now) {
    const Token& slot = tokens_.at(assignment.lane.token);
    if (sent) ++counters_.ambiguous;
    scheduler_.complete_outdated(assignment.seq, false, sent, now);
    // Without a token there is nothing to send, however often it is asked for.
    if (!slot.gone() && slot.entry.secret.empty()) scheduler_.pause_token(assignment.lane.token);
}

Effects Delivery::attempted(const Assignment& assignment, const EventRecord& record,
                            const AttemptResult& result, Now now) {
    ++counters_.attempts;
    if (destination_.is_outdated(assignment)) {
        return answered_to_former(assignment, record, result, now);
    }
    if (is_success(result.status)) reporting_.liveness().heard(assignment.lane.token, now);
    // What another life of the daemon accepted may have been sent by it.
    const bool is_own = destination_.is_own(assignment.seq);
    Judgement judgement = judge(result, options_.retry_after_cap, assignment.sent || !is_own);
    Effects effects;
    const std::string widened = widen_refusal(assignment, judgement, effects);
    if (widened.empty()) return conclude(assignment, record, result, judgement, effects, now);
    AttemptResult told = result;
    told.detail = told.detail.empty() ? widened : told.detail + "; " + widened;
    return conclude(assignment, record, told, judgement, effects, now);
}

Effects Delivery::conclude(const Assignment& assignment, const EventRecord& record,
                           const AttemptResult& result, Judgement judgement, Effects& effects,
                           Now now) {
    const bool for_operator = tokens_.at(assignment.lane.token).rules.hold_rejected;
    judgement.hold_lane = for_operator || !letters_.has_room();
    letters_.forget(assignment.seq);
    const Completion completion = scheduler_.complete(assignment.seq, judgement, now);
    if (judgement.ambiguous) ++counters_.ambiguous;

    switch (completion.action) {
        case Completion::Action::settle:
            // Erased: its token has gone meanwhile, and the erasure settles all of that token.
            if (completion.outcome == Outcome::delivered) {
                settle_delivered(assignment, effects);
            } else if (completion.outcome == Outcome::dead) {
                active_.left(assignment.lane);
                bury(assignment, record, result, completion, effects, now);
            }
            break;
        case Completion::Action::retry:
            ++counters_.retried;
            break;
        case Completion::Action::hold:
            if (for_operator) {
                reporting_.held(assignment, record, result, completion);
            } else {
                letters_.hold(assignment.seq);
            }
            break;
        case Completion::Action::disable_token:
            effects.tokens = lifecycle_.disable(assignment.lane.token, now);
            break;
    }
    effects.hold = destination_.hold_to_remember(assignment.lane.token, judgement,
                                                 completion.asked_to_wait, now);
    reporting_.attempted(assignment, record, result, completion, now);
    return std::move(effects);
}

Effects Delivery::answered_to_former(const Assignment& assignment, const EventRecord& record,
                                     const AttemptResult& result, Now now) {
    const Judgement judgement = judge(result, options_.retry_after_cap);
    const bool delivered = judgement.verdict == Verdict::delivered;
    const bool sent =
        result.end == AttemptEnd::response || judgement.after_sending || judgement.ambiguous;
    const Completion completion =
        scheduler_.complete_outdated(assignment.seq, delivered, sent, now);
    letters_.forget(assignment.seq);
    if (judgement.ambiguous) ++counters_.ambiguous;
    Effects effects;
    if (delivered) settle_delivered(assignment, effects);
    reporting_.answered_to_former(assignment, record, result, completion, now);
    return effects;
}

// A final refusal that everybody gets is no event's fault: it parks the token, or the destination,
// and what was refused like that before is queued again. Gives what to say of it, or nothing.
std::string Delivery::widen_refusal(const Assignment& assignment, Judgement& judgement,
                                    Effects& effects) {
    const TokenId token = assignment.lane.token;
    if (tokens_.at(token).gone()) return {};
    if (judgement.verdict == Verdict::delivered) destination_.refusals().delivered(token);
    if (judgement.verdict != Verdict::rejected) return {};
    const auto found = destination_.refusals().refused(assignment.lane, assignment.seq,
                                                       destination_.threads_with_events(token));
    if (found.scope == Refusals::Scope::event) return {};
    const bool of_all = found.scope == Refusals::Scope::destination;
    judgement.verdict = of_all ? Verdict::park_destination : Verdict::park_token;
    judgement.of_everybody = of_all;
    for (const Seq seq : found.go_back) {
        if (scheduler_.contains(seq)) {
            letters_.forget(seq);
            scheduler_.release_lane(seq);
        } else {
            effects.replay.push_back(seq);
        }
    }
    return of_all ? "two tokens or more get nothing else: is the destination the right one?"
                  : "every event is refused like this: nothing is wrong with one of them alone";
}

void Delivery::settle_delivered(const Assignment& assignment, Effects& effects) {
    active_.left(assignment.lane);
    const TokenId token = assignment.lane.token;
    if (tokens_.at(token).gone()) lifecycle_.delivered_too_late(token);
    ++counters_.delivered;
    effects.settle = Settlement{assignment.seq, Outcome::delivered};
}

void Delivery::bury(const Assignment& assignment, const EventRecord& record,
                    const AttemptResult& result, const Completion& completion, Effects& effects,
                    Now now) {
    DeadLetter letter = letter_for(assignment, completion, now);
    letter.status = result.status;
    letter.reason = result.detail;
    letter.server_errors = result.server_errors;
    reporting_.died(assignment, record, result, completion, now);
    letters_.bury(std::move(letter), record.body.size() + record.thread.size(), effects);
    letters_.note_room(now);
}

Effects Delivery::unreadable(const Assignment& assignment, std::string_view reason, bool damaged,
                             Now now) {
    log_.write(ev::spool_read_failed, {{"source", tokens_.at(assignment.lane.token).label()},
                                       {"seq", to_number(assignment.seq)},
                                       {"reason", reason}});
    const bool lost = damaged && letters_.has_room();
    const Completion completion = scheduler_.unreadable(assignment.seq, lost, now);
    Effects effects;
    if (completion.action != Completion::Action::settle) return effects;
    if (completion.outcome != Outcome::dead) return effects;
    active_.left(assignment.lane);
    DeadLetter letter = letter_for(assignment, completion, now);
    letter.reason = reason;
    reporting_.died(letter, Problem::lost, now);
    letters_.bury(std::move(letter), 0, effects);
    letters_.note_room(now);
    return effects;
}

Delivery::CheckEnd Delivery::end_check(const SourceCheck& check, const AttemptResult& result,
                                       bool has_source, Now now) {
    CheckEnd end{reporting_.liveness().end_check(check, result, has_source, now), {}};
    if (end.life == SourceLife::gone) end.effects.tokens = lifecycle_.disable(check.token, now);
    return end;
}

Effects Delivery::expire(Now now) {
    Effects effects;
    destination_.retry_loads(now);
    letters_.note_room(now);
    WallTime oldest = now.wall;
    while (effects.bury.size() < max_expired_at_once && letters_.has_room()) {
        const auto expired = scheduler_.take_expired(now, 1);
        if (expired.empty()) break;
        const QueuedEvent& event = expired.front();
        active_.left(event.lane);
        DeadLetter letter;
        letter.seq = event.seq;
        letter.event.token = event.lane.token;
        letter.event.thread_hash = event.lane.thread_hash;
        letter.event.accepted = event.accepted;
        letter.outcome = Outcome::expired;
        letter.died = now.wall;
        letter.reason = event.expires <= now.wall ? "older than its own expires_in"
                                                  : "older than retry.max_age";
        reporting_.died(letter, Problem::expired, now);
        oldest = std::min(oldest, event.accepted);
        letters_.bury(std::move(letter), event.bytes, effects);
    }
    if (!effects.bury.empty()) {
        letters_.note_room(now);
        log_.write(ev::delivery_expired, {{"events", effects.bury.size()},
                                          {"oldest", format_time(oldest)},
                                          {"reason", effects.bury.front().reason}});
    }
    return effects;
}

}  // namespace flowrelay::core
