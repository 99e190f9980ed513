#include "flowrelay/runtime/engine_operations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <memory>
#include <utility>

#include "flowrelay/runtime/storage_work.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;

namespace {

constexpr std::size_t load_step = 128;        // events that one trip to the disk brings
constexpr int loads_for_a_page = 16;          // then it is shown, however short it is
constexpr std::uint64_t small_backlog = 512;  // is read as a whole instead of searched
constexpr std::uint64_t dead_step = 256;

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return number;
}

/// Runs `work` on the storage thread and gives what it gave.
template <class T>
asio::awaitable<std::shared_ptr<T>> on_storage(Engine& engine, std::function<T(Stores&)> work) {
    auto ask = [&engine, work = std::move(work)](auto handler) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        engine.storage().ask([shared, work](Stores& stores) -> std::function<void()> {
            auto result = std::make_shared<T>(work(stores));
            return [shared, result] { (*shared)(result); };
        });
    };
    const auto result =
        co_await asio::async_initiate<const asio::use_awaitable_t<>, void(std::shared_ptr<T>)>(
            ask, asio::use_awaitable);
    co_return result;
}

using SharedLoaded = std::shared_ptr<Result<StorageMailbox::Loaded>>;

asio::awaitable<SharedLoaded> load(Engine& engine, core::LoadRequest request, bool with_records) {
    auto ask = [&engine, request, with_records](auto handler) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        engine.storage().load(
            request, with_records, [shared](Result<StorageMailbox::Loaded> result) {
                (*shared)(std::make_shared<Result<StorageMailbox::Loaded>>(std::move(result)));
            });
    };
    const auto result =
        co_await asio::async_initiate<const asio::use_awaitable_t<>, void(SharedLoaded)>(
            ask, asio::use_awaitable);
    co_return result;
}

Result<core::EventRecord> read_any(Stores& stores, Seq seq) {
    if (!stores.dead_letters->is_replayed(seq)) return stores.queue->read(seq);
    auto letter = stores.dead_letters->read(seq);
    if (letter.has_error()) return letter.error();
    return std::move(letter->event);
}

/// As load(), with the dead letters that are replayed.
asio::awaitable<SharedLoaded> load_all(Engine& engine, core::LoadRequest request,
                                       bool with_records) {
    request.with_replays = true;
    return load(engine, request, with_records);
}

/// The lanes that a thread's name can mean: the producer's own id of it, or the server's.
std::vector<std::uint64_t> lanes_of(const std::string& thread) {
    return {hash_thread("e:" + thread), hash_thread("t:" + thread)};
}

/// The places that a filter has to look at, each a token or one of its lanes.
class Places {
public:
    Places(const core::Relay& relay, const QueueFilter& filter)
        : tokens_(relay.tokens().all()), filter_(filter) {
        if (!filter.thread.empty()) lanes_ = lanes_of(filter.thread);
    }

    /// The request for the events behind a cursor; nothing if that is behind everything.
    std::optional<core::LoadRequest> request(QueueCursor& cursor) const {
        auto at = tokens_.lower_bound(cursor.token);
        if (filter_.token && cursor.token < *filter_.token) at = tokens_.find(*filter_.token);
        if (at == tokens_.end() || (filter_.token && at->first != *filter_.token)) {
            return std::nullopt;
        }
        if (at->first != cursor.token) cursor = QueueCursor{at->first, 0, Seq::none};
        core::LoadRequest request;
        request.token = cursor.token;
        request.after = cursor.after;
        if (!lanes_.empty()) request.thread_hash = lanes_[std::min<std::size_t>(cursor.lane, 1)];
        return request;
    }

    /// The place behind one that has no more.
    QueueCursor next(const QueueCursor& cursor) const {
        if (cursor.lane + 1 < lanes_.size()) return {cursor.token, cursor.lane + 1, Seq::none};
        return {TokenId{to_number(cursor.token) + 1}, 0, Seq::none};
    }

private:
    const std::map<TokenId, core::Token>& tokens_;
    const QueueFilter& filter_;
    std::vector<std::uint64_t> lanes_;
};

