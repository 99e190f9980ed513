// Why an event has not been delivered yet, and until when: the chain of causes, from the event to
// the destination. Everything comes from the scheduler's own state, so it can't disagree with what
// the relay does.
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

/// A link of the chain. The words (to_string) are part of the control protocol.
enum class Cause {
    in_flight,               ///< its request waits for the answer
    ready,                   ///< nothing holds it: it goes when a connection is free
    stored,                  ///< further back than what is held in memory
    behind,                  ///< an older event of its thread comes first
    behind_in_flight,        ///< that one's request waits for the answer
    thread_waits,            ///< backoff after failures
    thread_held,             ///< its event was refused, and waits for an operator
    dead_letters_full,       ///< its event was refused, and the dead letters have no room for it
    dead_letter_unwritten,   ///< one of its thread died, and its dead letter is not on the disk
    token_throttled,         ///< 429, or 503 with Retry-After to it alone
    token_parked,            ///< 401, 403
    token_failing,           ///< 5xx or no answers to several of its threads, and to no other token
    token_paused,            ///< by an operator, or after a restore with another token
    token_unconfigured,      ///< its source is not in the configuration any more
    token_unknown,           ///< the registry of tokens does not know it
    token_gone,              ///< 410, or removed by an operator
    token_rate_limit,        ///< sources.rate_limit
    token_paced,             ///< the server was seen to take no more of this token
    token_full,              ///< as many of its requests are under way as its share
    destination_held,        ///< 503 with Retry-After
    destination_parked,      ///< the base URL seems to be wrong
    destination_down,        ///< it does not answer
    destination_rate_limit,  ///< destination.rate_limit
    destination_paced,       ///< the server was seen to take no more
    destination_full,        ///< as many requests are under way as it can take
    deliveries_held,         ///< the spool came from another machine
};

std::string_view to_string(Cause cause) noexcept;

struct ChainLink {
    Cause cause = Cause::ready;
    std::optional<Milliseconds> wait;  ///< from now; 0: any moment. Nothing: no time ends it
    std::string text;                  ///< a sentence for people
};

/// What is known of an event that is queued. The texts may be empty where there are none.
struct Situation {
    Scheduler::WaitReason reason;  ///< of the event; when `stored` only the parts above the lane
    bool stored = false;           ///< it is not in the scheduler
    bool is_next = true;           ///< of its lane
    std::string source;            ///< the label of its token
    std::string head;              ///< how to call the event of its lane that is next
    std::string head_trouble;      ///< how that one's last attempt ended: "HTTP 503: try later"
    unsigned head_attempts = 0;
    bool held_by_letters = false;  ///< what holds its lane is that the dead letters are full
    TokenEntry::State token_state = TokenEntry::State::active;
    TokenEntry::Pause pause = TokenEntry::Pause::by_operator;
    WallTime erase_at{};  ///< of a token that is gone
    bool configured = true;
    bool unknown = false;          ///< the registry does not know its token
    std::string token_trouble;     ///< what status says of the token: why it waits, and what to do
    bool deliveries_held = false;  ///< the spool came from another machine
    std::string destination;       ///< the base URL
    std::string destination_trouble;
};

/// The chain, never empty: from the event to what is farthest from it. Every cause that holds it
/// now is there, so that who removes one knows what comes next.
std::vector<ChainLink> explain(const Situation& situation, MonoTime now);

/// When the next attempt may be made at the earliest, seen from the whole chain. Nothing: not
/// before somebody does something.
std::optional<Milliseconds> earliest(const std::vector<ChainLink>& chain);

/// What became of an event: "was delivered at …, with attempt 2 (HTTP 202)".
std::string explain(const PastEvent& past);

/// Why an event was filtered: "was filtered at …: the filter of ci lets pass only events …".
/// `source`: the label of its token.
std::string explain(const FilteredEvent& event, std::string_view source);

}  // namespace flowrelay::core
