// The relay's state machine: what becomes of requests under way and of waits when the token of a
// slot or the destination is changed.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "flowrelay/core/event.hpp"
#include "flowrelay/core/log_events.hpp"
#include "flowrelay/core/relay.hpp"

namespace flowrelay::core {

namespace ev = log_events;

namespace {

// No request is under way for as long as it takes to change the destination more often.
constexpr std::size_t max_former_destinations = 16;

}  // namespace

std::map<TokenId, Fingerprint> Relay::fingerprints() const {
    std::map<TokenId, Fingerprint> prints;
    for (const auto& [id, token] : tokens_.all()) prints.emplace(id, token.entry.fingerprint);
    return prints;
}

// What was said of the former token says nothing about the new one.
void Relay::renew_changed_tokens(const std::map<TokenId, Fingerprint>& before) {
    for (const auto& [id, print] : before) {
        if (tokens_.at(id).entry.fingerprint == print) continue;
        scheduler_.renew_token(id);
        token_reasons_.erase(id);
        refusals_.forget(id);
        remembered_holds_.erase(id);
        reports_.renew(id);
    }
}

// What the former destination said says nothing about the new one.
void Relay::destination_changed(const RelayOptions& to) {
    quirks_told_.clear();
    former_destinations_.emplace(destination_++, options_.destination);
    if (former_destinations_.size() > max_former_destinations) {
        former_destinations_.erase(former_destinations_.begin());
    }
    scheduler_.renew_destination();
    destination_reason_.clear();
    trouble_since_.reset();
    token_reasons_.clear();
    remembered_holds_.clear();
    refusals_.forget_all();
    for (const auto& [id, token] : tokens_.all()) reports_.renew(id);
    log_.write(
        ev::destination_changed,
        {{"destination", to.destination}, {"former", options_.destination}, {"queued", queued()}});
}

std::uint64_t Relay::destination_hash() const {
    return hash_thread(options_.destination + options_.route);
}

SentWith Relay::sent_with_now(TokenId token) const {
    return {tokens_.at(token).entry.fingerprint, destination_};
}

bool Relay::is_outdated(const Assignment& assignment) const {
    return assignment.with != sent_with_now(assignment.lane.token);
}

bool Relay::may_be_sent(const Assignment& assignment) const {
    const Token& slot = tokens_.at(assignment.lane.token);
    return !slot.gone() && !slot.entry.secret.empty() && scheduler_.may_be_sent(assignment.seq) &&
           assignment.with == sent_with_now(assignment.lane.token);
}

void Relay::withdraw(const Assignment& assignment, bool sent, Now now) {
    const Token& slot = tokens_.at(assignment.lane.token);
    if (sent) ++counters_.ambiguous;
    scheduler_.complete_outdated(assignment.seq, false, sent, now);
    // Without a token there is nothing to send, however often it is asked for.
    if (!slot.gone() && slot.entry.secret.empty()) scheduler_.pause_token(assignment.lane.token);
}

Relay::Effects Relay::answered_to_former(const Assignment& assignment, const EventRecord& record,
                                         const AttemptResult& result, Now now) {
    const Judgement judgement = judge(result, options_.retry_after_cap);
    const bool delivered = judgement.verdict == Verdict::delivered;
    const bool sent =
        result.end == AttemptEnd::response || judgement.after_sending || judgement.ambiguous;
    const Completion completion =
        scheduler_.complete_outdated(assignment.seq, delivered, sent, now);
    held_by_letters_.erase(assignment.seq);
    if (judgement.ambiguous) ++counters_.ambiguous;
    Effects effects;
    if (delivered) settle_delivered(assignment, effects);
    remember_attempt(assignment, record, result, completion, now);
    if (delivered) {
        log_attempt(assignment, record, result, completion, now);
    } else {
        log_answer_to_former(assignment, record, result, completion);
    }
    return effects;
}

void Relay::log_answer_to_former(const Assignment& assignment, const EventRecord& record,
                                 const AttemptResult& result, const Completion& completion) {
    const bool same_place = assignment.with.destination == destination_;
    const auto former = former_destinations_.find(assignment.with.destination);
    const std::string asked = same_place                             ? options_.destination
                              : former != former_destinations_.end() ? former->second
                                                                     : "a former destination";
    log_event(ev::delivery_outdated, assignment, record, result, completion,
              {{"asked", asked},
               {"changed", same_place ? "token" : "destination"},
               {"reason", describe(result)}});
}

}  // namespace flowrelay::core
