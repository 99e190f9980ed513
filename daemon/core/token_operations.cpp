// What operators do to tokens: see core/token_table.hpp.
#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "flowrelay/base/ascii.hpp"
#include "flowrelay/core/token_table.hpp"
#include "identity.hpp"

namespace flowrelay::core {
namespace {

using Code = Refusal::Code;
using Origin = TokenEntry::Origin;
using State = TokenEntry::State;

constexpr std::size_t longest_token = 256;

bool is_token(std::string_view text) {
    return !text.empty() && text.size() <= longest_token &&
           std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F; });
}

Refusal not_a_token() {
    return {Code::invalid,
            fmt::format("this is no flow_token: it has to be 1 to {} characters of visible ASCII",
                        longest_token)};
}

Refusal is_unknown(const Token& token) {
    return {Code::conflict,
            fmt::format("{} is not in the registry of tokens, so there is no token to post with: "
                        "put the file `tokens` that belongs to this spool back (`flowrelay "
                        "restore`), drop what is queued, or remove it",
                        token.label())};
}

/// Why nothing can be done with a slot that is out of use.
Refusal is_gone(const Token& token) {
    if (token.removed()) {
        return {Code::conflict,
                fmt::format("{} was removed by an operator: that can't be taken back; `source add` "
                            "makes a new one",
                            token.label())};
    }
    if (token.entry.state == State::gone) {
        return {Code::conflict,
                fmt::format("{} is gone (410): `source enable` takes that back as long as nothing "
                            "was erased",
                            token.label())};
    }
    return {Code::conflict,
            fmt::format("{} is gone (410), and everything of it was erased: add it with a new "
                        "token; if its own is right after all, `source remove {}` lets it be used "
                        "again",
                        token.label(), slot_name(token.entry.id))};
}

/// Orders the slots of one name: which of them is meant.
auto rank_for_name(const Token& token) {
    const int use = !token.gone()                        ? 3
                    : token.entry.state == State::gone   ? 2
                    : token.entry.state == State::erased ? 1
                                                         : 0;
    return std::tuple(use, token.is_source(), token.entry.id);
}

/// Before a slot gets the token of a fingerprint. What is known of that very token stays if nobody
/// knows better.
void give_flow_source(TokenEntry& entry, const Fingerprint& print, KnownFlowSource flow_source) {
    if (flow_source || entry.fingerprint != print) entry.flow_source = std::move(flow_source);
}

}  // namespace

std::optional<TokenId> TokenTable::find(std::string_view label) const {
    const Token* found = nullptr;
    for (const TokenId id : find_all(label)) {
        const Token& token = at(id);
        if (found == nullptr || rank_for_name(token) > rank_for_name(*found)) found = &token;
    }
    return found == nullptr ? std::nullopt : std::optional(found->entry.id);
}

std::vector<TokenId> TokenTable::find_all(std::string_view label) const {
    std::vector<TokenId> found;
    for (const auto& [id, token] : tokens_) {
        if (token.entry.source == label ||
            (label.starts_with("token-") && slot_name(id) == label)) {
            found.push_back(id);
        }
    }
    return found;
}

std::optional<TokenId> TokenTable::find_gone(std::string_view label) const {
    std::optional<TokenId> found;
    for (const TokenId id : find_all(label)) {
        if (at(id).entry.state == State::gone) found = id;
    }
    return found;
}

std::vector<TokenId> TokenTable::gone_with(TokenId id) const {
    std::vector<TokenId> gone;
    const Fingerprint& print = at(id).entry.fingerprint;
    for (const auto& [other, token] : tokens_) {
        if (token.entry.state != State::gone || token.entry.fingerprint != print) continue;
        gone.insert(other == id ? gone.begin() : gone.end(), other);
    }
    return gone;
}

std::optional<Refusal> TokenTable::refuse_name(std::string_view name) const {
    if (!is_source_name(name)) {
        return Refusal{Code::invalid,
                       fmt::format("this is no name for a source: {}", source_name_form)};
    }
    if (is_slot_name(name)) {
        return Refusal{Code::invalid,
                       fmt::format("{} can't be the name of a source: tokens that come with events "
                                   "are called so; choose another one",
                                   name)};
    }
    const auto known = by_source_.find(name);
    if (known == by_source_.end()) return std::nullopt;
    const Token& token = at(known->second);
    if (!token.gone()) {
        return Refusal{Code::conflict,
                       fmt::format("there is a source {} already: `source rotate` gives it another "
                                   "token",
                                   name)};
    }
    if (token.entry.origin == Origin::configured) {
        return Refusal{Code::conflict,
                       fmt::format("{} is in the configuration, and its token is gone: put the new "
                                   "one where that says and reload it",
                                   name)};
    }
    return std::nullopt;
}

