// Searches the queue for operators: pages of events, and single events by id.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <charconv>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "flowrelay/base/number.hpp"
#include "flowrelay/runtime/engine_operations.hpp"
#include "flowrelay/runtime/storage_work.hpp"
#include "flowrelay/storage/spool.hpp"
#include "storage_answer.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;

namespace {

constexpr std::size_t load_step = 128;              // events per load
constexpr std::uint64_t records_at_once = 4 << 20;  // bytes of records per load
constexpr int loads_for_a_page = 16;                // after which a page ends, however short it is
// Up to this, read the whole backlog instead of searching.
constexpr std::uint64_t small_backlog = 512;
constexpr std::size_t tokens_at_once = 64;  // tokens per request to the storage thread
// Ids that are searched for one by one, by the time in them.
constexpr std::size_t max_guesses = 16;

using SharedLoaded = std::shared_ptr<Result<StorageMailbox::Loaded>>;

asio::awaitable<SharedLoaded> load(Engine& engine, core::LoadRequest request,
                                   std::uint64_t record_bytes) {
    using Loaded = Result<StorageMailbox::Loaded>;
    Ask<Loaded> ask = [&engine, request, record_bytes](std::function<void(Loaded)> done) {
        engine.storage().load(request, record_bytes, std::move(done));
    };
    const auto loaded = co_await answer_of<Loaded>(std::move(ask));
    co_return loaded;
}

/// Loads events like load(), including replayed dead letters.
asio::awaitable<SharedLoaded> load_all(Engine& engine, core::LoadRequest request,
                                       bool with_records) {
    request.with_replays = true;
    return load(engine, request, with_records ? records_at_once : 0);
}

/// Returns the lanes that a thread's name can mean: the producer's id of the thread, or the
/// server's.
std::vector<std::uint64_t> lanes_of(const std::string& thread) {
    return {hash_thread("e:" + thread), hash_thread("t:" + thread)};
}

/// The places that a filter must search; each is a token or one of its lanes.
class Places {
public:
    Places(const core::Relay& relay, const QueueFilter& filter)
        : tokens_(relay.tokens().all()), filter_(filter) {
        if (!filter.thread.empty()) lanes_ = lanes_of(filter.thread);
    }

    /// Returns the request for the events after a cursor; nothing if there are no more places.
    std::optional<core::LoadRequest> request(QueueCursor& cursor) const {
        auto at = tokens_.lower_bound(cursor.token);
        if (!filter_.tokens.empty()) {
            const auto wanted = std::ranges::lower_bound(filter_.tokens, cursor.token);
            if (wanted == filter_.tokens.end()) return std::nullopt;
            at = tokens_.find(*wanted);
        }
        if (at == tokens_.end()) return std::nullopt;
        if (at->first != cursor.token) cursor = QueueCursor{at->first, 0, Seq::none};
        core::LoadRequest request;
        request.token = cursor.token;
        request.after = cursor.after;
        if (!lanes_.empty()) request.thread_hash = lanes_[std::min<std::size_t>(cursor.lane, 1)];
        return request;
    }

    /// Returns the place after one that has no more events.
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
            std::string().swap(listed.record.body);  // a page does not show bodies
            // The age limit of a replayed event counts from the replay, but the original time is
            // shown.
            listed.event.accepted = listed.record.accepted;
        }
        page.events.push_back(std::move(listed));
    }
}

std::vector<TokenId> tokens_with_backlog(Engine& engine) {
    std::vector<TokenId> tokens;
    for (const auto& [token, slot] : engine.relay().tokens().all()) {
        if (engine.relay().lifecycle().queued(token) > 0 || slot.gone()) tokens.push_back(token);
    }
    return tokens;
}

using KnownEvent = std::optional<core::QueuedEvent>;

