#include "identity.hpp"

#include <tuple>
#include <unordered_map>
#include <unordered_set>

namespace flowrelay::core::identity {

namespace {

/// Ranks the slots of one token: the highest is the slot of the token's source.
auto rank_of_token(const Token& token, std::string_view name) {
    const int use = !token.gone() ? 2 : token.entry.state == TokenEntry::State::gone ? 1 : 0;
    return std::tuple(use, token.entry.source == name, token.is_source());
}

/// Returns the slot, among those of one name in use, whose token is replaced by the name's new
/// token: the source's slot, or else the only one that has left. If several have left, none is
/// chosen.
const Token* heir_among(const std::vector<const Token*>& slots) {
    for (const Token* slot : slots) {
        if (slot->is_source()) return slot;
    }
    return slots.size() == 1 ? slots.front() : nullptr;
}

class Matching {
public:
    explicit Matching(std::span<const Claim> claims)
        : claims_(claims), by_token_(claims.size()), by_name_(claims.size()) {
        for (std::size_t i = 0; i < claims.size(); ++i) {
            tokens_.emplace(claims[i].print, i);
            names_.emplace(claims[i].name, i);
        }
    }

    void see(const Token& token) {
        if (token.removed()) return;
        if (const auto claim = tokens_.find(token.entry.fingerprint); claim != tokens_.end()) {
            const Token*& best = by_token_[claim->second];
            const std::string_view name = claims_[claim->second].name;
            if (best == nullptr || rank_of_token(token, name) > rank_of_token(*best, name)) {
                best = &token;
            }
        }
        if (token.gone() || token.entry.source.empty()) return;
        if (const auto claim = names_.find(token.entry.source); claim != names_.end()) {
            by_name_[claim->second].push_back(&token);
        }
    }

    std::vector<Match> make() && {
        std::vector<Match> matches(claims_.size());
        std::unordered_set<const Token*> taken;
        for (std::size_t i = 0; i < claims_.size(); ++i) {
            if (by_token_[i] == nullptr) continue;
            taken.insert(by_token_[i]);
            matches[i].slot = by_token_[i]->entry.id;
        }
        for (std::size_t i = 0; i < claims_.size(); ++i) {
            if (matches[i].slot) continue;
            std::erase_if(by_name_[i], [&](const Token* token) { return taken.contains(token); });
            const Token* heir = heir_among(by_name_[i]);
            if (heir != nullptr) matches[i] = {heir->entry.id, true};
        }
        return matches;
    }

private:
    std::span<const Claim> claims_;
    std::unordered_map<Fingerprint, std::size_t, FingerprintHash> tokens_;
    std::unordered_map<std::string_view, std::size_t> names_;
    std::vector<const Token*> by_token_;
    std::vector<std::vector<const Token*>> by_name_;
};

}  // namespace

std::vector<Match> match(const std::map<TokenId, Token>& slots, std::span<const Claim> claims) {
    Matching matching(claims);
    for (const auto& [id, token] : slots) matching.see(token);
    return std::move(matching).make();
}

std::optional<TokenId> heir_of(const std::map<TokenId, Token>& slots, std::string_view name) {
    std::vector<const Token*> of_name;
    for (const auto& [id, token] : slots) {
        if (!token.gone() && token.entry.source == name) of_name.push_back(&token);
    }
    const Token* heir = heir_among(of_name);
    return heir == nullptr ? std::nullopt : std::optional(heir->entry.id);
}

}  // namespace flowrelay::core::identity