/// Why the token can't become that of the source `name`, given what its slot is.
std::optional<Refusal> TokenTable::refuse_token(const Secret& secret, const Fingerprint& print,
                                                std::string_view name) const {
    if (!is_token(secret.reveal())) return not_a_token();
    const Token* slot = slot_of(print);
    if (slot == nullptr || (!slot->gone() && slot->entry.origin == Origin::direct)) {
        return std::nullopt;
    }
    const std::string label = slot->label();
    if (slot->gone()) {
        const bool erased = slot->entry.state == State::erased;
        return Refusal{
            Code::conflict,
            fmt::format("the destination has removed this token (410), that of {}: {}", label,
                        erased ? fmt::format("get a new one; if it is right after all, `source "
                                             "remove {}` lets it be used again",
                                             slot_name(slot->entry.id))
                               : fmt::format("`source enable {}` takes that back", label))};
    }
    if (slot->is_source()) {
        return Refusal{
            Code::conflict,
            fmt::format("source {} has this token already; each source needs its own", label)};
    }
    if (slot->entry.source == name || by_source_.contains(slot->entry.source)) return std::nullopt;
    return Refusal{Code::conflict,
                   fmt::format("this token is that of {}, and {}", label, way_back(*slot))};
}

std::string TokenTable::way_back(const Token& token) const {
    if (by_source_.contains(token.entry.source)) {
        return fmt::format(
            "{} ({}) is not in the configuration any more, where another source has "
            "its name now: `source add` it by another name with its own token, or give the other "
            "source another name first",
            token.label(), slot_name(token.entry.id));
    }
    return fmt::format(
        "{} is not in the configuration any more: put it back there, or `source add "
        "{}`, with its token or a new one",
        token.label(), token.label());
}

TokenTable::Changes TokenTable::changed(Token& token, const TokenEntry& before, WallTime now) {
    index();
    token.used = ++uses_;
    if (registry_entry(token.entry.id) != before) token.entry.since = now;
    // No event counts for a new token that a crash would turn back into the former one.
    if (token.entry.fingerprint != before.fingerprint) token.durable = false;
    return {registry_entry(token.entry.id)};
}

OrRefusal<TokenTable::Changes> TokenTable::add_source(const std::string& name, Secret secret,
                                                      WallTime now, KnownFlowSource flow_source) {
    if (auto refused = refuse_name(name)) return *refused;
    const Fingerprint print = fingerprint(secret.reveal(), salt_);
    if (auto refused = refuse_token(secret, print, name)) return *refused;
    Changes others;
    // What belonged to a source of this name that is gone stays that one's.
    for (auto& [id, old] : tokens_) {
        if (old.entry.source != name || !old.is_source()) continue;
        old.entry.origin = Origin::left;
        others.push_back(registry_entry(id));
    }
    const auto same = by_print_.find(print);
    const auto heir =
        same == by_print_.end() ? identity::heir_of(tokens_, name) : std::optional(same->second);
    Token& token = heir ? tokens_.at(*heir) : add_slot(print);
    const TokenEntry before = heir ? registry_entry(*heir) : TokenEntry();
    token.entry.source = name;
    token.entry.origin = Origin::added;
    give_flow_source(token.entry, print, std::move(flow_source));
    token.entry.fingerprint = print;
    token.entry.secret = std::move(secret);
    token.durable = false;
    Changes changes = changed(token, before, now);
    changes.insert(changes.end(), others.begin(), others.end());
    return changes;
}