/// Finds an event whose record can't be read, so that it can be dropped. Searches a few tokens at a
/// time, since commits wait meanwhile.
asio::awaitable<KnownEvent> find_without_record(Engine& engine, Seq seq) {
    const std::vector<TokenId> tokens = tokens_with_backlog(engine);
    std::size_t begin = 0;
    do {  // even without tokens: it may be a replayed dead letter
        const auto first = tokens.begin() + static_cast<std::ptrdiff_t>(begin);
        const auto count = std::min(tokens_at_once, tokens.size() - begin);
        std::vector<TokenId> some(first, first + static_cast<std::ptrdiff_t>(count));
        std::function<KnownEvent(storage::Spool&)> search =
            [some = std::move(some), seq](storage::Spool& spool) { return spool.find(seq, some); };
        const auto known = co_await on_storage<KnownEvent>(engine, std::move(search));
        if (*known) co_return *known;
        begin += count;
    } while (begin < tokens.size());
    co_return std::nullopt;
}

asio::awaitable<Result<std::optional<ListedEvent>>> read_event(Engine& engine, Seq seq) {
    using Record = Result<core::EventRecord>;
    // A replayed dead letter is queued as well.
    std::function<Record(storage::Spool&)> read = [seq](storage::Spool& spool) {
        return spool.read(seq);
    };
    const auto record = co_await on_storage<Record>(engine, std::move(read));
    std::optional<ListedEvent> found;
    if (record->has_value()) {
        found = operations::to_listed(seq, std::move(**record));
        co_return found;
    }
    if (record->error().code == storage::QueueErrc::not_found) co_return found;
    const auto known = co_await find_without_record(engine, seq);
    if (!known) co_return record->error();
    found = ListedEvent{*known, {}, record->error().message};
    co_return found;
}

/// Returns the time in a UUIDv7. If the relay created the id, that is when the event was accepted.
std::optional<WallTime> time_of_id(std::string_view id) {
    if (id.size() != 36 || id[8] != '-' || id[13] != '-' || id[14] != '7') return std::nullopt;
    const std::string hex = std::string(id.substr(0, 8)) + std::string(id.substr(9, 4));
    std::uint64_t ms = 0;
    const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), ms, 16);
    if (error != std::errc() || end != hex.data() + hex.size()) return std::nullopt;
    return WallTime(Milliseconds(static_cast<std::int64_t>(ms)));
}

/// Returns the first event of a token after `after`; nothing if there is none.
asio::awaitable<Result<std::optional<core::QueuedEvent>>> first_behind(Engine& engine,
                                                                       TokenId token, Seq after) {
    core::LoadRequest request;
    request.token = token;
    request.after = after;
    request.limit = 1;
    std::optional<core::QueuedEvent> found;
    while (!found) {
        const auto loaded = co_await load(engine, request, 0);
        if (loaded->has_error()) co_return loaded->error();
        const auto& slice = (*loaded)->slice;
        if (!slice.events.empty()) found = slice.events.front();
        if (slice.complete) break;
        request.after = slice.end;
    }
    co_return found;
}