void append_loaded(QueuePage& page, StorageMailbox::Loaded& loaded, const QueueFilter& filter) {
    for (std::size_t i = 0; i < loaded.slice.events.size(); ++i) {
        if (loaded.slice.events[i].accepted > filter.accepted_by) continue;
        ListedEvent listed;
        listed.event = loaded.slice.events[i];
        if (i < loaded.records.size()) {
            listed.record = std::move(loaded.records[i]);
            // Of a replayed one its age counts from the replay; it is shown as what it is.
            listed.event.accepted = listed.record.accepted;
        }
        page.events.push_back(std::move(listed));
    }
}

asio::awaitable<Result<std::optional<ListedEvent>>> read_event(Engine& engine, Seq seq) {
    // A dead letter that is replayed is queued as well.
    std::function<Result<core::EventRecord>(Stores&)> read = [seq](Stores& stores) {
        return read_any(stores, seq);
    };
    const auto record = co_await on_storage<Result<core::EventRecord>>(engine, std::move(read));
    std::optional<ListedEvent> found;
    if (record->has_value()) {
        found = operations::to_listed(seq, std::move(**record));
    } else if (record->error().code != storage::QueueErrc::not_found) {
        co_return record->error();
    }
    co_return found;
}

/// The time in a UUIDv7, which is that of its acceptance if the relay made it.
std::optional<WallTime> time_of_id(std::string_view id) {
    if (id.size() != 36 || id[8] != '-' || id[13] != '-' || id[14] != '7') return std::nullopt;
    const std::string hex = std::string(id.substr(0, 8)) + std::string(id.substr(9, 4));
    std::uint64_t ms = 0;
    const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), ms, 16);
    if (error != std::errc() || end != hex.data() + hex.size()) return std::nullopt;
    return WallTime(Milliseconds(static_cast<std::int64_t>(ms)));
}

/// The first event of a token behind `after`; a request without an event and `complete` set: none.
asio::awaitable<Result<std::optional<core::QueuedEvent>>> first_behind(Engine& engine,
                                                                       TokenId token, Seq after) {
    core::LoadRequest request;
    request.token = token;
    request.after = after;
    request.limit = 1;
    std::optional<core::QueuedEvent> found;
    while (!found) {
        const auto loaded = co_await load(engine, request, false);
        if (loaded->has_error()) co_return loaded->error();
        const auto& slice = (*loaded)->slice;
        if (!slice.events.empty()) found = slice.events.front();
        if (slice.complete) break;
        request.after = slice.end;
    }
    co_return found;
}

/// Where to begin to look for an event that was accepted at `time`: seqs and times grow together
/// but for a clock that is set, so a wrong guess only makes the search miss, and then all is read.
asio::awaitable<Result<Seq>> search_start(Engine& engine, TokenId token, WallTime time) {
    std::uint64_t low = 0;
    std::uint64_t high = 1;
    while (true) {
        const Seq after{high};
        const auto event = co_await first_behind(engine, token, after);
        if (event.has_error()) co_return event.error();
        if (!*event || (*event)->accepted >= time) break;
        low = to_number((*event)->seq);
        high = low * 2;
    }
    while (low + 1 < high) {
        const std::uint64_t middle = low + (high - low) / 2;
        const Seq after{middle};
        const auto event = co_await first_behind(engine, token, after);
        if (event.has_error()) co_return event.error();
        if (*event && (*event)->accepted < time) {
            low = to_number((*event)->seq);
        } else {
            high = middle;
        }
    }
    co_return Seq{low};
}

