// The catalogue of log events. docs/log-events.md describes each of them for operators; a test
// keeps the two consistent. A released name keeps its meaning, and so does its message id, which
// identifies the event in the journal: 128 random bits (`systemd-id128 new`), never used for
// another event.
#pragma once

#include <span>

#include "flowrelay/base/log.hpp"

namespace flowrelay::core::log_events {

#define FLOWRELAY_LOG_EVENTS(X)                                                                  \
    X(relay_starting, "relay.starting", notice, "88cdc7ce6ccb44299cac74e2119805c8",              \
      "the daemon starts")                                                                       \
    X(relay_ready, "relay.ready", notice, "1b7fbf583c914da9b15129852036e29c",                    \
      "events are accepted and delivered")                                                       \
    X(relay_stopping, "relay.stopping", notice, "21565ff6c62a4dc79b684582e0965e5d",              \
      "the daemon stops: requests in flight are finished")                                       \
    X(relay_stopped, "relay.stopped", notice, "8f4ec8806e6f441fbcf1cb9af25f0c76",                \
      "the daemon has stopped; what is queued is on disk")                                       \
    X(relay_signal_ignored, "relay.signal_ignored", notice, "54107203d9ba577a33220a7d71e080ad",  \
      "a signal that means nothing here was ignored")                                            \
    X(few_descriptors, "relay.few_descriptors", warning, "4d8a91c60e5b4f27b3c2f97e1ad86053",     \
      "the process may open too few files")                                                      \
    X(relay_failed, "relay.failed", critical, "81579965b4904d4d9933eecbe205d450",                \
      "the daemon can't go on")                                                                  \
    X(relay_stats, "relay.stats", info, "6953c257a50f48a4a5c9794e2254e331",                      \
      "the state of the relay and what happened since the last")                                 \
    X(log_left_out, "log.left_out", info, "02cd1fb3f68e4beabf42a0dcff78806a",                    \
      "lines that repeated were left out")                                                       \
    X(config_loaded, "config.loaded", info, "98bb2c849c4f4fb6ada1cd62337ce136",                  \
      "the configuration file was read")                                                         \
    X(config_invalid, "config.invalid", error, "aba121a278e64d2fbaff8213338e1f40",               \
      "the configuration file can't be used")                                                    \
    X(config_reloaded, "config.reloaded", notice, "220fb880ec814d8d9a737957dc3c92f2",            \
      "a new configuration is in force")                                                         \
    X(config_not_reloaded, "config.not_reloaded", error, "cc8a702521ea4f678667c28e6aa1371f",     \
      "a new configuration can't be used; the old one stays in force")                           \
    X(config_needs_restart, "config.needs_restart", warning, "0eacaff55b004a23b8292fa296b4f5f4", \
      "some keys of the new configuration count after a restart only")                           \
    X(config_key_exposed, "config.key_exposed", warning, "48d5d812349a413e86c71f05f4ffc449",     \
      "others can read the private key of the client certificate")                               \
    X(clock_stepped, "clock.stepped", warning, "b7d1f0c94a5e4e0f9c2d83a617f4be65",               \
      "the wall clock has stepped; ages and deadlines go on as before")                          \
    X(clock_not_believed, "clock.not_believed", warning, "2c9e61d7a8f34b0d8e57c1fa93b06d42",     \
      "the wall clock can't be right: the time that the machine was off is not counted")         \
    X(clock_save_failed, "clock.save_failed", error, "e03fb5a26c9d47718a4d90b2c7e851f3",         \
      "the time can't be written down for the next start")                                       \
    X(spool_opened, "spool.opened", notice, "430673baf1514b0bb1c28bd7ba844ad9",                  \
      "the spool was opened and recovered")                                                      \
    X(spool_tail_cut, "spool.tail_cut", info, "9f53b518c7b54fb38f591f209dc20e12",                \
      "an unfinished write at the end was cut off")                                              \
    X(spool_damaged, "spool.damaged", error, "2da3ce79b30b44948a7198afc5320fa8",                 \
      "a damaged range of the spool was skipped")                                                \
    X(spool_compacted, "spool.compacted", info, "5f1c6a1f4d7e4b0e9f0a2d6f8f3f7c11",              \
      "what is still queued in old segments was copied together")                                \
    X(spool_compaction_failed, "spool.compaction_failed", warning,                               \
      "a0a9d6b3f7c94c1d8e52b7a6e4d1c2f3", "old segments could not be copied together")           \
    X(spool_ids_failed, "spool.ids_failed", warning, "7d6c5d0f2f2b4a0c8c3f1b9f5d7e6a44",         \
      "ids for the deduplication window could not be kept")                                      \
    X(spool_full, "spool.full", warning, "dcee7058db99485fbcd8d604cad91047",                     \
      "new events are refused: the spool is full")                                               \
    X(spool_has_room, "spool.has_room", notice, "816e06772b7043fc81bfcda173f936b3",              \
      "new events are accepted again")                                                           \
    X(spool_disk_too_small, "spool.disk_too_small", warning, "491a5e3c8d8549b1a82cb96c09d82a7f", \
      "spool.max_size is more than the disk has")                                                \
    X(spool_moved, "spool.moved", critical, "477d856b9d3d4cd3aad26ce1a5046a98",                  \
      "the spool came from another machine: nothing is posted")                                  \
    X(spool_adopted, "spool.adopted", notice, "d18ed9038e3e4767b9ef02c9b3b34187",                \
      "the spool belongs to this machine now")                                                   \
    X(spool_failed, "spool.failed", critical, "21b58e81914747629486c1e275cf9147",                \
      "the disk failed: nothing more can be accepted")                                           \
    X(spool_read_failed, "spool.read_failed", error, "6c31c53b2e444ab7a8a56a540ebd927f",         \
      "a queued event can't be read")                                                            \
    X(dead_letters_failed, "dead_letters.failed", error, "118da796ae764fba8fe29a54f77996ea",     \
      "a dead letter can't be written yet")                                                      \
    X(letters_missing, "dead_letters.missing", error, "7c41e0a9d2b84f3f9a65b1d83e07f42c",        \
      "the books have dead letters that are not in their file")                                  \
    X(dead_letters_dropped, "dead_letters.dropped", warning, "171db63b59be42c9a545c9e809d66460", \
      "dead letters were dropped: they were older than dead_letters.max_age")                    \
    X(letters_age_kept, "dead_letters.age_kept", warning, "5f0b1c8e2d7a4936b1e4c07d93a86f25",    \
      "a shorter dead_letters.max_age waits: the start would have dropped letters")              \
    X(dead_letters_full, "dead_letters.full", error, "5a2d8d1be7724d0c9a4c6d1f0b7e93a8",         \
      "the dead letters are full: refused events hold their threads, and nothing expires")       \
    X(dead_letters_have_room, "dead_letters.have_room", notice,                                  \
      "c3f0a9b45d1e4f7a8b26e7d9104c58fb", "the dead letters have room again")                    \
    X(server_listening, "server.listening", info, "aea817fecf7a4c07831d732827cc7428",            \
      "a socket takes connections")                                                              \
    X(socket_passed, "socket.passed", info, "8d60d871e4e040818463d7aa6ff546a0",                  \
      "the service manager opened a socket")                                                     \
    X(socket_overruled, "socket.overruled", warning, "10d9f8fd625f4994a2429a5f68fa2dbe",         \
      "a socket unit overrules the configured path of a socket")                                 \
    X(ingest_rejected, "ingest.rejected", debug, "2395370b4e144231abe0ebf4038ecac7",             \
      "an event was rejected")                                                                   \
    X(ingest_refusing, "ingest.refusing", notice, "daaa2b39ad7d97991f5975638c0e44a8",            \
      "what a producer hands in is refused again and again")                                     \
    X(ingest_unread, "ingest.unread", warning, "f40208b6d7fd3bbde511d917a783556f",               \
      "a producer does not read its answers")                                                    \
    X(server_busy, "server.busy", warning, "881dd375b6814a88a1811f08d36bbf61",                   \
      "a connection was refused: too many are open")                                             \
    X(server_accept_failed, "server.accept_failed", error, "ffaf24ca5e4145f0b3177d2eec8e28da",   \
      "connections can't be accepted")                                                           \
    X(control_changed, "control.changed", notice, "87e9e6def8991eee2acf4dc35732da99",            \
      "an operator changed something")                                                           \
    X(control_failed, "control.failed", warning, "99b8fb1a51530eb6b324464286a8dbcc",             \
      "an operator's change failed")                                                             \
    X(control_refused, "control.refused", warning, "e4b741ea9959afd5e9b29abaa8352597",           \
      "a change was asked for by somebody who may not")                                          \
    X(delivery_delivered, "delivery.delivered", debug, "29503f91f471405a8dffa5f70d6ec2c9",       \
      "the destination took an event")                                                           \
    X(delivery_attempt, "delivery.attempt", debug, "29343bba792943949020d11bb0f9c224",           \
      "an event was not taken")                                                                  \
    X(delivery_retry, "delivery.retry", warning, "7d4844b0046d4ed7b79769eff9995e71",             \
      "an event could not be delivered and waits")                                               \
    X(delivery_held, "delivery.held", error, "168303585ac5437db537fd078828e049",                 \
      "an event was refused and its thread waits for an operator")                               \
    X(delivery_dead, "delivery.dead", error, "9f3f842267ce493ca35dd62acbfe19a1",                 \
      "an event went to the dead letters")                                                       \
    X(delivery_expired, "delivery.expired", error, "268e936e94434c939e8146d4fcdf5294",           \
      "events grew too old and went to the dead letters")                                        \
    X(delivery_released, "delivery.released", notice, "0c8e5b72d1f643a98b27e4f5a6093d1c",        \
      "threads that were held for an operator go on: on_reject was taken back")                  \
    X(delivery_outdated, "delivery.outdated", notice, "7d0b1f6a3e594c28b6a9d1c85f20e473",        \
      "an answer was to a former token or destination: the event is sent again")                 \
    X(token_added, "token.added", info, "1d3f86b13ec14459a57a5a50fe0d21e4",                      \
      "a token that belongs to no source was seen for the first time")                           \
    X(token_not_kept, "token.not_kept", error, "279b006927984816bcabe82872f7371c",               \
      "a new token can't be written: its events are refused")                                    \
    X(token_queue_full, "token.queue_full", warning, "aa8d6e87bcf94cf0b5a13fc1da9d819e",         \
      "the events of a token are refused: its quota is used up")                                 \
    X(token_has_room, "token.has_room", notice, "64d961cec0c044ceae100eaa2e78a89c",              \
      "events of a token are accepted again")                                                    \
    X(token_unused, "token.unused", info, "68b3663616f64ddf9bbc0fc114bb07f5",                    \
      "tokens that came with events and have none any more were forgotten")                      \
    X(token_replaced, "token.replaced", error, "72a3ede7b348469ead1bdabdd09926de",               \
      "restored events wait: the token of their source is another one")                          \
    X(token_renamed, "token.renamed", notice, "c1d2ee0d4f0a4b6a9a54c6f8e1b7035d",                \
      "a source goes on by another name")                                                        \
    X(token_renewed, "token.renewed", notice, "5a7e5130e63241f4989603e05facb162",                \
      "the file of a token that was refused has another one, which is used from now on")         \
    X(token_not_renewed, "token.not_renewed", warning, "3ee5cfc2c58b4093a0eb7bbe3028dd2f",       \
      "the file of a token that was refused was changed, and can't be used")                     \
    X(token_missing, "token.missing", error, "49aedeb0f4c84c3ebbc57b8532ad5d2d",                 \
      "events wait for a source that is not configured")                                         \
    X(token_unknown, "token.unknown", error, "0b8c1e5f7a3d4c69a2f0d47be9135c84",                 \
      "events belong to a token that the registry does not know")                                \
    X(token_parked, "token.parked", error, "eb7e89cbe0084e7b9bf67adf59de264b",                   \
      "the destination refuses a token: its events wait")                                        \
    X(token_throttled, "token.throttled", warning, "60a77a63185146aaa726d9fe305945ec",           \
      "the destination asks a token to wait")                                                    \
    X(token_failing, "token.failing", error, "e878d28a660a4aaa993a151c387d650d",                 \
      "the events of one token fail, in several threads: they wait")                             \
    X(token_active, "token.active", notice, "692761a77e0c4b36b75f7527c1828725",                  \
      "the destination takes events of a token again")                                           \
    X(token_gone, "token.gone", warning, "febb31eca4e64fd292b4826fd8fb620b",                     \
      "the destination says that a token is gone: disabled")                                     \
    X(token_save_failed, "token.save_failed", error, "42a6f9049212422ebb6a917f4c392608",         \
      "the state of a token can't be written yet")                                               \
    X(report_sent, "report.sent", info, "8571af5322ae48c7ab604020d86fb499",                      \
      "the flow of a source was told of its trouble")                                            \
    X(report_cleared, "report.cleared", info, "38afc3d58ec543e28fca58c41fe16d02",                \
      "the flow of a source was told that its trouble is over")                                  \
    X(report_failed, "report.failed", warning, "4303eb8935d546838f73bdbbfe0e6858",               \
      "the flow of a source could not be told of its trouble, or that it is over")               \
    X(source_check_failed, "source.check_failed", notice, "516cd75b8c0c4e85abaae5c3ec06a09c",    \
      "whether an idle source lives in its flow could not be found out")                         \
    X(token_erased, "token.erased", notice, "d997bb55fcab4beeaed21ec49fe6fad8",                  \
      "everything stored for a token was erased")                                                \
    X(token_erase_failed, "token.erase_failed", error, "6934e7e00a604db890bbb424d3684abd",       \
      "a token's data could not be erased yet")                                                  \
    X(pages_ready, "pages.ready", notice, "4325bc8a579c4787b90803953eec3b32",                    \
      "the pages are served")                                                                    \
    X(pages_invited, "pages.invited", notice, "405d749d3dcc4166be64b202dfd2d8f6",                \
      "an operator made or withdrew an invitation")                                              \
    X(pages_connected, "pages.connected", notice, "dd99f55c9e984f2ab5164ee585db7ec8",            \
      "somebody connected a source in a browser")                                                \
    X(pages_changed, "pages.changed", notice, "6ebc949c8e3d4ef9bd3c71c5646f0532",                \
      "somebody changed the settings of a source in a browser")                                  \
    X(pages_refused, "pages.refused", notice, "895bcc6303184672862338ac7da6b5a5",                \
      "somebody without an invitation wanted to connect a source")                               \
    X(pages_failed, "pages.failed", warning, "70fbb280e0224493b7c98c035635ca3e",                 \
      "a step of the pages could not be done")                                                   \
    X(destination_proxy, "destination.proxy", info, "5e0f7d2c9b1a4c0f8d3e6a7b1c2d4f90",          \
      "which way leads to the destination")                                                      \
    X(destination_proxy_unclear, "destination.proxy_unclear", warning,                           \
      "b7c1a90e35d24f6a9e08d4c6f1527a3b", "entries of NO_PROXY can't match any destination")     \
    X(destination_odd_answer, "destination.odd_answer", notice,                                  \
      "3c9d6f1e8a7b4d25b0f4e1c2a6d89570",                                                        \
      "the destination's answer was not as HTTP or the API has it, and counts all the same")     \
    X(destination_changed, "destination.changed", notice, "e41c7a95d2f84b0c9a3f6d08b7c15e26",    \
      "events go somewhere else from now on")                                                    \
    X(destination_up, "destination.up", notice, "9c4d5be8150f49f2a33bd3114c269b20",              \
      "the destination answers again")                                                           \
    X(destination_down, "destination.down", error, "e9288f6338c24d21a5d2b4f683dd9dc4",           \
      "the destination does not answer: one probe at a time")                                    \
    X(destination_held, "destination.held", warning, "a5ca12a5c91f4089a917f22649f77df8",         \
      "the destination asks to wait")                                                            \
    X(destination_parked, "destination.parked", error, "d4aaa24dcc2540729e146d7404aa2354",       \
      "the base URL seems to be wrong: all events wait")

#define FLOWRELAY_DECLARE(id, name, severity, message_id, summary) \
    inline constexpr LogEvent id{name, Severity::severity, summary, message_id};
FLOWRELAY_LOG_EVENTS(FLOWRELAY_DECLARE)
#undef FLOWRELAY_DECLARE

/// Returns all log events in the order above.
std::span<const LogEvent> all() noexcept;

}  // namespace flowrelay::core::log_events
