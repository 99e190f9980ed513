// The relay's state machine: what becomes of requests under way when the token of a slot or the
// destination is changed.
#include "flowrelay/core/relay.hpp"

namespace flowrelay::core {

bool Relay::may_be_sent(const Assignment& assignment) const {
    const Token& slot = tokens_.at(assignment.lane.token);
    return !slot.gone() && !slot.entry.secret.empty() && scheduler_.may_be_sent(assignment.seq) &&
           !destination_.is_outdated(assignment);
}

void Relay::withdraw(const Assignment& assignment, bool sent, Now now) {
    const Token& slot = tokens_.at(assignment.lane.token);
    if (sent) ++counters_.ambiguous;
    scheduler_.complete_outdated(assignment.seq, false, sent, now);
    // Without a token there is nothing to send, however often it is asked for.
    if (!slot.gone() && slot.entry.secret.empty()) scheduler_.pause_token(assignment.lane.token);
}

Effects Relay::answered_to_former(const Assignment& assignment, const EventRecord& record,
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
    reporting_.answered_to_former(assignment, record, result, completion, now);
    return effects;
}

}  // namespace flowrelay::core
