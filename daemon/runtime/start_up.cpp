#include "flowrelay/runtime/start_up.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <utility>

#include "flowrelay/storage/file_system.hpp"

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

/// The registry was lost, or cut, or is of another time than the spool.
void tell_unknown(core::Relay& relay, const Stores& stores,
                  const std::vector<storage::EventQueue::Backlog>& backlogs) {
    std::map<TokenId, std::uint64_t> letters;
    for (const auto& [seq, token] : stores.dead_letters->all()) ++letters[token];
    for (const auto& [id, token] : relay.tokens().all()) {
        if (!token.unknown) continue;
        const auto backlog = std::ranges::find(backlogs, id, &storage::EventQueue::Backlog::token);
        relay.tell_unknown(id, backlog == backlogs.end() ? 0 : backlog->events, letters[id]);
    }
}

}  // namespace

void put_at_start(core::Relay& relay, Stores& stores, std::span<const core::TokenEntry> entries,
                  Now now) {
    if (entries.empty()) return;
    const auto put = stores.registry->put(entries);
    if (put.has_error()) {
        if (!storage::is_disk_full(put.error().code)) {
            throw std::runtime_error(put.error().message);
        }
        relay.tokens_not_saved(entries, put.error().message, now);
        return;
    }
    for (const auto& entry : entries) relay.tokens().mark_durable(entry);
}

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
    put_at_start(relay, stores, changed, now);
    tell_unknown(relay, stores, backlogs);
    if (const auto missing = stores.dead_letters->missing(stores.queue->ledger()); missing > 0) {
        relay.tell_letters_missing(missing, stores.dead_letters->size());
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
