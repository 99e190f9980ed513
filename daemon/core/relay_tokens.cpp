// The heart: what becomes of tokens, from their states at the start to their erasure.
#include <fmt/format.h>

#include <string>
#include <unordered_set>
#include <utility>

#include "flowrelay/core/log_events.hpp"
#include "flowrelay/core/relay.hpp"

namespace flowrelay::core {

namespace ev = log_events;

namespace {

constexpr Seconds save_again_after{10};

std::string pause_reason(const Token& slot) {
    if (slot.entry.pause == TokenEntry::Pause::by_operator) return "paused by an operator";
    return fmt::format(
        "paused after the restore, since its events were accepted for another token and may belong "
        "to another flow: `source resume {0}` posts them with the token of this host, `queue drop "
        "--source {0}` drops them",
        slot.label());
}

}  // namespace

void Relay::apply_token_states() {
    for (const auto& [id, token] : tokens_.all()) apply_state(id, token);
}

void Relay::apply_state(TokenId id, const Token& token) {
    switch (token.entry.state) {
        case TokenEntry::State::gone:
        case TokenEntry::State::erased:
        case TokenEntry::State::removed:
        case TokenEntry::State::forgotten:
            take_out(id);
            break;
        case TokenEntry::State::paused:
            scheduler_.pause_token(id);
            break;
        case TokenEntry::State::active:
            if (!token.missing()) {
                scheduler_.resume_token(id);
                if (scheduler_.token_status(id).state == TokenState::active) {
                    reporting_.forget_reason(id);
                }
            } else {
                scheduler_.pause_token(id);
            }
    }
}

void Relay::take_out(TokenId token) {
    doomed_[token] += active_.queued(token);
    destination_.take_out(token);
    reporting_.gone(token);
}

std::uint64_t Relay::queued(TokenId token) const {
    const auto doomed = doomed_.find(token);
    return active_.queued(token) + (doomed == doomed_.end() ? 0 : doomed->second);
}

void Relay::tell_unknown(TokenId token, std::uint64_t queued, std::uint64_t dead_letters) {
    log_.write(ev::token_unknown, {{"source", tokens_.at(token).label()},
                                   {"queued", queued},
                                   {"dead_letters", dead_letters}});
}

Relay::CheckEnd Relay::end_check(const SourceCheck& check, const AttemptResult& result,
                                 bool has_source, Now now) {
    CheckEnd end{reporting_.liveness().end_check(check, result, has_source, now), {}};
    if (end.life == SourceLife::gone) disable(check.token, end.effects, now);
    return end;
}

void Relay::disable(TokenId token, Effects& effects, Now now) {
    effects.tokens = tokens_.disable(token, now.wall, options_.gone_grace);
    for (const auto& entry : effects.tokens) {
        take_out(entry.id);
        unsaved_.insert(entry.id);
        schedule_erasure(entry);
        log_.write(ev::token_gone, {{"source", tokens_.at(entry.id).label()},
                                    {"status", 410},
                                    {"erase_at", format_time(entry.erase_at)}});
    }
}

void Relay::schedule_erasure(const TokenEntry& entry) {
    const bool is_due =
        entry.state == TokenEntry::State::gone || entry.state == TokenEntry::State::removed;
    if (is_due) erasures_.push_back({entry.id, entry.erase_at});
}

/// After a change of the configuration. An erasure that has begun goes on as it is: under way, or
/// waiting to be tried again.
void Relay::schedule_erasures() {
    std::erase_if(erasures_, [this](const Erasure& e) { return !erasing_.contains(e.token); });
    for (const auto& [id, token] : tokens_.all()) {
        if (!erasing_.contains(id)) schedule_erasure(token.entry);
    }
}

void Relay::tokens_saved(std::span<const TokenEntry> entries) {
    for (const auto& entry : entries) {
        // It may have been changed again since.
        if (!tokens_.mark_durable(entry)) continue;
        unsaved_.erase(entry.id);
        to_save_.erase(entry.id);
    }
}

void Relay::tokens_not_saved(std::span<const TokenEntry> entries, std::string_view reason,
                             Now now) {
    for (const auto& entry : entries) {
        unsaved_.insert(entry.id);
        to_save_.insert(entry.id);
    }
    save_again_at_ = now.mono + save_again_after;
    log_.write(ev::token_save_failed,
               {{"source", tokens_.at(entries.front().id).label()}, {"reason", reason}});
}

std::vector<TokenEntry> Relay::take_unsaved_tokens(Now now) {
    std::vector<TokenEntry> entries;
    if (!save_again_at_ || now.mono < *save_again_at_) return entries;
    save_again_at_.reset();
    for (const TokenId id : std::exchange(to_save_, {})) {
        entries.push_back(tokens_.registry_entry(id));
    }
    return entries;
}

std::vector<TokenId> Relay::take_due_erasures(Now now) {
    std::vector<TokenId> due;
    std::erase_if(erasures_, [&](const Erasure& erasure) {
        if (erasure.due > now.wall || unsaved_.contains(erasure.token)) return false;
        due.push_back(erasure.token);
        erasing_.insert(erasure.token);
        return true;
    });
    return due;
}

std::vector<TokenEntry> Relay::erasing(std::span<const TokenId> tokens, Now now) {
    const std::unordered_set<TokenId> all(tokens.begin(), tokens.end());
    dedup_.forget(all);
    reporting_.erased(all);
    std::vector<TokenEntry> entries;
    for (const TokenId token : tokens) entries.push_back(tokens_.erased(token, now.wall));
    return entries;
}

void Relay::erased(TokenId token, std::uint64_t events, std::uint64_t dead_letters) {
    doomed_.erase(token);
    erasing_.erase(token);
    erase_failures_.erase(token);
    log_.write(ev::token_erased, {{"source", tokens_.at(token).label()},
                                  {"events", events},
                                  {"dead_letters", dead_letters}});
}

void Relay::erase_failed(TokenId token, std::string_view reason, Now now) {
    log_.write(ev::token_erase_failed, {{"source", tokens_.at(token).label()}, {"reason", reason}});
    erasures_.push_back({token, now.wall + Seconds(60)});
    erase_failures_[token] = reason;
}

void Relay::left_to_erase(TokenId token, std::uint64_t events) {
    if (erasing_.contains(token)) doomed_[token] = events;
}

std::string Relay::erasure_waits(TokenId token) const {
    if (const auto failed = erase_failures_.find(token); failed != erase_failures_.end()) {
        return failed->second;
    }
    const auto state = tokens_.at(token).entry.state;
    const bool ends = state == TokenEntry::State::gone || state == TokenEntry::State::removed;
    return ends && to_save_.contains(token) ? "the registry of tokens can't be written" : "";
}

std::string Relay::token_reason(TokenId token) const {
    if (const std::string why = erasure_waits(token); !why.empty()) {
        const bool gone = tokens_.at(token).entry.state == TokenEntry::State::gone;
        return (gone ? "answered 410" : "removed by an operator") +
               ("; the erasure waits and is tried again by itself: " + why);
    }
    if (const std::string* said = reporting_.token_reason(token)) return *said;
    const Token& slot = tokens_.at(token);
    switch (slot.entry.state) {
        case TokenEntry::State::gone:
            return "answered 410; erased at " + format_time(slot.entry.erase_at);
        case TokenEntry::State::erased:
            return "answered 410; erased";
        case TokenEntry::State::removed:
            return "removed by an operator; being erased";
        case TokenEntry::State::forgotten:
            return "removed by an operator; erased";
        case TokenEntry::State::paused:
            return pause_reason(slot);
        case TokenEntry::State::active:
            break;
    }
    if (slot.unknown) return "not in the registry of tokens: it was lost, or is of another spool";
    return slot.missing() ? tokens_.way_back(slot) : std::string();
}

}  // namespace flowrelay::core
