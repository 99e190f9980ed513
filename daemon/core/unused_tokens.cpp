#include "flowrelay/core/unused_tokens.hpp"

#include <algorithm>
#include <cassert>
#include <functional>
#include <unordered_set>
#include <utility>

#include "flowrelay/core/log_events.hpp"

namespace flowrelay::core {

namespace ev = log_events;

namespace {

// Each look goes through all slots: the more there are, the rarer it is.
constexpr std::size_t slots_a_second = 10'000;

Seconds look_for_unused_again_after(std::size_t slots) {
    return Seconds(std::clamp<std::size_t>(slots / slots_a_second, 1, 60));
}

constexpr Seconds erase_again_after{60};

}  // namespace

std::vector<TokenId> TokenTable::unused(const std::function<bool(const Token&)>& is_unused) const {
    TokenId newest = TokenId::none;
    for (auto slot = tokens_.rbegin(); slot != tokens_.rend(); ++slot) {
        if (!slot->second.durable || slot->second.unknown) continue;
        newest = slot->first;
        break;
    }
    std::vector<std::pair<std::uint64_t, TokenId>> found;
    for (auto slot = tokens_.begin(); slot != tokens_.end() && slot->first < newest; ++slot) {
        const Token& token = slot->second;
        const bool is_plain = token.entry.origin == TokenEntry::Origin::direct &&
                              token.entry.state == TokenEntry::State::active && !token.unknown;
        if (is_plain && is_unused(token)) found.emplace_back(token.used, slot->first);
    }
    std::ranges::sort(found);
    std::vector<TokenId> ids;
    ids.reserve(found.size());
    for (const auto& [used, id] : found) ids.push_back(id);
    return ids;
}

void TokenTable::forget(std::span<const TokenId> slots) {
    for (const TokenId id : slots) {
        const auto slot = tokens_.find(id);
        if (slot == tokens_.end()) continue;
        const auto secret = by_secret_.find(slot->second.entry.secret.reveal());
        if (secret != by_secret_.end() && secret->second == id) by_secret_.erase(secret);
        const auto print = by_print_.find(slot->second.entry.fingerprint);
        if (print != by_print_.end() && print->second == id) by_print_.erase(print);
        tokens_.erase(slot);
        --direct_;
    }
}

UnusedTokens::UnusedTokens(const RelayOptions& options, TokenTable& tokens,
                           const DedupWindow& known_ids, Destination& destination,
                           Reporting& reporting, const TokenLifecycle& lifecycle,
                           Admission& admission, Log& log)
    : options_(options),
      tokens_(tokens),
      dedup_(known_ids),
      destination_(destination),
      reporting_(reporting),
      lifecycle_(lifecycle),
      admission_(admission),
      log_(log) {}

// Nothing refers to the slot but the token itself: no event, be it on its way to the disk, and
// nothing that was asked of the relay.
bool UnusedTokens::is_unused(const Token& token) const {
    const TokenId id = token.entry.id;
    if (lifecycle_.queued(id) > 0 || lifecycle_.is_unsaved(id)) return false;
    if (admission_.has_uncommitted(id)) return false;
    const auto status = destination_.scheduler().token_status(id);
    const bool waits = status.state == TokenState::throttled || status.state == TokenState::paused;
    return status.queued == 0 && !waits;
}

std::vector<TokenId> UnusedTokens::take_unused_tokens(Now now) {
    if (!may_have_unused() || now.mono < look_for_unused_at_) return {};
    look_for_unused_at_ = now.mono + look_for_unused_again_after(tokens_.all().size());
    auto unused = tokens_.unused([this](const Token& token) { return is_unused(token); });
    const bool is_full = tokens_.direct() >= options_.max_unknown_tokens;
    const std::size_t kept = options_.kept_unused_tokens();
    // By the dozen, as long as there is room: the registry is written again for them.
    if (unused.size() <= kept + kept / 8 && !is_full) return {};
    // An id that is known is known to its slot.
    const auto with_ids = dedup_.tokens(now.wall);
    std::erase_if(unused, [&](TokenId id) { return with_ids.contains(id); });
    const std::size_t keep = is_full ? std::min(kept, unused.size() / 2) : kept;
    if (unused.size() <= keep) return {};
    unused.resize(unused.size() - keep);
    for (const TokenId id : unused) leaving_.emplace(id, tokens_.at(id).used);
    return unused;
}

std::vector<TokenId> UnusedTokens::forget_unused(std::span<const TokenId> without_letters) {
    std::vector<TokenId> forgotten;
    // Those with dead letters count as used just now, so that the next look goes on to others.
    const std::unordered_set<TokenId> free(without_letters.begin(), without_letters.end());
    for (const auto& [id, used] : leaving_) {
        if (!free.contains(id) && tokens_.all().contains(id)) tokens_.use(id);
    }
    for (const TokenId id : without_letters) {
        const auto slot = tokens_.all().find(id);
        if (slot == tokens_.all().end()) continue;
        const Token& token = slot->second;
        const bool is_plain = token.entry.origin == TokenEntry::Origin::direct &&
                              token.entry.state == TokenEntry::State::active;
        if (is_plain && token.used == leaving_.at(id) && is_unused(token)) forgotten.push_back(id);
    }
    leaving_.clear();
    for (const TokenId id : forgotten) {
        admission_.forget(id);
        destination_.forget(id);
        reporting_.forget(id);
    }
    tokens_.forget(forgotten);
    if (!forgotten.empty()) {
        log_.write(ev::token_unused, {{"tokens", forgotten.size()}, {"left", tokens_.direct()}});
    }
    return forgotten;
}

void UnusedTokens::forget_failed(std::span<const TokenId> slots, Now now) {
    unerased_.insert(unerased_.end(), slots.begin(), slots.end());
    erase_unused_at_ = now.mono + erase_again_after;
}

std::vector<TokenId> UnusedTokens::take_unerased(Now now) {
    if (unerased_.empty() || now.mono < erase_unused_at_) return {};
    return std::exchange(unerased_, {});
}

std::optional<MonoTime> UnusedTokens::next_wakeup() const {
    if (unerased_.empty()) return std::nullopt;
    return erase_unused_at_;
}

}  // namespace flowrelay::core
