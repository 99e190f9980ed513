// One producer's connection: NDJSON or HTTP/1.1, told apart by the first byte (docs/protocol.md).
#pragma once

#include <cstdint>
#include <memory>

#include "flowrelay/runtime/engine.hpp"
#include "flowrelay/runtime/server.hpp"

namespace flowrelay::runtime {

struct IngestLimits {
    std::uint64_t max_event_size = 1000ULL << 10;
    /// A batch in one HTTP request may have this many bytes.
    std::uint64_t max_batch_size = 8ULL << 20;
    /// A producer that stops in the middle of an event or a request is cut off after this.
    Milliseconds stall_timeout{60'000};
    /// A batch that finds no room for its answers, since other producers do not read theirs, is
    /// refused after this.
    Milliseconds batch_patience{30'000};
};

/// Reads the first bytes, then goes on as an NdjsonSession or an HttpSession. `engine` outlives it.
std::shared_ptr<Session> make_ingest_session(StreamSocket socket, Engine& engine,
                                             IngestLimits limits);

}  // namespace flowrelay::runtime
