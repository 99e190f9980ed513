// Tokens that came with their events and have none any more: which of them are forgotten, so that
// producers who make tokens up can't fill the memory and the registry. What the disk has of their
// delivered events is erased with them: a later 410 concerns the next slot of the token alone.
//
//   take_unused_tokens() -> (the disk is asked for dead letters) -> forget_unused()
//     -> (the disk erases) -> the registry drops them | forget_failed() -> take_unerased()
//
// It asks all parts whether they have something of a slot, and has them forget it; none of them
// knows it. Pure; owned by one thread (the I/O thread).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/log.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/admission.hpp"
#include "flowrelay/core/dedup_window.hpp"
#include "flowrelay/core/destination.hpp"
#include "flowrelay/core/relay_options.hpp"
#include "flowrelay/core/reporting.hpp"
#include "flowrelay/core/token_lifecycle.hpp"
#include "flowrelay/core/token_table.hpp"

namespace flowrelay::core {

class UnusedTokens {
public:
    /// All arguments outlive it.
    UnusedTokens(const RelayOptions& options, TokenTable& tokens, const DedupWindow& known_ids,
                 Destination& destination, Reporting& reporting, const TokenLifecycle& lifecycle,
                 Admission& admission, Log& log);
    UnusedTokens(const UnusedTokens&) = delete;
    UnusedTokens& operator=(const UnusedTokens&) = delete;

    /// Whether take_unused_tokens() may have something. O(1).
    bool may_have_unused() const noexcept {
        return tokens_.direct() > options_.kept_unused_tokens() && leaving_.empty();
    }
    /// Slots that could be forgotten, should their outcomes be durable and none have dead letters:
    /// forget_unused() has to follow with those of which both is so. Nothing until then. As long
    /// as there is no room for a new token, at least half of those that could be are given.
    std::vector<TokenId> take_unused_tokens(Now now);
    /// Forgets those that have not been used meanwhile, and returns them: what the disk still has
    /// of their delivered events is to be erased, and then the registry can drop them. A token that
    /// comes back gets a new slot at once. `without_letters`: some of what take_unused_tokens()
    /// gave.
    std::vector<TokenId> forget_unused(std::span<const TokenId> without_letters);
    /// That erasure failed: take_unerased() returns them again in a minute.
    void forget_failed(std::span<const TokenId> slots, Now now);
    std::vector<TokenId> take_unerased(Now now);

    /// When take_unerased() has something.
    std::optional<MonoTime> next_wakeup() const;

private:
    bool is_unused(const Token& token) const;

    const RelayOptions& options_;
    TokenTable& tokens_;
    const DedupWindow& dedup_;
    Destination& destination_;
    Reporting& reporting_;
    const TokenLifecycle& lifecycle_;
    Admission& admission_;
    Log& log_;
    /// Asked to be forgotten, with Token::used at that time.
    std::unordered_map<TokenId, std::uint64_t> leaving_;
    MonoTime look_for_unused_at_ = MonoTime::min();
    std::vector<TokenId> unerased_;  ///< forgotten slots
    MonoTime erase_unused_at_{};
};

}  // namespace flowrelay::core
