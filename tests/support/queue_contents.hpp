// Reads the whole contents of a queue as the daemon does: token by token, in portions.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "flowrelay/storage/event_queue.hpp"

namespace flowrelay::test {

/// Returns all queued events of an EventQueue or a Spool, without replays, in the order of their
/// seqs.
template <class Queue>
std::vector<core::QueuedEvent> queued_events(Queue& queue) {
    std::vector<core::QueuedEvent> events;
    for (const auto& backlog : queue.backlog().value()) {
        core::LoadRequest request;
        request.token = backlog.token;
        request.limit = 100;
        bool more = true;
        while (more) {
            const auto slice = queue.load(request, 0).value().slice;
            events.insert(events.end(), slice.events.begin(), slice.events.end());
            request.after = slice.end;
            more = !slice.complete;
        }
    }
    std::ranges::sort(events, {}, &core::QueuedEvent::seq);
    return events;
}

/// An id passed by EventQueue::known_ids().
struct KnownId {
    TokenId token;
    std::string id;
    WallTime accepted;
};

inline std::vector<KnownId> known_ids(storage::EventQueue& queue, WallTime since,
                                      std::size_t limit) {
    std::vector<KnownId> ids;
    queue.known_ids(since, limit, [&ids](const storage::EventQueue::KnownId& known) {
        ids.push_back({known.token, std::string(known.id), known.accepted});
    });
    return ids;
}

}  // namespace flowrelay::test
