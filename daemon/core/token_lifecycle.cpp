#include "flowrelay/core/token_lifecycle.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <unordered_set>
#include <utility>

#include "flowrelay/core/log_events.hpp"

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

TokenLifecycle::TokenLifecycle(const RelayOptions& options, TokenTable& tokens,
                               DedupWindow& known_ids, Destination& destination,
                               Reporting& reporting, Log& log)
    : options_(options),
      tokens_(tokens),
      dedup_(known_ids),
      destination_(destination),
      scheduler_(destination.scheduler()),
      active_(destination.active()),
      reporting_(reporting),
      log_(log) {
    for (const auto& [id, token] : tokens_.all()) schedule_erasure(token.entry);
}

std::vector<TokenEntry> TokenLifecycle::configure(std::vector<ConfiguredSource> sources, Now now) {
    const auto before = fingerprints();
    auto [changed, renamed] = tokens_.configure(std::move(sources), now.wall);
    for (const auto& [id, former] : renamed) {
        log_.write(
            ev::token_renamed,
            {{"source", tokens_.at(id).label()}, {"before", former}, {"queued", queued(id)}});
    }
    renew_changed_tokens(before);
    destination_.refusals().forget_all();
    schedule_erasures();
    for (const auto& [id, token] : tokens_.all()) {
        scheduler_.set_token_rate(id, token.rules.rate_limit);
    }
    reporting_.flow().configure();
    for (const auto& [id, token] : tokens_.all()) apply_state(id);
    reporting_.liveness().configure(now);
    return changed;
}

std::map<TokenId, Fingerprint> TokenLifecycle::fingerprints() const {
    std::map<TokenId, Fingerprint> prints;
    for (const auto& [id, token] : tokens_.all()) prints.emplace(id, token.entry.fingerprint);
    return prints;
}

// What was said of the former token says nothing about the new one.
void TokenLifecycle::renew_changed_tokens(const std::map<TokenId, Fingerprint>& before) {
    for (const auto& [id, print] : before) {
        if (tokens_.at(id).entry.fingerprint == print) continue;
        destination_.renew(id);
        reporting_.renew(id);
    }
}

void TokenLifecycle::restore(TokenId token, std::uint64_t queued, Seq first) {
    const Token& slot = tokens_.at(token);
    // Those that are unknown have a line of their own, with their dead letters.
    if (slot.missing() && !slot.unknown) {
        log_.write(ev::token_missing,
                   {{"source", slot.label()}, {"slot", slot_name(token)}, {"queued", queued}});
    }
    if (slot.gone()) {
        to_erase_[token] = queued;
    } else {
        active_.restore(token, queued, first);
    }
}

