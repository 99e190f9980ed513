#include "flowrelay/runtime/start_up.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "flowrelay/storage/file_system.hpp"

namespace flowrelay::runtime {

namespace {

using Backlog = storage::Spool::Backlog;

/// Logs slots that the registry does not know: it was lost or truncated, or is of another time than
/// the spool.
void tell_unknown(core::Relay& relay, const storage::Spool::Recovered& recovered) {
    for (const auto& [id, token] : relay.tokens().all()) {
        if (!token.unknown) continue;
        const auto backlog = std::ranges::find(recovered.backlogs, id, &Backlog::token);
        const auto letters = recovered.letters.find(id);
        relay.lifecycle().tell_unknown(id,
                                       backlog == recovered.backlogs.end() ? 0 : backlog->events,
                                       letters == recovered.letters.end() ? 0 : letters->second);
    }
}

}  // namespace

void put_at_start(core::Relay& relay, storage::Spool& spool,
                  std::span<const core::TokenEntry> entries, Now now) {
    if (entries.empty()) return;
    const auto put = spool.put(entries);
    if (put.has_error()) {
        if (!storage::is_disk_full(put.error().code)) {
            throw std::runtime_error(put.error().message);
        }
        relay.lifecycle().tokens_not_saved(entries, put.error().message, now);
        return;
    }
    for (const auto& entry : entries) relay.tokens().mark_durable(entry);
}

void restore(core::Relay& relay, storage::Spool& spool, std::vector<core::ConfiguredSource> sources,
             Milliseconds dedup_window, Now now) {
    const auto recovered = spool.recover();
    if (recovered.has_error()) throw std::runtime_error(recovered.error().message);
    // If the registry was lost, events in the spool must not be assigned to another token.
    for (const auto& backlog : recovered->backlogs) relay.tokens().reserve(backlog.token);
    for (const auto& [token, letters] : recovered->letters) relay.tokens().reserve(token);
    const auto changed = relay.configure(std::move(sources), now);
    put_at_start(relay, spool, changed, now);
    tell_unknown(relay, *recovered);
    const auto status = spool.status();
    if (status.missing_letters > 0) {
        relay.letters().tell_missing(status.missing_letters, status.dead_letters + status.replayed);
    }
    for (const auto& backlog : recovered->backlogs) {
        relay.lifecycle().restore(backlog.token, backlog.events, backlog.first);
    }
    for (const auto& hold : spool.holds()) relay.delivery().restore(hold, now);
    relay.letters().stored(spool.letter_usage(), now);
    relay.destination().replayed(spool.replays());
    spool.known_ids(now.wall - dedup_window, relay.admission().dedup_capacity(),
                    [&relay](const storage::EventQueue::KnownId& known) {
                        relay.admission().remember(known.token, known.id, known.accepted);
                    });
}

}  // namespace flowrelay::runtime