OrRefusal<TokenTable::Changes> TokenTable::rotate(TokenId id, Secret secret, WallTime now,
                                                  KnownFlowSource flow_source) {
    Token& token = tokens_.at(id);
    if (token.gone()) return is_gone(token);
    if (token.unknown) return is_unknown(token);
    if (token.entry.origin == Origin::direct) {
        return Refusal{
            Code::conflict,
            fmt::format("{} came with its events and belongs to no source", token.label())};
    }
    if (token.entry.origin == Origin::configured) {
        return Refusal{Code::conflict,
                       fmt::format("the token of {} is the configuration's: put the new one where "
                                   "that says and reload it",
                                   token.label())};
    }
    if (!token.is_source()) return Refusal{Code::conflict, way_back(token)};
    const Fingerprint print = fingerprint(secret.reveal(), salt_);
    const TokenEntry before = registry_entry(id);
    if (print != token.entry.fingerprint) {
        if (auto refused = refuse_token(secret, print, token.entry.source)) return *refused;
        if (const Token* other = slot_of(print)) {
            return Refusal{Code::conflict,
                           fmt::format("{} has this token already, and events of its own: add a "
                                       "source with it, and remove {} when its queue is empty",
                                       other->label(), token.label())};
        }
    }
    give_flow_source(token.entry, print, std::move(flow_source));
    token.entry.fingerprint = print;
    token.entry.secret = std::move(secret);
    return changed(token, before, now);
}

OrRefusal<TokenTable::Changes> TokenTable::pause(TokenId id, WallTime now, TokenEntry::Pause why) {
    Token& token = tokens_.at(id);
    if (token.gone()) return is_gone(token);
    if (token.unknown) return is_unknown(token);
    const TokenEntry before = registry_entry(id);
    // Who resumes it has to know of the other token.
    if (token.entry.state != State::paused || why == TokenEntry::Pause::other_token) {
        token.entry.pause = why;
    }
    token.entry.state = State::paused;
    return changed(token, before, now);
}

OrRefusal<TokenTable::Changes> TokenTable::resume(TokenId id, WallTime now) {
    Token& token = tokens_.at(id);
    if (token.gone()) return is_gone(token);
    if (token.unknown) return is_unknown(token);
    if (token.missing()) {
        return Refusal{Code::conflict, "there is no token to post with: " + way_back(token)};
    }
    const TokenEntry before = registry_entry(id);
    token.entry.state = State::active;
    token.entry.pause = TokenEntry::Pause::by_operator;
    return changed(token, before, now);
}

OrRefusal<TokenTable::Changes> TokenTable::set_filter(TokenId id, KnownFilter filter) {
    Token& token = tokens_.at(id);
    if (token.gone()) return is_gone(token);
    if (token.unknown) return is_unknown(token);
    if (token.entry.origin == Origin::configured) {
        return Refusal{Code::conflict,
                       fmt::format("the filter of {} is the configuration's: change `filter` of "
                                   "this source there and reload it",
                                   token.label())};
    }
    if (token.entry.origin == Origin::direct) {
        return Refusal{Code::conflict,
                       fmt::format("{} came with its events and belongs to no source: add a source "
                                   "with its token first",
                                   token.label())};
    }
    if (!token.is_source()) return Refusal{Code::conflict, way_back(token)};
    token.entry.filter = std::move(filter);
    return Changes{registry_entry(id)};  // `since` is that of its state, name and token
}

OrRefusal<TokenTable::Changes> TokenTable::enable(TokenId id, WallTime now) {
    const Token& token = at(id);
    if (token.removed() || token.entry.state == State::erased) return is_gone(token);
    Changes changes;
    for (const TokenId other : gone_with(id)) {
        tokens_.at(other).entry.state = State::active;
        tokens_.at(other).entry.pause = TokenEntry::Pause::by_operator;
        tokens_.at(other).entry.since = now;
        changes.push_back(registry_entry(other));
    }
    index();
    return changes;
}

OrRefusal<TokenTable::Changes> TokenTable::remove(TokenId id, WallTime now) {
    Token& token = tokens_.at(id);
    const TokenEntry before = registry_entry(id);
    if (token.removed()) {
        return Refusal{Code::conflict, fmt::format("{} was removed already", token.label())};
    }
    if (token.entry.state == State::erased) {
        token.entry.state = State::forgotten;
        index();
        return Changes{registry_entry(id)};  // the receipt of its erasure keeps its time
    }
    token.entry.state = State::removed;
    token.entry.erase_at = now;
    return changed(token, before, now);
}

}  // namespace flowrelay::core