void TokenLifecycle::apply_state(TokenId id) {
    const Token& token = tokens_.at(id);
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

void TokenLifecycle::take_out(TokenId token) {
    to_erase_[token] += active_.queued(token);
    destination_.take_out(token);
    reporting_.gone(token);
}

std::uint64_t TokenLifecycle::queued(TokenId token) const {
    const auto left = to_erase_.find(token);
    return active_.queued(token) + (left == to_erase_.end() ? 0 : left->second);
}

void TokenLifecycle::tell_unknown(TokenId token, std::uint64_t queued, std::uint64_t dead_letters) {
    log_.write(ev::token_unknown, {{"source", tokens_.at(token).label()},
                                   {"queued", queued},
                                   {"dead_letters", dead_letters}});
}

std::vector<TokenEntry> TokenLifecycle::disable(TokenId token, Now now) {
    auto entries = tokens_.disable(token, now.wall, options_.gone_grace);
    for (const auto& entry : entries) {
        take_out(entry.id);
        unsaved_.insert(entry.id);
        schedule_erasure(entry);
        log_.write(ev::token_gone, {{"source", tokens_.at(entry.id).label()},
                                    {"status", 410},
                                    {"erase_at", format_time(entry.erase_at)}});
    }
    return entries;
}

void TokenLifecycle::committed_too_late(TokenId token) {
    assert(tokens_.at(token).gone());
    ++to_erase_[token];
}

void TokenLifecycle::delivered_too_late(TokenId token) {
    assert(tokens_.at(token).gone());
    auto& left = to_erase_[token];
    left -= std::min<std::uint64_t>(1, left);
}

void TokenLifecycle::schedule_erasure(const TokenEntry& entry) {
    const bool is_due =
        entry.state == TokenEntry::State::gone || entry.state == TokenEntry::State::removed;
    if (is_due) erasures_.push_back({entry.id, entry.erase_at});
}

/// After a change of the configuration. An erasure that has begun goes on as it is: under way, or
/// waiting to be tried again.
void TokenLifecycle::schedule_erasures() {
    std::erase_if(erasures_, [this](const Erasure& e) { return !erasing_.contains(e.token); });
    for (const auto& [id, token] : tokens_.all()) {
        if (!erasing_.contains(id)) schedule_erasure(token.entry);
    }
}

void TokenLifecycle::tokens_saved(std::span<const TokenEntry> entries) {
    for (const auto& entry : entries) {
        // It may have been changed again since.
        if (!tokens_.mark_durable(entry)) continue;
        unsaved_.erase(entry.id);
        to_save_.erase(entry.id);
    }
}

void TokenLifecycle::tokens_not_saved(std::span<const TokenEntry> entries, std::string_view reason,
                                      Now now) {
    for (const auto& entry : entries) {
        unsaved_.insert(entry.id);
        to_save_.insert(entry.id);
    }
    save_again_at_ = now.mono + save_again_after;
    log_.write(ev::token_save_failed,
               {{"source", tokens_.at(entries.front().id).label()}, {"reason", reason}});
}

std::vector<TokenEntry> TokenLifecycle::take_unsaved_tokens(Now now) {
    std::vector<TokenEntry> entries;
    if (!save_again_at_ || now.mono < *save_again_at_) return entries;
    save_again_at_.reset();
    for (const TokenId id : std::exchange(to_save_, {})) {
        entries.push_back(tokens_.registry_entry(id));
    }
    return entries;
}

std::vector<TokenId> TokenLifecycle::take_due_erasures(Now now) {
    std::vector<TokenId> due;
    std::erase_if(erasures_, [&](const Erasure& erasure) {
        if (erasure.due > now.wall || unsaved_.contains(erasure.token)) return false;
        due.push_back(erasure.token);
        erasing_.insert(erasure.token);
        return true;
    });
    return due;
}

std::vector<TokenEntry> TokenLifecycle::erasing(std::span<const TokenId> tokens, Now now) {
    const std::unordered_set<TokenId> all(tokens.begin(), tokens.end());
    dedup_.forget(all);
    reporting_.erased(all);
    std::vector<TokenEntry> entries;
    for (const TokenId token : tokens) entries.push_back(tokens_.erased(token, now.wall));
    return entries;
}

void TokenLifecycle::erased(TokenId token, std::uint64_t events, std::uint64_t dead_letters) {
    to_erase_.erase(token);
    erasing_.erase(token);
    erase_failures_.erase(token);
    log_.write(ev::token_erased, {{"source", tokens_.at(token).label()},
                                  {"events", events},
                                  {"dead_letters", dead_letters}});
}

void TokenLifecycle::erase_failed(TokenId token, std::string_view reason, Now now) {
    log_.write(ev::token_erase_failed, {{"source", tokens_.at(token).label()}, {"reason", reason}});
    erasures_.push_back({token, now.wall + Seconds(60)});
    erase_failures_[token] = reason;
}

void TokenLifecycle::left_to_erase(TokenId token, std::uint64_t events) {
    if (erasing_.contains(token)) to_erase_[token] = events;
}

std::string TokenLifecycle::erasure_waits(TokenId token) const {
    if (const auto failed = erase_failures_.find(token); failed != erase_failures_.end()) {
        return failed->second;
    }
    const auto state = tokens_.at(token).entry.state;
    const bool ends = state == TokenEntry::State::gone || state == TokenEntry::State::removed;
    return ends && to_save_.contains(token) ? "the registry of tokens can't be written" : "";
}

std::string TokenLifecycle::token_reason(TokenId token) const {
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

std::optional<MonoTime> TokenLifecycle::next_wakeup(Now now) const {
    auto wakeup = save_again_at_;
    for (const auto& erasure : erasures_) {
        if (unsaved_.contains(erasure.token)) continue;
        const auto at = now.mono + std::max(Milliseconds(0), erasure.due - now.wall);
        if (!wakeup || at < *wakeup) wakeup = at;
    }
    return wakeup;
}

}  // namespace flowrelay::core
