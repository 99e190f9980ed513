#include "flowrelay/runtime/start_up.hpp"

#include <stdexcept>
#include <utility>

namespace flowrelay::runtime {

void restore(core::Relay& relay, Stores& stores, std::vector<core::ConfiguredSource> sources,
             Milliseconds dedup_window, Now now) {
    // Should the registry be lost, what lies in the spool must not fall to another token.
    const auto found = stores.queue->backlog();
    if (found.has_error()) throw std::runtime_error(found.error().message);
    const auto& backlogs = *found;
    for (const auto& backlog : backlogs) relay.tokens().reserve(backlog.token);
    for (const auto& letter : stores.dead_letters->list(stores.dead_letters->size())) {
        relay.tokens().reserve(letter.event.token);
    }
    const auto changed = relay.configure(std::move(sources), now);
    if (!changed.empty()) {
        const auto put = stores.registry->put(changed);
        if (put.has_error()) throw std::runtime_error(put.error().message);
        for (const auto& entry : changed) relay.tokens().mark_durable(entry.id);
    }
    for (const auto& backlog : backlogs) {
        relay.restore(backlog.token, backlog.events, backlog.first);
    }
    for (const auto& known :
         stores.queue->known_ids(now.wall - dedup_window, relay.dedup_capacity())) {
        relay.remember(known.token, known.id, known.accepted);
    }
}

}  // namespace flowrelay::runtime
