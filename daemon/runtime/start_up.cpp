#include "flowrelay/runtime/start_up.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace flowrelay::runtime {

namespace {

// Between a dead letter and its outcome in the log a crash may have come: then the event is queued
// still, and the letter must not be there besides.
void withdraw_letters(Stores& stores, const std::vector<storage::EventQueue::Backlog>& backlogs) {
    std::vector<Seq> queued;
    for (const auto& [seq, token] : stores.dead_letters->all()) {
        const auto backlog =
            std::ranges::find(backlogs, token, &storage::EventQueue::Backlog::token);
        if (backlog == backlogs.end() || seq < backlog->first) continue;
        const auto event = stores.queue->read(seq);
        const bool absent =
            event.has_error() && event.error().code == storage::QueueErrc::not_found;
        const bool damaged = event.has_error() && event.error().code == storage::QueueErrc::damaged;
        // An index that can't be read does not say that the event is queued.
        if (event.has_error() && !absent && !damaged) {
            throw std::runtime_error(event.error().message);
        }
        if (!absent) queued.push_back(seq);
    }
    const auto done = stores.dead_letters->withdraw(queued);
    if (done.has_error()) throw std::runtime_error(done.error().message);
}

}  // namespace

void restore(core::Relay& relay, Stores& stores, std::vector<core::ConfiguredSource> sources,
             Milliseconds dedup_window, Now now) {
    // Should the registry be lost, what lies in the spool must not fall to another token.
    const auto found = stores.queue->backlog();
    if (found.has_error()) throw std::runtime_error(found.error().message);
    const auto& backlogs = *found;
    for (const auto& backlog : backlogs) relay.tokens().reserve(backlog.token);
    for (const auto& [seq, token] : stores.dead_letters->all()) {
        relay.tokens().reserve(token);
        // Nor must a letter share its seq with another event, should the log be of an earlier time.
        stores.queue->reserve(seq);
    }
    withdraw_letters(stores, backlogs);
    const auto changed = relay.configure(std::move(sources), now);
    if (!changed.empty()) {
        const auto put = stores.registry->put(changed);
        if (put.has_error()) throw std::runtime_error(put.error().message);
        for (const auto& entry : changed) relay.tokens().mark_durable(entry.id);
    }
    for (const auto& backlog : backlogs) {
        relay.restore(backlog.token, backlog.events, backlog.first);
    }
    for (const auto& hold : stores.registry->holds()) relay.restore(hold, now);
    const auto kept = stores.dead_letters->kept();
    relay.letters_stored({kept.letters, kept.bytes, 0}, now);
    relay.replayed(stores.dead_letters->replays());
    stores.queue->known_ids(now.wall - dedup_window, relay.dedup_capacity(),
                            [&relay](const storage::EventQueue::KnownId& known) {
                                relay.remember(known.token, known.id, known.accepted);
                            });
}

}  // namespace flowrelay::runtime
