#include "flowrelay/core/token_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace flowrelay::core {
namespace {

Rejection gone_rejection(std::string_view what) {
    return {RejectCode::token_gone,
            fmt::format("the destination has removed {}: stop sending, or connect it anew", what),
            {},
            {}};
}

}  // namespace

std::string slot_name(TokenId id) {
    return fmt::format("token-{}", to_number(id));
}

std::string Token::label() const {
    return entry.source.empty() ? slot_name(entry.id) : entry.source;
}

std::size_t TokenTable::FingerprintHash::operator()(const Fingerprint& value) const noexcept {
    std::size_t hash = 0;
    std::memcpy(&hash, value.data(), sizeof hash);  // the output of a MAC is as good as random
    return hash;
}

TokenTable::TokenTable(const Salt& salt, std::vector<TokenEntry> entries) : salt_(salt) {
    for (auto& entry : entries) {
        Token& token = add_slot(std::move(entry));
        token.managed = !token.entry.source.empty() && !token.entry.secret.empty();
        token.configured = token.entry.source.empty() || token.managed;
    }
    index();
}

Token& TokenTable::add_slot(TokenEntry entry) {
    const TokenId id = entry.id;
    last_id_ = std::max(last_id_, to_number(id));
    Token& token = tokens_[id];
    token.entry = std::move(entry);
    return token;
}

void TokenTable::index() {
    by_source_.clear();
    by_secret_.clear();
    gone_.clear();
    left_.clear();
    for (const auto& [id, token] : tokens_) {
        if (token.unknown) continue;  // it has neither a token nor a name to be found by
        const TokenEntry& entry = token.entry;
        // A name may have old slots, whose tokens are gone.
        if (!entry.source.empty() && token.configured) by_source_.emplace(entry.source, id);
        if (token.gone()) {
            gone_.emplace(entry.fingerprint, id);
        } else if (!token.configured) {
            left_.emplace(entry.fingerprint, id);
        } else if (!entry.secret.empty()) {
            // A source's slot goes before one that was made for the same token alone.
            auto [place, added] = by_secret_.emplace(entry.secret.reveal(), id);
            if (!added && tokens_.at(place->second).entry.source.empty()) place->second = id;
        }
    }
}

Token* TokenTable::find_source(std::string_view name) {
    const auto found = by_source_.find(name);
    return found == by_source_.end() ? nullptr : &tokens_.at(found->second);
}

TokenTable::SlotsByName TokenTable::slots_by_name() const {
    SlotsByName slots;
    for (const auto& [id, token] : tokens_) {
        if (!token.entry.source.empty()) slots[token.entry.source].push_back(id);
    }
    return slots;
}

/// Of the slots of a source that of this very token, or one whose token may be exchanged for it.
Token* TokenTable::find_slot(const std::vector<TokenId>& slots, const Fingerprint& print) {
    Token* usable = nullptr;
    for (const TokenId id : slots) {
        Token& token = tokens_.at(id);
        if (token.entry.fingerprint == print) return &token;
        if (!token.gone()) usable = &token;
    }
    return usable;
}

Token& TokenTable::slot_for_source(const ConfiguredSource& source, const SlotsByName& slots,
                                   const Fingerprint& print, WallTime now) {
    const auto known = slots.find(source.name);
    if (known != slots.end()) {
        if (Token* token = find_slot(known->second, print)) return *token;
    }
    const auto direct = by_secret_.find(source.secret.reveal());
    if (direct != by_secret_.end() && tokens_.at(direct->second).entry.source.empty()) {
        return tokens_.at(direct->second);
    }
    if (const auto left = left_.find(print); left != left_.end()) {
        Token& token = tokens_.at(left->second);
        left_.erase(left);
        return token;
    }
    TokenEntry entry;
    entry.id = TokenId{last_id_ + 1};
    entry.fingerprint = print;
    entry.since = now;
    return add_slot(std::move(entry));
}

void TokenTable::reserve(TokenId id) {
    if (id == TokenId::none || tokens_.contains(id)) return;
    TokenEntry entry;
    entry.id = id;
    Token& token = add_slot(std::move(entry));
    token.unknown = true;
    token.configured = false;
}

