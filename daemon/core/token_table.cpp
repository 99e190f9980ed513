#include "flowrelay/core/token_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <stdexcept>
#include <string_view>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "flowrelay/base/ascii.hpp"
#include "identity.hpp"

namespace flowrelay::core {
namespace {

using Origin = TokenEntry::Origin;
using State = TokenEntry::State;

Rejection gone_rejection(std::string_view what) {
    return {RejectCode::token_gone,
            fmt::format("the destination has removed {}: stop sending, or connect it anew", what),
            {},
            {}};
}

Rejection unknown_source(std::string message) {
    return {RejectCode::unknown_source, std::move(message), {}, {}};
}

/// Earlier versions did not write it down.
Origin origin_of(const TokenEntry& entry) {
    if (entry.origin != Origin::unstated) return entry.origin;
    if (entry.source.empty()) return Origin::direct;
    return entry.secret.empty() ? Origin::configured : Origin::added;
}

/// Of several slots with one token or name, the one that is meant.
auto rank_of(const Token& token) {
    const int use = !token.gone() ? 2 : token.entry.state == State::gone ? 1 : 0;
    return std::tuple(use, token.is_source(), token.entry.id);
}

}  // namespace

std::string slot_name(TokenId id) {
    return fmt::format("token-{}", to_number(id));
}

bool is_slot_name(std::string_view name) noexcept {
    constexpr std::string_view prefix = "token-";
    if (const std::size_t slash = name.find('/'); slash != name.npos) {
        return is_slot_name(name.substr(0, slash)) || is_slot_name(name.substr(slash + 1));
    }
    return name.starts_with(prefix) && name.size() > prefix.size() &&
           ascii::all_digits(name.substr(prefix.size()));
}

bool is_source_name(std::string_view name) noexcept {
    constexpr std::size_t max_length = 64;
    const auto is_part = [](std::string_view part) {
        return !part.empty() && part.size() <= max_length && ascii::all_word(part, "._-");
    };
    const std::size_t slash = name.find('/');
    if (slash == name.npos) return is_part(name);
    return is_part(name.substr(0, slash)) && is_part(name.substr(slash + 1));
}

std::string_view source_of_route(std::string_view name) noexcept {
    const std::size_t slash = name.find('/');
    return slash == name.npos ? std::string_view() : name.substr(0, slash);
}

std::string Token::label() const {
    return entry.source.empty() ? slot_name(entry.id) : entry.source;
}

std::size_t FingerprintHash::operator()(const Fingerprint& value) const noexcept {
    std::size_t hash = 0;
    std::memcpy(&hash, value.data(), sizeof hash);  // the output of a MAC is as good as random
    return hash;
}

TokenTable::TokenTable(const Salt& salt, std::vector<TokenEntry> entries) : salt_(salt) {
    for (auto& entry : entries) {
        last_id_ = std::max(last_id_, to_number(entry.id));
        entry.origin = origin_of(entry);
        tokens_[entry.id].entry = std::move(entry);
    }
    index();
}

Token& TokenTable::add_slot(const Fingerprint& print) {
    const TokenId id{++last_id_};
    Token& token = tokens_[id];
    token.entry.id = id;
    token.entry.fingerprint = print;
    token.durable = false;
    return token;
}

void TokenTable::index() {
    by_source_.clear();
    by_secret_.clear();
    by_print_.clear();
    direct_ = 0;
    for (const auto& [id, token] : tokens_) {
        // What an operator removed takes no place from others; its fingerprint is all that is left.
        if (token.entry.origin == Origin::direct && !token.removed()) ++direct_;
        index(token);
    }
    index_routes();
}

void TokenTable::index_routes() {
    routes_.clear();
    joined_defaults_.clear();
    for (const auto& [name, id] : by_source_) {
        const std::string_view source = source_of_route(name);
        if (source.empty()) continue;
        routes_[std::string(source)].push_back(id);
        const Token& route = at(id);
        const Token* above = source_above(route);
        if (above == nullptr || above->rules.defaults.empty()) continue;
        EventDefaults joined = route.rules.defaults;
        // What every source has without being told is not the route's own.
        if (!route.rules.has_own_event) joined.erase("event");
        joined.insert(above->rules.defaults.begin(), above->rules.defaults.end());
        joined_defaults_.emplace(id, std::move(joined));
    }
    for (auto& [source, routes] : routes_) {
        std::ranges::sort(routes, {},
                          [this](TokenId id) -> const std::string& { return at(id).entry.source; });
    }
}

void TokenTable::index(const Token& token) {
    if (token.removed() || token.unknown) return;  // there is nothing to find it by
    const auto put = [&](auto& map, auto key) {
        const auto [place, added] = map.emplace(std::move(key), token.entry.id);
        if (!added && rank_of(token) > rank_of(tokens_.at(place->second))) {
            place->second = token.entry.id;
        }
    };
    if (token.is_source()) put(by_source_, token.entry.source);
    put(by_print_, token.entry.fingerprint);
    if (!token.gone() && !token.missing()) {
        put(by_secret_, std::string(token.entry.secret.reveal()));
    }
}

const Token* TokenTable::slot_of(const Fingerprint& print) const {
    const auto found = by_print_.find(print);
    return found == by_print_.end() ? nullptr : &tokens_.at(found->second);
}

void TokenTable::reserve(TokenId id) {
    if (id == TokenId::none || tokens_.contains(id)) return;
    last_id_ = std::max(last_id_, to_number(id));
    Token& token = tokens_[id];
    token.entry.id = id;
    token.unknown = true;
}

/// If the registry has to hold something else of the slot than `before`.
void TokenTable::note_change(Token& token, const TokenEntry& before, WallTime now,
                             std::vector<TokenEntry>& changed) {
    if (registry_entry(token.entry.id) == before) return;
    if (!token.gone()) token.entry.since = now;  // else it says since when that is
    token.durable = false;
    changed.push_back(registry_entry(token.entry.id));
}

TokenTable::Configured TokenTable::configure(std::vector<ConfiguredSource> sources, WallTime now) {
    std::vector<identity::Claim> claims;
    std::unordered_set<std::string_view> names;
    for (const auto& source : sources) {
        claims.push_back({source.name, fingerprint(source.secret.reveal(), salt_)});
        names.insert(source.name);
    }
    const auto matches = identity::match(tokens_, claims);
    std::unordered_set<TokenId> taken;
    for (const auto& match : matches) {
        if (match.slot) taken.insert(*match.slot);
    }

    Configured result;
    for (auto& [id, token] : tokens_) {
        // An added source whose name is now that of another goes on with its token, without a name.
        const bool displaced =
            token.entry.origin == Origin::added && names.contains(token.entry.source);
        const bool was_configured = token.entry.origin == Origin::configured;
        if (token.removed() || taken.contains(id) || (!was_configured && !displaced)) continue;
        const TokenEntry before = registry_entry(id);
        token.entry.origin = Origin::left;
        if (was_configured) token.entry.secret = Secret();
        token.rules = SourceRules();
        note_change(token, before, now, result.entries);
    }
    for (std::size_t i = 0; i < sources.size(); ++i) {
        const bool is_new = !matches[i].slot;
        Token& token = is_new ? add_slot(claims[i].print) : tokens_.at(*matches[i].slot);
        const TokenEntry before = is_new ? TokenEntry() : registry_entry(token.entry.id);
        if (!is_new && token.label() != sources[i].name) {
            result.renamed.push_back({token.entry.id, token.label()});
        }
        token.entry.source = sources[i].name;
        token.entry.origin = Origin::configured;
        token.entry.filter = {};  // its rules have the filter now
        if (token.entry.fingerprint != claims[i].print) token.entry.flow_source = {};
        token.entry.fingerprint = claims[i].print;
        token.entry.secret = std::move(sources[i].secret);
        token.rules = std::move(sources[i].rules);
        note_change(token, before, now, result.entries);
    }
    index();
    return result;
}

std::string TokenTable::shown_name(std::string_view name) const {
    const bool is_token = slot_of(fingerprint(name, salt_)) != nullptr;
    return is_token ? "[token]" : std::string(name);
}

std::string TokenTable::no_such_source(std::string_view name, std::string_view look) const {
    std::string shown = shown_name(name);
    if (shown != name) return "the name that was given for a source is a token: give its name";
    return fmt::format("no source is called \"{}\": {}", shown, look);
}

boost::system::result<TokenId, Rejection> TokenTable::resolve(const Addressee& addressee,
                                                              bool accept_unknown) const {
    if (const auto* source = std::get_if<SourceName>(&addressee)) {
        const auto found = by_source_.find(source->name);
        if (found == by_source_.end()) {
            return unknown_source(
                no_such_source(source->name, "see `sources` in the configuration"));
        }
        if (at(found->second).gone()) return gone_rejection("source \"" + source->name + "\"");
        return found->second;
    }

    const auto refuse = [] {
        return unknown_source(
            "this flow_token belongs to no source of the configuration "
            "(ingest.unknown_tokens is reject)");
    };
    const auto secret = std::get<Secret>(addressee).reveal();
    if (const auto known = by_secret_.find(secret); known != by_secret_.end()) {
        if (accept_unknown || at(known->second).is_source()) return known->second;
        return refuse();
    }
    const Token* slot = slot_of(fingerprint(secret, salt_));
    if (slot != nullptr && slot->gone()) return gone_rejection("this flow_token");
    if (!accept_unknown) return refuse();
    return slot == nullptr ? TokenId::none : slot->entry.id;
}

boost::system::result<std::vector<TokenId>, Rejection> TokenTable::resolve_routes(
    std::string_view name) const {
    const auto routes = routes_of(name);
    std::vector<TokenId> slots;
    slots.reserve(1 + routes.size());
    const auto source = by_source_.find(name);
    if (source != by_source_.end() && !at(source->second).gone()) slots.push_back(source->second);
    std::ranges::copy_if(routes, std::back_inserter(slots),
                         [this](TokenId route) { return !at(route).gone(); });
    if (slots.empty()) return gone_rejection(fmt::format("all routes of source \"{}\"", name));
    return slots;
}

std::span<const TokenId> TokenTable::routes_of(std::string_view name) const {
    if (routes_.empty()) return {};
    const auto found = routes_.find(name);
    if (found == routes_.end()) return {};
    return found->second;
}

const Token* TokenTable::source_above(const Token& token) const {
    const std::string_view source = source_of_route(token.entry.source);
    const auto found = source.empty() ? by_source_.end() : by_source_.find(source);
    return found == by_source_.end() ? nullptr : &at(found->second);
}

std::vector<TokenId> TokenTable::related_to(TokenId id) const {
    const auto source_of = [](const Token& token) -> std::string_view {
        const std::string_view source = source_of_route(token.entry.source);
        return source.empty() ? std::string_view(token.entry.source) : source;
    };
    std::vector<TokenId> related;
    const auto slot = tokens_.find(id);
    if (slot == tokens_.end() || slot->second.entry.source.empty()) return related;
    const std::string_view source = source_of(slot->second);
    for (const auto& [other, token] : tokens_) {
        if (other != id && source_of(token) == source) related.push_back(other);
    }
    return related;
}

const EventDefaults& TokenTable::defaults_of(const Token& token) const {
    if (joined_defaults_.empty()) return token.rules.defaults;
    const auto joined = joined_defaults_.find(token.entry.id);
    return joined == joined_defaults_.end() ? token.rules.defaults : joined->second;
}

TokenId TokenTable::take(const Addressee& addressee, WallTime now) {
    if (const auto* source = std::get_if<SourceName>(&addressee)) {
        return by_source_.find(source->name)->second;
    }
    const Secret& secret = std::get<Secret>(addressee);
    const auto known = by_secret_.find(secret.reveal());
    if (known != by_secret_.end()) return known->second;
    const Fingerprint print = fingerprint(secret.reveal(), salt_);
    const auto left = by_print_.find(print);
    const bool is_new = left == by_print_.end();
    Token& token = is_new ? add_slot(print) : tokens_.at(left->second);
    token.entry.secret = secret;
    token.durable = false;
    if (is_new) {
        token.entry.origin = Origin::direct;
        token.entry.since = now;
        ++direct_;
    }
    index(token);
    return token.entry.id;
}

const Token& TokenTable::at(TokenId id) const {
    const auto found = tokens_.find(id);
    if (found == tokens_.end()) {
        throw std::logic_error(fmt::format("no token slot {}", to_number(id)));
    }
    return found->second;
}

const Token& TokenTable::use(TokenId id) {
    Token& token = tokens_.at(id);
    token.used = ++uses_;
    return token;
}

const Token& TokenTable::use_filter(TokenId id) {
    Token& token = tokens_.at(id);
    ++token.filtered;
    return token;
}

bool TokenTable::mark_durable(const TokenEntry& entry) {
    const bool is_present = registry_entry(entry.id) == entry;
    if (is_present) tokens_.at(entry.id).durable = true;
    return is_present;
}

std::vector<TokenEntry> TokenTable::disable(TokenId id, WallTime now, Milliseconds grace) {
    std::vector<TokenEntry> changed;
    const Fingerprint print = at(id).entry.fingerprint;
    for (auto& [other, token] : tokens_) {
        if (token.entry.fingerprint != print || token.gone()) continue;
        token.entry.state = State::gone;
        token.entry.since = now;
        token.entry.erase_at = now + grace;
        changed.push_back(registry_entry(other));
    }
    index();
    return changed;
}

TokenEntry TokenTable::erased(TokenId id, WallTime now) {
    Token& token = tokens_.at(id);
    const bool removed = token.removed();
    token.entry.state = removed ? State::forgotten : State::erased;
    token.entry.since = now;
    token.entry.secret = Secret();
    token.entry.flow_source = {};
    token.entry.filter = {};
    return registry_entry(id);
}

TokenEntry TokenTable::registry_entry(TokenId id) const {
    TokenEntry entry = at(id).entry;
    if (entry.origin == Origin::configured) entry.secret = Secret();
    // In memory it stays: requests under way were sent with it.
    if (entry.state == State::forgotten) entry.fingerprint = Fingerprint{};
    return entry;
}

}  // namespace flowrelay::core
