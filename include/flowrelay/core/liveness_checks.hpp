// Whether sources still live in their flows: the relay's side of SourceChecks. Decides from the
// state of tokens and of the destination which source can be asked for, whether an answer still
// counts, and logs what is news.
//
// That a source is gone (410) is told to who asks; Delivery::end_check() has its token disabled.
// Reads the token table and the destination, changes neither. Pure; owned by one thread (the I/O
// thread).
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

/// A source that the server is asked for.
struct SourceCheck {
    TokenId token = TokenId::none;
    SentWith with;
    bool asked = false;  ///< by an operator
};

/// What the server has said to a SourceCheck.
struct CheckAnswer {
    SourceLife life = SourceLife::unanswered;
    int status = 0;      ///< of the answer; 0: there is none that counts
    std::string reason;  ///< for people
};

class LivenessChecks {
public:
    /// All arguments but `random` outlive it.
    LivenessChecks(const RelayOptions& options, const TokenTable& tokens,
                   const Destination& destination, Random random, Log& log);
    LivenessChecks(const LivenessChecks&) = delete;
    LivenessChecks& operator=(const LivenessChecks&) = delete;

    /// Sources were configured: takes over the interval of the options, and which of them there
    /// are.
    void configure(Now now);
    /// Watches the slot while it is a source that could be asked for. To be called when its state
    /// may have changed.
    void watch(TokenId id, Now now);
    void forget(TokenId token) { checks_.forget(token); }
    /// The server has taken an event of the token.
    void heard(TokenId token, Now now) { checks_.heard(token, now.mono); }

    /// A source that has been idle for long and is to be asked for now; one at a time: end_check()
    /// or release_check() follows. Nothing while the destination is not well or deliveries are
    /// held.
    std::optional<SourceCheck> next_check(Now now);
    /// Why a slot can't be asked for, if so.
    std::optional<Refusal> refuse_check(TokenId token) const;
    /// The same as next_check(), of a slot that refuse_check() lets pass, whatever else is so.
    SourceCheck begin_check(TokenId token, bool asked);
    bool is_checking() const noexcept { return checks_.busy(); }
    /// Whether it may still be written, as for an event.
    bool may_be_sent(const SourceCheck& check) const;
    /// `has_source`: whether the body of the answer is a source.
    CheckAnswer end_check(const SourceCheck& check, const AttemptResult& result, bool has_source,
                          Now now);
    /// It was not asked for (the daemon stops).
    void release_check(Now now) { checks_.release(now.mono); }

    /// When next_check() may have something, if nothing comes in before.
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