/// Returns where to start the search for an event accepted at `time`. Seqs and times grow together
/// unless the clock was set; then the search misses, and the whole backlog is read.
asio::awaitable<Result<Seq>> search_start(Engine& engine, TokenId token, WallTime time,
                                          const Wanted& wanted) {
    std::uint64_t low = 0;
    std::uint64_t high = 1;
    while (true) {
        if (!wanted()) co_return operations::abandoned();
        const Seq after{high};
        const auto event = co_await first_behind(engine, token, after);
        if (event.has_error()) co_return event.error();
        if (!*event || (*event)->accepted >= time) break;
        low = to_number((*event)->seq);
        high = low * 2;
    }
    while (low + 1 < high) {
        if (!wanted()) co_return operations::abandoned();
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

using Ids = std::set<std::string, std::less<>>;

/// Reads the events of a token after `after` until all ids are found, or an event is later than
/// `until`. Removes the ids that it finds from `ids`.
asio::awaitable<Result<void>> scan_for_ids(Engine& engine, TokenId token, Ids& ids, Seq after,
                                           WallTime until, std::vector<ListedEvent>& found,
                                           const Wanted& wanted) {
    core::LoadRequest request;
    request.token = token;
    request.after = after;
    request.limit = load_step;
    while (!ids.empty()) {
        if (!wanted()) co_return operations::abandoned();
        const auto loaded = co_await load_all(engine, request, true);
        if (loaded->has_error()) co_return loaded->error();
        auto& slice = **loaded;
        for (std::size_t i = 0; i < slice.records.size(); ++i) {
            if (ids.erase(slice.records[i].id) == 0) continue;
            found.push_back(ListedEvent{slice.slice.events[i], std::move(slice.records[i])});
        }
        const bool past = !slice.slice.events.empty() && slice.slice.events.back().accepted > until;
        if (slice.slice.complete || past) break;
        request.after = slice.slice.end;
    }
    co_return Result<void>();
}

/// Searches around the time of acceptance in an id that the relay created.
asio::awaitable<Result<void>> guess(Engine& engine, TokenId token, Ids& ids, std::string id,
                                    std::vector<ListedEvent>& found, const Wanted& wanted) {
    const auto time = time_of_id(id);
    if (!time || engine.relay().lifecycle().queued(token) <= small_backlog)
        co_return Result<void>();
    const auto start = co_await search_start(engine, token, *time, wanted);
    if (start.has_error()) co_return start.error();
    Ids one{id};
    auto scanned = co_await scan_for_ids(engine, token, one, *start, *time, found, wanted);
    if (one.empty()) ids.erase(id);
    co_return scanned;
}

asio::awaitable<Result<void>> find_in_backlogs(Engine& engine, Ids& ids,
                                               std::vector<ListedEvent>& found,
                                               const Wanted& wanted) {
    const std::vector<TokenId> tokens = tokens_with_backlog(engine);
    const Ids guessed = ids.size() <= max_guesses ? ids : Ids();
    for (const std::string& id : guessed) {
        for (const TokenId token : tokens) {
            if (!ids.contains(id)) break;
            const auto done = co_await guess(engine, token, ids, id, found, wanted);
            if (done.has_error()) co_return done.error();
        }
    }
    for (const TokenId token : tokens) {
        if (ids.empty()) break;
        const auto done =
            co_await scan_for_ids(engine, token, ids, Seq::none, WallTime::max(), found, wanted);
        if (done.has_error()) co_return done.error();
    }
    co_return Result<void>();
}

/// Finds the copies of events that were found by their ids. They lie in related slots alone, so the
/// rest of what is stored need not be read for them.
asio::awaitable<Result<void>> add_copies(Engine& engine, std::vector<ListedEvent>& found,
                                         std::size_t by_seq, const Wanted& wanted) {
    std::map<TokenId, Ids> missing;
    std::map<TokenId, Ids> ids_of;
    for (std::size_t i = by_seq; i < found.size(); ++i) {
        ids_of[found[i].record.token].insert(found[i].record.id);
    }
    for (const auto& [of, ids] : ids_of) {
        for (const TokenId token : engine.relay().tokens().related_to(of)) {
            const core::Token& slot = engine.relay().tokens().at(token);
            if (!slot.gone() && engine.relay().lifecycle().queued(token) == 0) continue;
            missing[token].insert(ids.begin(), ids.end());
        }
    }
    for (std::size_t i = by_seq; i < found.size(); ++i) {
        const auto there = missing.find(found[i].record.token);
        if (there != missing.end()) there->second.erase(found[i].record.id);
    }
    for (auto& [token, ids] : missing) {
        const Ids guessed = ids.size() <= max_guesses ? ids : Ids();
        for (const std::string& id : guessed) {
            const auto done = co_await guess(engine, token, ids, id, found, wanted);
            if (done.has_error()) co_return done.error();
        }
        const auto done =
            co_await scan_for_ids(engine, token, ids, Seq::none, WallTime::max(), found, wanted);
        if (done.has_error()) co_return done.error();
    }
    co_return Result<void>();
}

/// Reads the events that are named by their seqs. Puts names that are no seq of a queued event into
/// `ids`.
asio::awaitable<Result<void>> find_by_seq(Engine& engine, const std::vector<std::string>& named,
                                          Ids& ids, std::vector<ListedEvent>& found,
                                          const Wanted& wanted) {
    for (const std::string& name : named) {
        if (!wanted()) co_return operations::abandoned();
        const bool is_id = name.starts_with("id:");
        const auto number = is_id ? std::nullopt : parse_number<std::uint64_t>(name);
        if (number) {
            const Seq seq{*number};
            auto event = co_await read_event(engine, seq);
            if (event.has_error()) co_return event.error();
            if (*event) {
                found.push_back(std::move(**event));
                continue;
            }
        }
        ids.insert(is_id ? name.substr(3) : name);
    }
    co_return Result<void>();
}

/// Finds events that are in memory, and removes their ids from `ids`.
asio::awaitable<Result<void>> find_in_cache(Engine& engine, Ids& ids,
                                            std::vector<ListedEvent>& found) {
    const auto cached = engine.find_in_memory(ids);
    for (const auto& [id, seq] : cached) {
        auto event = co_await read_event(engine, seq);
        if (event.has_error()) co_return event.error();
        if (!*event) continue;
        found.push_back(std::move(**event));
        ids.erase(id);
    }
    co_return Result<void>();
}

/// Removes duplicates: an event may be named both by id and by seq.
void keep_once(std::vector<ListedEvent>& events) {
    std::set<Seq> seen;
    std::erase_if(events,
                  [&seen](const auto& event) { return !seen.insert(event.event.seq).second; });
}

}  // namespace

std::string to_string(const QueueCursor& cursor) {
    return fmt::format("{}.{}.{}", to_number(cursor.token), cursor.lane, to_number(cursor.after));
}

std::optional<QueueCursor> parse_queue_cursor(std::string_view text) {
    const std::size_t first = text.find('.');
    const std::size_t second = first == text.npos ? text.npos : text.find('.', first + 1);
    if (second == text.npos) return std::nullopt;
    const auto token = parse_number<std::uint64_t>(text.substr(0, first));
    const auto lane = parse_number<std::uint64_t>(text.substr(first + 1, second - first - 1));
    const auto after = parse_number<std::uint64_t>(text.substr(second + 1));
    if (!token || !lane || *lane > 1 || !after) return std::nullopt;
    return QueueCursor{TokenId{*token}, static_cast<unsigned>(*lane), Seq{*after}};
}

namespace operations {

ListedEvent to_listed(Seq seq, core::EventRecord record) {
    ListedEvent event;
    event.event = storage::to_queued(seq, record);
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
        // Skip tokens without queued events: there may be thousands.
        const core::Token& slot = engine.relay().tokens().at(request->token);
        if (!slot.gone() && engine.relay().lifecycle().queued(request->token) == 0) {
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

asio::awaitable<Result<FoundEvents>> find_events(Engine& engine, std::vector<std::string> named,
                                                 const Wanted& wanted) {
    FoundEvents found;
    Ids ids;
    const auto read = co_await find_by_seq(engine, named, ids, found.events, wanted);
    if (read.has_error()) co_return read.error();
    const std::size_t by_seq = found.events.size();
    const auto remembered = co_await find_in_cache(engine, ids, found.events);
    if (remembered.has_error()) co_return remembered.error();
    const auto searched = co_await find_in_backlogs(engine, ids, found.events, wanted);
    if (searched.has_error()) co_return searched.error();
    const auto copied = co_await add_copies(engine, found.events, by_seq, wanted);
    if (copied.has_error()) co_return copied.error();
    keep_once(found.events);
    for (const std::string& name : named) {
        if (ids.erase(name.starts_with("id:") ? name.substr(3) : name) > 0) {
            found.not_found.push_back(name);
        }
    }
    co_return found;
}

asio::awaitable<Result<std::vector<ListedEvent>>> find_copies(Engine& engine, std::string id,
                                                              TokenId token, const Wanted& wanted) {
    std::vector<ListedEvent> found(1);
    found.front().record.id = std::move(id);
    found.front().record.token = token;
    const auto searched = co_await add_copies(engine, found, 0, wanted);
    if (searched.has_error()) co_return searched.error();
    found.erase(found.begin());
    co_return found;
}

asio::awaitable<Result<std::optional<ListedEvent>>> find_event(Engine& engine, std::string what,
                                                               const Wanted& wanted) {
    std::vector<std::string> named;
    named.push_back(std::move(what));
    auto events = co_await find_events(engine, std::move(named), wanted);
    if (events.has_error()) co_return events.error();
    std::optional<ListedEvent> found;
    if (!events->events.empty()) found = std::move(events->events.front());
    co_return found;
}

}  // namespace operations

}  // namespace flowrelay::runtime
