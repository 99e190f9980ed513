// What operators do with sources: the part of TokenLifecycle that they ask for.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "flowrelay/core/token_lifecycle.hpp"

namespace flowrelay::core {

OrRefusal<TokenTable::Changes> TokenLifecycle::add_source(const std::string& name, Secret secret,
                                                          Now now, KnownFlowSource flow_source) {
    const auto before = fingerprints();
    auto changes = tokens_.add_source(name, std::move(secret), now.wall, std::move(flow_source));
    if (changes.has_error()) return changes;
    const TokenId token = changes->front().id;
    renew_changed_tokens(before);
    destination_.refusals().forget(token);
    apply_state(token);
    reporting_.liveness().watch(token, now);
    return changes;
}

OrRefusal<TokenTable::Changes> TokenLifecycle::rotate_source(TokenId token, Secret secret, Now now,
                                                             KnownFlowSource flow_source) {
    const auto before = fingerprints();
    auto changes = tokens_.rotate(token, std::move(secret), now.wall, std::move(flow_source));
    if (changes.has_error()) return changes;
    renew_changed_tokens(before);
    destination_.refusals().forget(token);
    apply_state(token);
    reporting_.liveness().watch(token, now);
    return changes;
}

OrRefusal<TokenTable::Changes> TokenLifecycle::pause_source(TokenId token, Now now,
                                                            TokenEntry::Pause why) {
    auto changes = tokens_.pause(token, now.wall, why);
    if (changes.has_value()) scheduler_.pause_token(token);
    return changes;
}

OrRefusal<TokenTable::Changes> TokenLifecycle::resume_source(TokenId token, Now now) {
    auto changes = tokens_.resume(token, now.wall);
    if (changes.has_value()) {
        scheduler_.resume_token(token);
        destination_.refusals().forget(token);
    }
    if (scheduler_.token_status(token).state == TokenState::active) reporting_.forget_reason(token);
    return changes;
}

OrRefusal<TokenTable::Changes> TokenLifecycle::remove_source(TokenId token, Now now) {
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

std::optional<Refusal> TokenLifecycle::refuse_enable(
    std::span<const StoredBacklog> backlogs) const {
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

OrRefusal<TokenTable::Changes> TokenLifecycle::enable_source(
    std::span<const StoredBacklog> backlogs, Now now) {
    if (auto refused = refuse_enable(backlogs)) return *refused;
    auto changes = tokens_.enable(backlogs.front().token, now.wall);
    if (changes.has_error()) return changes;
    for (const StoredBacklog& backlog : backlogs) {
        const TokenId token = backlog.token;
        std::erase_if(erasures_, [token](const Erasure& e) { return e.token == token; });
        reporting_.forget_reason(token);
        to_erase_.erase(token);
        apply_state(token);
        reporting_.liveness().watch(token, now);
        active_.restore(token, backlog.queued, backlog.first);
        destination_.replayed(backlog.replays);
    }
    destination_.accepted_before();  // some of these were sent
    return changes;
}

}  // namespace flowrelay::core