/// Reads the events of a token behind `after` until one has the id, or is later than `until`.
asio::awaitable<Result<std::optional<ListedEvent>>> scan_for_id(Engine& engine, TokenId token,
                                                                std::string id, Seq after,
                                                                WallTime until) {
    core::LoadRequest request;
    request.token = token;
    request.after = after;
    request.limit = load_step;
    std::optional<ListedEvent> found;
    while (true) {
        const auto loaded = co_await load_all(engine, request, true);
        if (loaded->has_error()) co_return loaded->error();
        auto& slice = **loaded;
        for (std::size_t i = 0; i < slice.records.size(); ++i) {
            if (slice.records[i].id != id) continue;
            found = ListedEvent{slice.slice.events[i], std::move(slice.records[i])};
            co_return found;
        }
        const bool past = !slice.slice.events.empty() && slice.slice.events.back().accepted > until;
        if (slice.slice.complete || past) co_return found;
        request.after = slice.slice.end;
    }
}

asio::awaitable<Result<std::optional<ListedEvent>>> find_in_backlog(Engine& engine, TokenId token,
                                                                    std::string id) {
    const auto time = time_of_id(id);
    if (time && engine.relay().queued(token) > small_backlog) {
        const auto start = co_await search_start(engine, token, *time);
        if (start.has_error()) co_return start.error();
        auto found = co_await scan_for_id(engine, token, id, *start, *time);
        if (found.has_error() || *found) co_return found;
    }
    auto found = co_await scan_for_id(engine, token, id, Seq::none, WallTime::max());
    co_return found;
}

asio::awaitable<Result<std::optional<ListedEvent>>> find_in_backlogs(Engine& engine,
                                                                     std::string id) {
    std::vector<TokenId> tokens;
    for (const auto& [token, slot] : engine.relay().tokens().all()) {
        if (engine.relay().queued(token) > 0 || slot.gone()) tokens.push_back(token);
    }
    std::optional<ListedEvent> nothing;
    for (const TokenId token : tokens) {
        auto found = co_await find_in_backlog(engine, token, id);
        if (found.has_error() || *found) co_return found;
    }
    co_return nothing;
}

Result<BacklogOf> count_backlog(Stores& stores, TokenId token) {
    const auto all = stores.queue->backlog();
    if (all.has_error()) return all.error();
    BacklogOf found;
    for (const auto& backlog : *all) {
        if (backlog.token == token) found = {backlog.events, backlog.first, {}};
    }
    found.replays = stores.dead_letters->replays();
    std::erase_if(found.replays, [token](const auto& event) { return event.lane.token != token; });
    return found;
}

}  // namespace

std::string to_string(const QueueCursor& cursor) {
    return fmt::format("{}.{}.{}", to_number(cursor.token), cursor.lane, to_number(cursor.after));
}

std::optional<QueueCursor> parse_queue_cursor(std::string_view text) {
    const std::size_t first = text.find('.');
    const std::size_t second = first == text.npos ? text.npos : text.find('.', first + 1);
    if (second == text.npos) return std::nullopt;
    const auto token = parse_number(text.substr(0, first));
    const auto lane = parse_number(text.substr(first + 1, second - first - 1));
    const auto after = parse_number(text.substr(second + 1));
    if (!token || !lane || *lane > 1 || !after) return std::nullopt;
    return QueueCursor{TokenId{*token}, static_cast<unsigned>(*lane), Seq{*after}};
}

