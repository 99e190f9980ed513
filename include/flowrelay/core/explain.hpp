// Explains why an event has not been delivered yet, and until when: the chain of causes, from the
// event to the destination. Everything comes from the scheduler's own state, so an explanation
// always agrees with what the relay does.
//
// Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/base/time.hpp"
#include "flowrelay/core/history.hpp"
#include "flowrelay/core/scheduler.hpp"
#include "flowrelay/core/stored_event.hpp"

namespace flowrelay::core {

/// The cause in a link of the chain. The words (to_string) are part of the control protocol.
enum class Cause {
    in_flight,               ///< its request is waiting for the answer
    ready,                   ///< sent as soon as a connection is free
    stored,                  ///< only on disk, not in the scheduler
    behind,                  ///< an older event of its thread comes first
    behind_in_flight,        ///< the older event's request is waiting for the answer
    thread_waits,            ///< backoff after failures
    thread_held,             ///< an event of the thread was rejected; needs an operator
    dead_letters_full,       ///< an event was rejected, and the dead letters are full
    dead_letter_unwritten,   ///< a dead letter of the thread is not on the disk yet
    token_throttled,         ///< 429, or 503 with Retry-After for this token alone
    token_parked,            ///< 401, 403
    token_failing,           ///< 5xx or no answers to several threads of this token alone
    token_paused,            ///< by an operator, or after a restore with another token
    token_unconfigured,      ///< its source is no longer in the configuration
    token_unknown,           ///< not in the registry of tokens
    token_gone,              ///< 410, or removed by an operator
    token_rate_limit,        ///< sources.rate_limit
    token_paced,             ///< at the pace that the server accepts for this token
    token_full,              ///< its share of the requests in flight is used up
    destination_held,        ///< 503 with Retry-After
    destination_parked,      ///< the base URL seems to be wrong
    destination_down,        ///< it does not answer
    destination_rate_limit,  ///< destination.rate_limit
    destination_paced,       ///< at the pace that the server accepts
    destination_full,        ///< the limit of requests in flight is reached
    deliveries_held,         ///< the spool came from another machine
};

std::string_view to_string(Cause cause) noexcept;

struct ChainLink {
    Cause cause = Cause::ready;
    std::optional<Milliseconds> wait;  ///< from now; 0: any moment. Nothing: time does not end it
    std::string text;                  ///< a sentence for users
};

/// The situation of a queued event. Texts may be empty.
struct Situation {
    Scheduler::WaitReason reason;  ///< of the event; if `stored`, without its lane's part
    bool stored = false;           ///< not in the scheduler
    bool is_next = true;           ///< the next event of its lane
    std::string source;            ///< the label of its token
    std::string head;              ///< name of the next event of its lane
    std::string head_trouble;      ///< result of that event's last attempt: "HTTP 503: try later"
    unsigned head_attempts = 0;
    bool held_by_letters = false;  ///< its lane is held because the dead letters are full
    TokenEntry::State token_state = TokenEntry::State::active;
    TokenEntry::Pause pause = TokenEntry::Pause::by_operator;
    WallTime erase_at{};  ///< if the token is gone
    bool configured = true;
    bool unknown = false;          ///< its token is not in the registry
    std::string token_trouble;     ///< the reason in `status`: why the token waits, and what to do
    bool deliveries_held = false;  ///< the spool came from another machine
    std::string destination;       ///< the base URL
    std::string destination_trouble;
};

/// Returns the chain of causes, from the event to the destination; never empty. It contains every
/// present cause, so that an operator who removes one knows which remain.
std::vector<ChainLink> explain(const Situation& situation, MonoTime now);

/// Returns the earliest time of the next attempt according to the whole chain. Nothing: an operator
/// must act first.
std::optional<Milliseconds> earliest(const std::vector<ChainLink>& chain);

/// Describes the outcome of an event: "was delivered at …, with attempt 2 (HTTP 202)".
std::string explain(const PastEvent& past);

/// Explains why an event was filtered: "was filtered at …: the filter of ci lets pass only events
/// …". `source` is the label of its token.
std::string explain(const FilteredEvent& event, std::string_view source);

}  // namespace flowrelay::core
