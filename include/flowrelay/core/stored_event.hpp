// The records that core::Relay passes to storage and gets back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "flowrelay/base/fingerprint.hpp"
#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/secret.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/event_filter.hpp"
#include "flowrelay/core/known.hpp"
#include "flowrelay/core/queued_event.hpp"

namespace flowrelay::core {

/// Who handed an event in: what the kernel said of the other end of the socket.
struct Producer {
    std::uint32_t uid = 0;
    std::uint32_t pid = 0;
    std::string unit;  ///< its systemd unit, at most 255 bytes; empty when it has none

    friend bool operator==(const Producer&, const Producer&) = default;
};

/// Everything that is kept of an event.
struct EventRecord {
    TokenId token = TokenId::none;
    std::uint64_t thread_hash = 0;
    WallTime accepted;
    WallTime expires = WallTime::max();
    bool own_id = false;               ///< the id is the producer's: it counts for deduplication
    std::string id;                    ///< 1 to 255 bytes
    std::string thread;                ///< the thread key, at most 65535 bytes
    std::string body;                  ///< one JSON object, without the token
    std::optional<Producer> producer;  ///< not known of those that came over TCP
};

/// The end of one event.
struct Settlement {
    Seq seq = Seq::none;
    Outcome outcome = Outcome::delivered;
};

/// An event that could not be delivered, and why.
struct DeadLetter {
    Seq seq = Seq::none;
    EventRecord event;
    Outcome outcome = Outcome::dead;  ///< dead or expired
    WallTime died;
    std::uint32_t attempts = 0;
    int status = 0;             ///< the HTTP status; 0 when there was none
    std::string reason;         ///< for people: the verdict and the server's `message`
    std::string server_errors;  ///< the server's `errors` as JSON; may be empty
    bool replayed = false;      ///< it is to be delivered after all
    bool has_event = true;      ///< false: it could not be read; `event` has its id and token alone
};

/// A wait that the server has asked for with Retry-After: it counts over a restart.
struct Hold {
    TokenId token = TokenId::none;  ///< none: the destination as a whole
    Fingerprint fingerprint{};      ///< of the token: another one in the slot was asked for nothing
    std::uint64_t destination = 0;  ///< hash of who asked: another destination asked for nothing
    WallTime until;
};

/// What the dead letters may grow to. A size that is reached keeps more from coming: their events
/// stay queued. Only what is over max_age is dropped.
struct DeadLetterLimits {
    std::uint64_t max_events = 100'000;
    std::uint64_t max_bytes = 256ULL << 20;            ///< the file may have twice that
    Milliseconds max_age{30LL * 24 * 60 * 60 * 1000};  ///< since they died
};

/// The source that a token belongs to at the server, as the answer that made it told. It is shown,
/// and what is done to the source in its flow goes by it; nothing is posted by it.
struct FlowSource {
    std::string id;                 ///< of the source; never empty
    std::string flow;               ///< "example/main", or the id of the flow
    std::string flow_name;          ///< for people, as all that follow; each may be empty
    std::string application;        ///< in whose name it was made: its name or its client id
    std::string configuration_uri;  ///< where its settings are changed

    friend bool operator==(const FlowSource&, const FlowSource&) = default;
};

using KnownFlowSource = Known<FlowSource>;

/// What is known of one token slot. docs/sources.md has what becomes of it at each change.
struct TokenEntry {
    enum class State : std::uint8_t {
        active = 1,
        gone = 2,       ///< 410; `erase_at` is set; contents still there for the grace
        erased = 3,     ///< 410, and nothing but the fingerprint is left
        paused = 4,     ///< see Pause
        removed = 5,    ///< by an operator; its contents are being erased
        forgotten = 6,  ///< removed and erased: no fingerprint is left, only the id stays taken
    };
    /// Who has named the slot's token.
    enum class Origin : std::uint8_t {
        unstated = 0,    ///< written by an earlier version: name and secret tell
        direct = 1,      ///< an event that brought it
        configured = 2,  ///< a source of the configuration
        added = 3,       ///< a source that an operator added
        left = 4,        ///< a source that is not in the configuration any more
    };
    /// Why it is paused.
    enum class Pause : std::uint8_t {
        by_operator = 0,
        other_token = 1,  ///< a restored slot, whose events were accepted for another token
    };
    TokenId id = TokenId::none;
    std::string source;         ///< the name of its source, also of one that has left; may be empty
    Fingerprint fingerprint{};  ///< of the token that lies (or lay last) in the slot
    Secret secret;  ///< in the registry not that of a configured source, which has it elsewhere
    State state = State::active;
    Origin origin = Origin::unstated;
    Pause pause = Pause::by_operator;  ///< of `paused`
    WallTime since;                    ///< of the state, name and token
    WallTime erase_at;                 ///< of `gone` and `removed`
    KnownFlowSource flow_source;       ///< of the token: another token has another one
    KnownFilter filter;                ///< of an added source, as an operator has set it

    friend bool operator==(const TokenEntry&, const TokenEntry&) = default;
};

}  // namespace flowrelay::core
