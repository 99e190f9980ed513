// What operators ask of the relay, and what they ask it to do.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "flowrelay/core/relay.hpp"

namespace flowrelay::core {

Wish<TokenTable::Changes> Relay::add_source(const std::string& name, Secret secret, Now now,
                                            KnownFlowSource flow_source) {
    const auto before = fingerprints();
    auto changes = tokens_.add_source(name, std::move(secret), now.wall, std::move(flow_source));
    if (changes.has_error()) return changes;
    const TokenId token = changes->front().id;
    renew_changed_tokens(before);
    destination_.refusals().forget(token);
    apply_state(token, tokens_.at(token));
    reporting_.liveness().watch(token, now);
    return changes;
}

Wish<TokenTable::Changes> Relay::rotate_source(TokenId token, Secret secret, Now now,
                                               KnownFlowSource flow_source) {
    const auto before = fingerprints();
    auto changes = tokens_.rotate(token, std::move(secret), now.wall, std::move(flow_source));
    if (changes.has_error()) return changes;
    renew_changed_tokens(before);
    destination_.refusals().forget(token);
    apply_state(token, tokens_.at(token));
    reporting_.liveness().watch(token, now);
    return changes;
}

Wish<TokenTable::Changes> Relay::pause_source(TokenId token, Now now, TokenEntry::Pause why) {
    auto changes = tokens_.pause(token, now.wall, why);
    if (changes.has_value()) scheduler_.pause_token(token);
    return changes;
}

Wish<TokenTable::Changes> Relay::resume_source(TokenId token, Now now) {
    auto changes = tokens_.resume(token, now.wall);
    if (changes.has_value()) {
        scheduler_.resume_token(token);
        destination_.refusals().forget(token);
    }
    if (scheduler_.token_status(token).state == TokenState::active) reporting_.forget_reason(token);
    return changes;
}

Wish<TokenTable::Changes> Relay::remove_source(TokenId token, Now now) {
    const bool nothing_left = tokens_.at(token).entry.state == TokenEntry::State::erased;
    auto changes = tokens_.remove(token, now.wall);
    if (changes.has_error() || nothing_left) return changes;
    take_out(token);
    unsaved_.insert(token);
    // One that has begun goes on as it is: under way, or waiting to be tried again.
    if (erasing_.contains(token)) return changes;
    std::erase_if(erasures_, [token](const Erasure& erasure) { return erasure.token == token; });
    schedule_erasure(changes->front());
    return changes;
}

std::optional<Refusal> Relay::refuse_enable(std::span<const StoredBacklog> backlogs) const {
    const auto conflict = [](std::string message) {
        return Refusal{Refusal::Code::conflict, std::move(message)};
    };
    for (const StoredBacklog& backlog : backlogs) {
        if (tokens_.all().contains(backlog.token)) continue;
        return Refusal{Refusal::Code::not_found,
                       fmt::format("{} has no events and was forgotten", slot_name(backlog.token))};
    }
    const Token& first = tokens_.at(backlogs.front().token);
    if (!first.gone()) {
        return conflict(
            fmt::format("{} is not gone: `source resume` ends a pause or a park", first.label()));
    }
    for (const StoredBacklog& backlog : backlogs) {
        const Token& slot = tokens_.at(backlog.token);
        if (slot.entry.state != TokenEntry::State::gone) continue;
        const auto erasure = std::ranges::find(erasures_, backlog.token, &Erasure::token);
        if (erasure == erasures_.end() || erasing_.contains(backlog.token)) {
            return conflict(fmt::format("what is stored for {} is being erased", slot.label()));
        }
        if (scheduler_.token_status(backlog.token).queued > 0) {
            return conflict(
                fmt::format("requests with the token of {} are under way: try again in "
                            "a moment",
                            slot.label()));
        }
    }
    const bool all = first.entry.state != TokenEntry::State::gone ||
                     tokens_.gone_with(first.entry.id).size() == backlogs.size();
    if (!all) return conflict("its token was found gone again: try again in a moment");
    return std::nullopt;
}

Wish<TokenTable::Changes> Relay::enable_source(std::span<const StoredBacklog> backlogs, Now now) {
    if (auto refused = refuse_enable(backlogs)) return *refused;
    auto changes = tokens_.enable(backlogs.front().token, now.wall);
    if (changes.has_error()) return changes;
    for (const StoredBacklog& backlog : backlogs) {
        const TokenId token = backlog.token;
        std::erase_if(erasures_, [token](const Erasure& e) { return e.token == token; });
        reporting_.forget_reason(token);
        doomed_.erase(token);
        apply_state(token, tokens_.at(token));
        reporting_.liveness().watch(token, now);
        active_.restore(token, backlog.queued, backlog.first);
        destination_.replayed(backlog.replays);
    }
    destination_.accepted_before();  // some of these were sent
    return changes;
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
        situation.token_trouble = token_reason(event.lane.token);
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
