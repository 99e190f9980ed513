// What operators ask of the relay, and what they ask it to do.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "flowrelay/core/relay.hpp"

namespace flowrelay::core {

Wish<TokenEntry> Relay::add_source(const std::string& name, Secret secret, Now now) {
    auto entry = tokens_.add_source(name, std::move(secret), now.wall);
    if (entry.has_value()) scheduler_.resume_token(entry->id);
    return entry;
}

Wish<TokenEntry> Relay::rotate_source(TokenId token, Secret secret, Now now) {
    auto entry = tokens_.rotate(token, std::move(secret), now.wall);
    // What was said of the old token says nothing about the new one.
    if (entry.has_value() && entry->state == TokenEntry::State::active) {
        scheduler_.resume_token(token);
        token_reasons_.erase(token);
        refusals_.forget(token);
    }
    return entry;
}

Wish<TokenEntry> Relay::pause_source(TokenId token, Now now) {
    auto entry = tokens_.pause(token, now.wall);
    if (entry.has_value()) scheduler_.pause_token(token);
    return entry;
}

Wish<TokenEntry> Relay::resume_source(TokenId token, Now now) {
    auto entry = tokens_.resume(token, now.wall);
    if (entry.has_value()) {
        scheduler_.resume_token(token);
        refusals_.forget(token);
    }
    if (scheduler_.token_status(token).state == TokenState::active) token_reasons_.erase(token);
    return entry;
}

Wish<TokenEntry> Relay::remove_source(TokenId token, Now now) {
    auto entry = tokens_.remove(token, now.wall);
    if (entry.has_error()) return entry;
    take_out(token);
    std::erase_if(erasures_, [token](const Erasure& erasure) { return erasure.token == token; });
    schedule_erasure(*entry);
    return entry;
}

Wish<TokenEntry> Relay::enable_source(TokenId token, std::uint64_t queued, Seq first,
                                      std::span<const QueuedEvent> replays, Now now) {
    const Token& slot = tokens_.at(token);
    if (!slot.gone()) {
        return Refusal{
            Refusal::Code::conflict,
            fmt::format("{} is not gone: `source resume` ends a pause or a park", slot.label())};
    }
    const auto erasure = std::ranges::find(erasures_, token, &Erasure::token);
    const bool begun = erasure == erasures_.end() || erasing_.contains(token);
    if (slot.entry.state == TokenEntry::State::gone && begun) {
        return Refusal{Refusal::Code::conflict,
                       fmt::format("what is stored for {} is being erased", slot.label())};
    }
    if (scheduler_.token_status(token).queued > 0) {
        return Refusal{
            Refusal::Code::conflict,
            fmt::format("requests with the token of {} are under way: try again in a moment",
                        slot.label())};
    }
    auto entry = tokens_.enable(token, now.wall);
    if (entry.has_error()) return entry;
    erasures_.erase(erasure);
    token_reasons_.erase(token);
    scheduler_.resume_token(token);
    if (!slot.configured) scheduler_.pause_token(token);
    doomed_.erase(token);
    active_.restore(token, queued, first);
    replayed(replays);
    return entry;
}

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
    history_.ended(past);
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
    history_.ended(past);
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
        const auto attempts = history_.attempts(head);
        if (!attempts.empty()) situation.head_trouble = attempts.back().reason;
    }
    const auto slot = tokens_.all().find(event.lane.token);
    if (slot != tokens_.all().end()) {
        situation.source = slot->second.label();
        situation.token_state = slot->second.entry.state;
        situation.erase_at = slot->second.entry.erase_at;
        situation.configured = slot->second.configured;
        situation.unknown = slot->second.unknown;
        situation.token_trouble = token_reason(event.lane.token);
    } else {
        situation.source = slot_name(event.lane.token);
        situation.unknown = true;
    }
    situation.destination = options_.destination;
    situation.destination_trouble = destination_reason_;
    return situation;
}

}  // namespace flowrelay::core