std::vector<TokenEntry> TokenTable::configure(std::vector<ConfiguredSource> sources, WallTime now) {
    for (auto& [id, token] : tokens_) {
        if (token.entry.source.empty() || token.managed) continue;
        token.configured = false;
        token.entry.secret = Secret();
        token.defaults.clear();
        token.rate_limit = 0;
        token.hold_rejected = false;
        token.allow = AllowRule();
        token.report_problems = false;
    }
    std::vector<TokenEntry> changed;
    const SlotsByName slots = slots_by_name();
    index();
    std::unordered_set<std::string_view> names;
    for (const auto& source : sources) names.insert(source.name);
    std::erase_if(left_, [&](const auto& left) {
        return names.contains(tokens_.at(left.second).entry.source);
    });
    for (auto& source : sources) {
        const Fingerprint print = fingerprint(source.secret.reveal(), salt_);
        Token& token = slot_for_source(source, slots, print, now);
        TokenEntry& entry = token.entry;
        const bool rotated = entry.fingerprint != print;
        // New in the registry, or its secret has to leave it.
        const bool is_new = entry.source != source.name || token.managed;
        if (!rotated && !token.gone() && gone_.contains(print)) {
            entry.state = TokenEntry::State::gone;  // known to be gone under another name
            entry.erase_at = now;
        }
        if (rotated || is_new) entry.since = now;
        entry.source = source.name;
        entry.fingerprint = print;
        entry.secret = std::move(source.secret);
        token.defaults = std::move(source.defaults);
        token.rate_limit = source.rate_limit;
        token.hold_rejected = source.hold_rejected;
        token.allow = std::move(source.allow);
        token.report_problems = source.report_problems;
        token.configured = true;
        token.managed = false;
        if (rotated || is_new) {
            token.durable = false;
            changed.push_back(registry_entry(entry.id));
        }
    }
    index();
    return changed;
}

boost::system::result<TokenId, Rejection> TokenTable::resolve(const Addressee& addressee,
                                                              bool add_unknown, WallTime now) {
    if (const auto* source = std::get_if<SourceName>(&addressee)) {
        const Token* token = find_source(source->name);
        if (token == nullptr || !token->configured) {
            return Rejection{RejectCode::unknown_source,
                             fmt::format("no source is called \"{}\": see `sources` in the "
                                         "configuration",
                                         source->name),
                             {},
                             {}};
        }
        if (token->gone()) return gone_rejection("source \"" + source->name + "\"");
        return token->entry.id;
    }

    const auto secret = std::get<Secret>(addressee).reveal();
    const auto known = by_secret_.find(secret);
    if (known != by_secret_.end()) return known->second;

    const Fingerprint print = fingerprint(secret, salt_);
    if (gone_.contains(print)) return gone_rejection("this flow_token");
    if (!add_unknown) {
        return Rejection{RejectCode::unknown_source,
                         "this flow_token belongs to no source of the configuration "
                         "(ingest.unknown_tokens is reject)",
                         {},
                         {}};
    }
    // Of a source that has left the configuration: what is queued for it is of the same lanes.
    const auto left = left_.find(print);
    TokenEntry fresh;
    fresh.id = TokenId{last_id_ + 1};
    Token& token = left != left_.end() ? tokens_.at(left->second) : add_slot(std::move(fresh));
    if (left != left_.end()) left_.erase(left);
    token.entry.source.clear();
    token.entry.fingerprint = print;
    token.entry.secret = std::get<Secret>(addressee);
    token.entry.since = now;
    token.configured = true;
    token.durable = false;
    by_secret_.emplace(secret, token.entry.id);
    return token.entry.id;
}

const Token& TokenTable::at(TokenId id) const {
    const auto found = tokens_.find(id);
    if (found == tokens_.end()) {
        throw std::logic_error(fmt::format("no token slot {}", to_number(id)));
    }
    return found->second;
}

void TokenTable::mark_durable(TokenId id) {
    tokens_.at(id).durable = true;
}

std::vector<TokenEntry> TokenTable::disable(TokenId id, WallTime now, Milliseconds grace) {
    std::vector<TokenEntry> changed;
    const Fingerprint print = at(id).entry.fingerprint;
    for (auto& [other, token] : tokens_) {
        if (token.entry.fingerprint != print || token.gone()) continue;
        token.entry.state = TokenEntry::State::gone;
        token.entry.since = now;
        token.entry.erase_at = now + grace;
        changed.push_back(registry_entry(other));
    }
    index();
    return changed;
}

TokenEntry TokenTable::erased(TokenId id, WallTime now) {
    Token& token = tokens_.at(id);
    token.entry.state = TokenEntry::State::erased;
    token.entry.since = now;
    token.entry.secret = Secret();
    return registry_entry(id);
}

TokenEntry TokenTable::registry_entry(TokenId id) const {
    TokenEntry entry = at(id).entry;
    if (!entry.source.empty() && !at(id).managed) entry.secret = Secret();
    return entry;
}

}  // namespace flowrelay::core
