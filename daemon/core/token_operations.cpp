// What operators do to tokens: see core/token_table.hpp.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "flowrelay/core/token_table.hpp"

namespace flowrelay::core {
namespace {

using Code = Refusal::Code;
using State = TokenEntry::State;

constexpr std::size_t longest_name = 64;
constexpr std::size_t longest_token = 256;

bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= longest_name && std::ranges::all_of(text, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '.' || c == '_' || c == '-';
    });
}

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

Refusal is_gone(const Token& token) {
    return {Code::conflict,
            fmt::format("{} is gone: add it anew with its new token", token.label())};
}

}  // namespace

std::optional<TokenId> TokenTable::find(std::string_view label) const {
    const auto source = by_source_.find(label);
    if (source != by_source_.end() && !at(source->second).gone()) return source->second;
    std::optional<TokenId> found;
    for (const auto& [id, token] : tokens_) {
        if (token.label() != label && slot_name(id) != label) continue;
        if (!token.gone()) return id;
        found = id;
    }
    return found;
}

std::vector<TokenId> TokenTable::find_all(std::string_view label) const {
    std::vector<TokenId> found;
    for (const auto& [id, token] : tokens_) {
        if (token.label() == label || slot_name(id) == label) found.push_back(id);
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

std::optional<Refusal> TokenTable::refuse_name(std::string_view name) const {
    if (!is_name(name)) {
        return Refusal{Code::invalid,
                       fmt::format("this is no name for a source: 1 to {} letters, digits, \".\", "
                                   "\"_\" and \"-\"",
                                   longest_name)};
    }
    const auto known = find(name);
    if (known && !at(*known).gone()) {
        return Refusal{Code::conflict,
                       fmt::format("there is a source {} already: `source rotate` gives it another "
                                   "token",
                                   name)};
    }
    return std::nullopt;
}

Wish<TokenEntry> TokenTable::add_source(const std::string& name, Secret secret, WallTime now) {
    if (auto refused = refuse_name(name)) return *refused;
    if (!is_token(secret.reveal())) return not_a_token();
    const auto direct = by_secret_.find(secret.reveal());
    if (direct != by_secret_.end() && !tokens_.at(direct->second).entry.source.empty()) {
        return Refusal{Code::conflict,
                       fmt::format("source {} has this token already; each source needs its own",
                                   tokens_.at(direct->second).entry.source)};
    }
    // Slots that had the name before are gone; what belonged to them stays theirs.
    for (auto& [id, old] : tokens_) {
        if (old.entry.source == name) old.configured = old.managed = false;
    }
    TokenEntry fresh;
    fresh.id = TokenId{last_id_ + 1};
    Token& token =
        direct != by_secret_.end() ? tokens_.at(direct->second) : add_slot(std::move(fresh));
    token.entry.source = name;
    token.entry.fingerprint = fingerprint(secret.reveal(), salt_);
    token.entry.secret = std::move(secret);
    token.entry.since = now;
    token.configured = true;
    token.managed = true;
    token.durable = false;
    index();
    return registry_entry(token.entry.id);
}

Wish<TokenEntry> TokenTable::rotate(TokenId id, Secret secret, WallTime now) {
    Token& token = tokens_.at(id);
    if (token.gone()) return is_gone(token);
    if (token.unknown) return is_unknown(token);
    if (token.entry.source.empty()) {
        return Refusal{
            Code::conflict,
            fmt::format("{} came with its events and belongs to no source", token.label())};
    }
    if (!token.managed) {
        return Refusal{Code::conflict,
                       fmt::format("the token of {} is the configuration's: put the new one where "
                                   "that says and reload it",
                                   token.label())};
    }
    if (!is_token(secret.reveal())) return not_a_token();
    token.entry.fingerprint = fingerprint(secret.reveal(), salt_);
    token.entry.secret = std::move(secret);
    token.entry.since = now;
    index();
    return registry_entry(id);
}

TokenEntry TokenTable::change_state(Token& token, State state, WallTime now) {
    if (token.entry.state != state) {
        token.entry.state = state;
        token.entry.since = now;
        index();
    }
    return registry_entry(token.entry.id);
}

Wish<TokenEntry> TokenTable::pause(TokenId id, WallTime now) {
    Token& token = tokens_.at(id);
    if (token.gone()) return is_gone(token);
    if (token.unknown) return is_unknown(token);
    return change_state(token, State::paused, now);
}

Wish<TokenEntry> TokenTable::resume(TokenId id, WallTime now) {
    Token& token = tokens_.at(id);
    if (token.gone()) {
        return Refusal{Code::conflict,
                       fmt::format("{} is gone (410): `source enable` takes that back as long as "
                                   "nothing was erased",
                                   token.label())};
    }
    if (token.unknown) return is_unknown(token);
    if (!token.configured) {
        return Refusal{Code::conflict,
                       fmt::format("{} is not in the configuration any more, so there is no token "
                                   "to post with: put it back, or add it",
                                   token.label())};
    }
    return change_state(token, State::active, now);
}

Wish<TokenEntry> TokenTable::enable(TokenId id, WallTime now) {
    Token& token = tokens_.at(id);
    if (token.entry.state == State::erased) {
        return Refusal{Code::conflict,
                       fmt::format("everything of {} was erased, its token as well: add it anew",
                                   token.label())};
    }
    return change_state(token, State::active, now);
}

Wish<TokenEntry> TokenTable::remove(TokenId id, WallTime now) {
    Token& token = tokens_.at(id);
    if (token.entry.state == State::erased) {
        return Refusal{Code::conflict,
                       fmt::format("everything of {} was erased already", token.label())};
    }
    token.entry.erase_at = now;
    return change_state(token, State::gone, now);
}

}  // namespace flowrelay::core
