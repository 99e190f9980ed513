// What operators do with queued events and dead letters: the part of Delivery that they ask for.
#include "flowrelay/core/delivery.hpp"
#include "flowrelay/core/log_events.hpp"

namespace flowrelay::core {

namespace ev = log_events;

Delivery::Drop Delivery::drop(const QueuedEvent& event, std::string_view id, Now now) {
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

void Delivery::letter_dropped(const DeadLetter& letter, Now now) {
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

std::set<TokenId> Delivery::holding_tokens() const {
    std::set<TokenId> holding;
    for (const auto& [id, token] : tokens_.all()) {
        if (scheduler_.token_status(id).held_lanes > 0) holding.insert(id);
    }
    return holding;
}

// Its source holds rejected events no longer: what was held is tried again, and becomes a dead
// letter if it is refused again. What waits for room among the dead letters goes on waiting.
void Delivery::release_held(TokenId token) {
    std::uint64_t threads = 0;
    for (const Seq seq : scheduler_.held(token)) {
        if (!letters_.is_held(seq) && scheduler_.release_lane(seq)) ++threads;
    }
    if (threads == 0) return;
    log_.write(ev::delivery_released,
               {{"source", tokens_.at(token).label()}, {"threads", threads}});
}

void Delivery::release_no_longer_held(const std::set<TokenId>& holding) {
    for (const TokenId id : holding) {
        const Token& token = tokens_.at(id);
        if (token.is_source() && !token.rules.hold_rejected) release_held(id);
    }
}

}  // namespace flowrelay::core
