// The catalogue of log events. docs/log-events.md describes each of them for operators; a test
// holds the two together. A name, once released, keeps its meaning.
#pragma once

#include <span>

#include "flowrelay/base/log.hpp"

namespace flowrelay::core::log_events {

#define FLOWRELAY_LOG_EVENTS(X)                                                                    \
    X(relay_starting, "relay.starting", notice, "the daemon starts")                               \
    X(relay_ready, "relay.ready", notice, "events are accepted and delivered")                     \
    X(relay_stopping, "relay.stopping", notice, "the daemon stops: no new events are accepted")    \
    X(relay_stopped, "relay.stopped", notice, "the daemon has stopped; what is queued is on disk") \
    X(relay_failed, "relay.failed", critical, "the daemon can't go on")                            \
    X(relay_stats, "relay.stats", info, "the state of the relay and what happened since the last") \
    X(config_loaded, "config.loaded", info, "the configuration file was read")                     \
    X(config_invalid, "config.invalid", error, "the configuration file can't be used")             \
    X(config_not_reloaded, "config.not_reloaded", notice, "a new configuration takes a restart")   \
    X(spool_opened, "spool.opened", notice, "the spool was opened and recovered")                  \
    X(spool_tail_cut, "spool.tail_cut", info, "an unfinished write at the end was cut off")        \
    X(spool_damaged, "spool.damaged", error, "a damaged range of the spool was skipped")           \
    X(spool_full, "spool.full", warning, "new events are refused: the spool is full")              \
    X(spool_has_room, "spool.has_room", notice, "new events are accepted again")                   \
    X(spool_failed, "spool.failed", critical, "the disk failed: nothing more can be accepted")     \
    X(spool_read_failed, "spool.read_failed", error, "a queued event can't be read")               \
    X(dead_letters_failed, "dead_letters.failed", error, "a dead letter can't be written yet")     \
    X(server_listening, "server.listening", info, "a socket takes connections")                    \
    X(ingest_rejected, "ingest.rejected", debug, "an event was rejected")                          \
    X(server_busy, "server.busy", warning, "a connection was refused: too many are open")          \
    X(server_accept_failed, "server.accept_failed", error, "connections can't be accepted")        \
    X(delivery_delivered, "delivery.delivered", debug, "the destination took an event")            \
    X(delivery_retry, "delivery.retry", warning, "an event could not be delivered and waits")      \
    X(delivery_dead, "delivery.dead", error, "an event went to the dead letters")                  \
    X(delivery_expired, "delivery.expired", error,                                                 \
      "events grew too old and went to the dead letters")                                          \
    X(token_added, "token.added", info, "a token was seen for the first time")                     \
    X(token_missing, "token.missing", error, "events wait for a source that is not configured")    \
    X(token_parked, "token.parked", error, "the destination refuses a token: its events wait")     \
    X(token_throttled, "token.throttled", warning, "the destination asks a token to wait")         \
    X(token_active, "token.active", notice, "the destination takes events of a token again")       \
    X(token_gone, "token.gone", warning, "the destination says that a token is gone: disabled")    \
    X(token_erased, "token.erased", notice, "everything stored for a token was erased")            \
    X(token_erase_failed, "token.erase_failed", error, "a token's data could not be erased yet")   \
    X(destination_up, "destination.up", notice, "the destination answers again")                   \
    X(destination_down, "destination.down", error,                                                 \
      "the destination does not answer: one probe at a time")                                      \
    X(destination_held, "destination.held", warning, "the destination asks to wait")               \
    X(destination_parked, "destination.parked", error,                                             \
      "the base URL seems to be wrong: all events wait")

#define FLOWRELAY_DECLARE(id, name, severity, summary) \
    inline constexpr LogEvent id{name, Severity::severity, summary};
FLOWRELAY_LOG_EVENTS(FLOWRELAY_DECLARE)
#undef FLOWRELAY_DECLARE

/// All of them, in the order above.
std::span<const LogEvent> all() noexcept;

}  // namespace flowrelay::core::log_events