namespace operations {

ListedEvent to_listed(Seq seq, core::EventRecord record) {
    ListedEvent event;
    event.event.seq = seq;
    event.event.lane = LaneId{record.token, record.thread_hash};
    event.event.accepted = record.accepted;
    event.event.expires = record.expires;
    event.event.bytes = static_cast<std::uint32_t>(record.body.size() + record.thread.size());
    event.record = std::move(record);
    return event;
}

asio::awaitable<Result<QueuePage>> list_queue(Engine& engine, QueueFilter filter, QueueCursor from,
                                              std::size_t limit, bool with_records) {
    QueuePage page;
    QueueCursor cursor = from;
    for (int loads = 0; loads < loads_for_a_page && page.events.size() < limit; ++loads) {
        const Places places(engine.relay(), filter);
        auto request = places.request(cursor);
        if (!request) co_return page;
        // Nothing to read where nothing is queued: there may be thousands of such tokens.
        const core::Token& slot = engine.relay().tokens().at(request->token);
        if (!slot.gone() && engine.relay().queued(request->token) == 0) {
            cursor = {TokenId{to_number(request->token) + 1}, 0, Seq::none};
            --loads;
            continue;
        }
        request->limit = std::min(load_step, limit - page.events.size());
        const auto loaded = co_await load_all(engine, *request, with_records);
        if (loaded->has_error()) co_return loaded->error();
        append_loaded(page, **loaded, filter);
        cursor.after = (*loaded)->slice.end;
        if ((*loaded)->slice.complete) cursor = Places(engine.relay(), filter).next(cursor);
    }
    const Places places(engine.relay(), filter);
    if (places.request(cursor)) page.next = cursor;
    co_return page;
}

asio::awaitable<Result<std::optional<ListedEvent>>> find_event(Engine& engine, std::string what) {
    const bool is_id = what.starts_with("id:");
    const auto number = is_id ? std::nullopt : parse_number(what);
    if (number) {
        const Seq seq{*number};
        auto found = co_await read_event(engine, seq);
        if (found.has_error() || *found) co_return found;
    }
    const std::string id = is_id ? what.substr(3) : what;
    if (const auto seq = engine.find_in_memory(id)) {
        auto found = co_await read_event(engine, *seq);
        if (found.has_error() || *found) co_return found;
    }
    auto found = co_await find_in_backlogs(engine, id);
    co_return found;
}

asio::awaitable<Turn> wait_for_turn(Engine& engine) {
    const auto io = co_await asio::this_coro::executor;
    asio::steady_timer pause(io);
    while (!engine.begin_change()) {
        pause.expires_after(Milliseconds(5));
        co_await pause.async_wait(asio::as_tuple(asio::deferred));
    }
    co_return Turn(engine);
}

asio::awaitable<Result<DropCount>> drop(Engine& engine, std::vector<ListedEvent> events) {
    DropCount count;
    auto outcomes = std::make_shared<std::vector<core::Settlement>>();
    const Now now = engine.clock().now();
    for (const auto& listed : events) {
        switch (engine.relay().drop(listed.event, listed.record.id, now)) {
            case core::Relay::Drop::dropped:
                outcomes->push_back({listed.event.seq, core::Outcome::dropped});
                engine.take_cached(listed.event.seq);
                ++count.dropped;
                break;
            case core::Relay::Drop::in_flight:
                ++count.in_flight;
                break;
            case core::Relay::Drop::not_queued:
                ++count.not_queued;
                break;
        }
    }
    if (outcomes->empty()) co_return count;
    std::function<Result<void>(Stores&)> settle = [outcomes](Stores& stores) -> Result<void> {
        const auto committed = stores.queue->commit({}, *outcomes);
        if (committed.has_error()) return committed.error();
        return stores.dead_letters->settle(*outcomes);
    };
    const auto settled = co_await on_storage<Result<void>>(engine, std::move(settle));
    // What could not be written stays dropped in this process, and is there again after a restart.
    if (settled->has_error()) co_return settled->error();
    for (const auto& outcome : *outcomes) engine.relay().drop_settled(outcome.seq);
    engine.wake();
    co_return count;
}

asio::awaitable<Result<void>> save(Engine& engine, std::vector<core::TokenEntry> entries) {
    using SharedResult = std::shared_ptr<Result<void>>;
    auto put = [&engine, entries = std::move(entries)](auto handler) mutable {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        engine.storage().put_tokens(std::move(entries), [shared](Result<void> result) {
            (*shared)(std::make_shared<Result<void>>(std::move(result)));
        });
    };
    const auto result =
        co_await asio::async_initiate<const asio::use_awaitable_t<>, void(SharedResult)>(
            put, asio::use_awaitable);
    engine.wake();
    co_return *result;
}

asio::awaitable<Result<BacklogOf>> backlog_of(Engine& engine, TokenId token) {
    std::function<Result<BacklogOf>(Stores&)> count = [token](Stores& stores) {
        return count_backlog(stores, token);
    };
    const auto found = co_await on_storage<Result<BacklogOf>>(engine, std::move(count));
    co_return std::move(*found);
}

asio::awaitable<Result<BacklogOf>> backlog_to_go_on_with(Engine& engine, TokenId token) {
    using Found = Result<BacklogOf>;
    std::function<Found(Stores&)> count = [token](Stores& stores) -> Found {
        const auto written = stores.queue->commit({}, {});
        if (written.has_error()) return written.error();
        if (stores.unfinished) {
            return Error{storage::make_error_code(storage::QueueErrc::full),
                         "the disk does not take outcomes: make room and try again"};
        }
        return count_backlog(stores, token);
    };
    const auto found = co_await on_storage<Found>(engine, std::move(count));
    co_return std::move(*found);
}

asio::awaitable<std::vector<core::DeadLetter>> list_dead(Engine& engine, Seq after,
                                                         std::size_t limit) {
    using Letters = std::vector<core::DeadLetter>;
    std::function<Letters(Stores&)> list = [after, limit](Stores& stores) {
        return stores.dead_letters->list_after(after, limit);
    };
    const auto letters = co_await on_storage<Letters>(engine, std::move(list));
    co_return std::move(*letters);
}

asio::awaitable<Result<std::optional<core::DeadLetter>>> find_dead(Engine& engine,
                                                                   std::string what) {
    const bool is_id = what.starts_with("id:");
    auto number = is_id ? std::nullopt : parse_number(what);
    const std::string id = is_id ? what.substr(3) : what;
    Seq after = Seq::none;
    while (!number) {
        const auto letters = co_await list_dead(engine, after, dead_step);
        if (letters.empty()) co_return std::optional<core::DeadLetter>();
        const auto found =
            std::ranges::find(letters, id, [](const auto& letter) { return letter.event.id; });
        if (found != letters.end()) number = to_number(found->seq);
        after = letters.back().seq;
    }
    std::function<Result<core::DeadLetter>(Stores&)> read = [seq = Seq{*number}](Stores& stores) {
        return stores.dead_letters->read(seq);
    };
    const auto letter = co_await on_storage<Result<core::DeadLetter>>(engine, std::move(read));
    std::optional<core::DeadLetter> found;
    if (letter->has_value()) {
        found = std::move(**letter);
    } else if (letter->error().code != storage::QueueErrc::not_found) {
        co_return letter->error();
    }
    co_return found;
}

asio::awaitable<Result<std::uint64_t>> drop_dead(Engine& engine, std::vector<Seq> seqs) {
    using Removed = Result<std::uint64_t>;
    std::function<Removed(Stores&)> remove = [seqs = std::move(seqs)](Stores& stores) {
        return stores.dead_letters->remove(seqs);
    };
    const auto removed = co_await on_storage<Removed>(engine, std::move(remove));
    co_return std::move(*removed);
}

asio::awaitable<Result<std::uint64_t>> replay_dead(Engine& engine, std::vector<Seq> seqs) {
    using SharedCount = std::shared_ptr<Result<std::uint64_t>>;
    auto ask = [&engine, seqs = std::move(seqs)](auto handler) mutable {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        engine.replay(std::move(seqs), [shared](Result<std::uint64_t> result) {
            (*shared)(std::make_shared<Result<std::uint64_t>>(std::move(result)));
        });
    };
    const auto count =
        co_await asio::async_initiate<const asio::use_awaitable_t<>, void(SharedCount)>(
            ask, asio::use_awaitable);
    co_return *count;
}

asio::awaitable<StorageMailbox::Snapshot> snapshot(Engine& engine) {
    using SharedSnapshot = std::shared_ptr<StorageMailbox::Snapshot>;
    auto ask = [&engine](auto handler) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        engine.storage().snapshot([shared](const StorageMailbox::Snapshot& snapshot) {
            (*shared)(std::make_shared<StorageMailbox::Snapshot>(snapshot));
        });
    };
    const auto taken =
        co_await asio::async_initiate<const asio::use_awaitable_t<>, void(SharedSnapshot)>(
            ask, asio::use_awaitable);
    co_return *taken;
}

}  // namespace operations

}  // namespace flowrelay::runtime
