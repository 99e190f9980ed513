// One producer's connection: NDJSON or HTTP/1.1, recognized by its first bytes (docs/protocol.md).
#pragma once

#include <cstdint>
#include <memory>

#include "flowrelay/runtime/engine.hpp"
#include "flowrelay/runtime/server.hpp"

namespace flowrelay::runtime {

struct IngestLimits {
    std::uint64_t max_event_size = 1000ULL << 10;
    /// Maximum size of a batch in one HTTP request, in bytes.
    std::uint64_t max_batch_size = 8ULL << 20;
    /// How long a producer may stop in the middle of an event or a request before it is
    /// disconnected.
    Milliseconds stall_timeout{60'000};
    /// How long a batch waits for memory for its answers, which other producers use up by not
    /// reading theirs, before it is refused.
    Milliseconds batch_patience{30'000};
};

/// Creates a session that reads the first bytes and then speaks NDJSON or HTTP. `engine` outlives
/// it.
std::shared_ptr<Session> make_ingest_session(StreamSocket socket, Engine& engine,
                                             IngestLimits limits);

}  // namespace flowrelay::runtime
