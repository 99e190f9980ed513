// Connects SourceChecks to the relay: decides from the state of tokens and of the destination which
// source can be checked and whether an answer still counts, and logs changes.
//
// Returns to the caller that a source is gone (410); Delivery::end_check() disables its token.
// Reads the token table and the destination, and changes neither. Pure; owned by one thread (the
// I/O thread).
#pragma once

#include <optional>
#include <string>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/log.hpp"
#include "flowrelay/base/random.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/destination.hpp"
#include "flowrelay/core/relay_options.hpp"
#include "flowrelay/core/repeat_limiter.hpp"
#include "flowrelay/core/scheduler.hpp"
#include "flowrelay/core/source_checks.hpp"
#include "flowrelay/core/token_table.hpp"
#include "flowrelay/core/verdict.hpp"

namespace flowrelay::core {

/// A check of one source.
struct SourceCheck {
    TokenId token = TokenId::none;
    SentWith with;
    bool asked = false;  ///< requested by an operator
};

/// The result of a SourceCheck.
struct CheckAnswer {
    SourceLife life = SourceLife::unanswered;
    int status = 0;      ///< of the answer; 0: no valid answer
    std::string reason;  ///< for users
};

class LivenessChecks {
public:
    /// All arguments except `random` must outlive it.
    LivenessChecks(const RelayOptions& options, const TokenTable& tokens,
                   const Destination& destination, Random random, Log& log);
    LivenessChecks(const LivenessChecks&) = delete;
    LivenessChecks& operator=(const LivenessChecks&) = delete;

    /// Called after sources were configured. Applies the interval of the options, and watches the
    /// sources that exist.
    void configure(Now now);
    /// Watches the slot as long as it is a source that can be checked. Must be called when its
    /// state may have changed.
    void watch(TokenId id, Now now);
    void forget(TokenId token) { checks_.forget(token); }
    /// Records that the server has accepted an event of the token.
    void heard(TokenId token, Now now) { checks_.heard(token, now.mono); }

    /// Returns an idle source to check now, one at a time: end_check() or release_check() must
    /// follow. Nothing while the destination is failing or deliveries are held.
    std::optional<SourceCheck> next_check(Now now);
    /// Returns why a slot can't be checked; nothing if it can.
    std::optional<Refusal> refuse_check(TokenId token) const;
    /// Starts a check like next_check(), but of a given slot and regardless of the destination.
    /// Precondition: refuse_check() returns nothing.
    SourceCheck begin_check(TokenId token, bool asked);
    bool is_checking() const noexcept { return checks_.busy(); }
    /// Returns whether the request may still be written, like Delivery::may_be_sent().
    bool may_be_sent(const SourceCheck& check) const;
    /// Records the answer. `has_source`: whether its body is a source.
    CheckAnswer end_check(const SourceCheck& check, const AttemptResult& result, bool has_source,
                          Now now);
    /// Records that the request was not sent (the daemon stops).
    void release_check(Now now) { checks_.release(now.mono); }

    /// Returns when next_check() may return a check, unless an input changes that.
    std::optional<MonoTime> next_wakeup() const;

private:
    const RelayOptions& options_;
    const TokenTable& tokens_;
    const Destination& destination_;
    Log& log_;
    SourceChecks checks_;
    RepeatLimiter check_lines_;
};

}  // namespace flowrelay::core
