// What operators ask of the relay, and what they drop.
#include <fmt/format.h>

#include "flowrelay/core/relay.hpp"

namespace flowrelay::core {

Relay::Drop Relay::drop(const QueuedEvent& event, std::string_view id, Now now) {
    PastEvent past;
    past.seq = event.seq;
    past.token = event.lane.token;
    past.id_hash = id.empty() ? 0 : History::hash_of(id);
    past.thread_hash = event.lane.thread_hash;
    past.accepted = event.accepted;
    past.ended = now.wall;
    past.outcome = Outcome::dropped;
    if (const auto reason = scheduler_.why(event.seq)) {
        past.attempts = reason->attempts;
        if (!scheduler_.take(event.seq)) return Drop::in_flight;
        active_.left(event.lane);
    } else if (!active_.drop(event)) {
        return Drop::not_queued;
    }
    ++counters_.dropped_by_operator;
    reporting_.dropped(past);
    return Drop::dropped;
}

void Relay::letter_dropped(const DeadLetter& letter, Now now) {
    ++counters_.dropped_by_operator;
    PastEvent past;
    past.seq = letter.seq;
    past.token = letter.event.token;
    past.id_hash = History::hash_of(letter.event.id);
    past.thread_hash = letter.event.thread_hash;
    past.accepted = letter.event.accepted;
    past.ended = now.wall;
    past.outcome = Outcome::dropped;
    past.attempts = letter.attempts;
    reporting_.dropped(past);
}

Situation Relay::situation(const QueuedEvent& event) const {
    Situation situation;
    const auto reason = scheduler_.why(event.seq);
    situation.stored = !reason;
    situation.reason = reason ? *reason : scheduler_.why(event.lane);
    const Seq head = situation.reason.lane_next;
    situation.is_next = head == event.seq;
    if (head != Seq::none) {
        situation.head = fmt::format("event {}", to_number(head));
        situation.held_by_letters = held_by_letters_.contains(head);
        if (const auto of_head = scheduler_.why(head)) situation.head_attempts = of_head->attempts;
        const auto attempts = reporting_.history().attempts(head);
        if (!attempts.empty()) situation.head_trouble = attempts.back().reason;
    }
    const auto slot = tokens_.all().find(event.lane.token);
    if (slot != tokens_.all().end()) {
        situation.source = slot->second.label();
        situation.token_state = slot->second.entry.state;
        situation.pause = slot->second.entry.pause;
        situation.erase_at = slot->second.entry.erase_at;
        situation.configured = !slot->second.missing();
        situation.unknown = slot->second.unknown;
        situation.token_trouble = lifecycle_.token_reason(event.lane.token);
    } else {
        situation.source = slot_name(event.lane.token);
        situation.unknown = true;
    }
    situation.deliveries_held = destination_.deliveries_held();
    situation.destination = destination_.url();
    situation.destination_trouble = reporting_.destination_reason();
    return situation;
}

}  // namespace flowrelay::core
