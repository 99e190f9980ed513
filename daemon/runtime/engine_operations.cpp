#include "flowrelay/runtime/engine_operations.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "flowrelay/base/number.hpp"
#include "flowrelay/runtime/storage_work.hpp"
#include "storage_answer.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;

namespace {

constexpr std::uint64_t dead_step = 256;

Result<BacklogOf> count_backlog(storage::Spool& spool, TokenId token) {
    const auto all = spool.backlog();
    if (all.has_error()) return all.error();
    BacklogOf found;
    for (const auto& backlog : *all) {
        if (backlog.token == token) found = {backlog.events, backlog.first, {}};
    }
    found.replays = spool.replays();
    std::erase_if(found.replays, [token](const auto& event) { return event.lane.token != token; });
    return found;
}

}  // namespace

namespace operations {

Error abandoned() {
    return {boost::system::errc::make_error_code(boost::system::errc::operation_canceled),
            "nobody waits for the answer any more"};
}

asio::awaitable<std::optional<Turn>> wait_for_turn(Engine& engine, const Wanted& wanted) {
    const auto io = co_await asio::this_coro::executor;
    asio::steady_timer pause(io);
    std::optional<Turn> turn;
    while (wanted()) {
        if (engine.begin_change()) {
            turn.emplace(engine);
            break;
        }
        pause.expires_after(Milliseconds(5));
        co_await pause.async_wait(asio::as_tuple(asio::deferred));
    }
    co_return turn;
}

asio::awaitable<std::optional<Search>> wait_for_search(Engine& engine, std::uint32_t uid,
                                                       const Wanted& wanted) {
    const auto io = co_await asio::this_coro::executor;
    asio::steady_timer pause(io);
    std::optional<Search> search;
    while (wanted()) {
        if (engine.begin_search(uid)) {
            search.emplace(engine, uid);
            break;
        }
        pause.expires_after(Milliseconds(20));
        co_await pause.async_wait(asio::as_tuple(asio::deferred));
    }
    co_return search;
}

asio::awaitable<Result<DropCount>> drop(Engine& engine, std::vector<ListedEvent> events) {
    DropCount count;
    auto outcomes = std::make_shared<std::vector<core::Settlement>>();
    const Now now = engine.clock().now();
    for (const auto& listed : events) {
        switch (engine.relay().delivery().drop(listed.event, listed.record.id, now)) {
            case core::Delivery::Drop::dropped:
                outcomes->push_back({listed.event.seq, core::Outcome::dropped});
                engine.take_cached(listed.event.seq);
                ++count.dropped;
                break;
            case core::Delivery::Drop::in_flight:
                ++count.in_flight;
                break;
            case core::Delivery::Drop::not_queued:
                ++count.not_queued;
                break;
        }
    }
    if (outcomes->empty()) co_return count;
    std::function<Result<void>(storage::Spool&)> settle = [outcomes](storage::Spool& spool) {
        return spool.settle(*outcomes);
    };
    const auto settled = co_await on_storage<Result<void>>(engine, std::move(settle));
    // What could not be written stays dropped in this process, and is there again after a restart.
    if (settled->has_error()) co_return settled->error();
    for (const auto& outcome : *outcomes) engine.relay().delivery().drop_settled(outcome.seq);
    engine.wake();
    co_return count;
}

asio::awaitable<Result<void>> save(Engine& engine, std::vector<core::TokenEntry> entries) {
    using Saved = Result<void>;
    Ask<Saved> put = [&engine, entries = std::move(entries)](std::function<void(Saved)> done) {
        engine.save(entries, std::move(done));
    };
    const auto result = co_await answer_of<Saved>(std::move(put));
    engine.wake();
    co_return *result;
}

asio::awaitable<Engine::CheckAnswer> check_source(Engine& engine, TokenId token) {
    using Answer = Engine::CheckAnswer;
    Ask<Answer> check = [&engine, token](std::function<void(Answer)> done) {
        engine.check_source(token, std::move(done));
    };
    const auto answer = co_await answer_of<Answer>(std::move(check));
    co_return *answer;
}

asio::awaitable<Result<BacklogOf>> backlog_of(Engine& engine, TokenId token) {
    std::function<Result<BacklogOf>(storage::Spool&)> count = [token](storage::Spool& spool) {
        return count_backlog(spool, token);
    };
    const auto found = co_await on_storage<Result<BacklogOf>>(engine, std::move(count));
    co_return std::move(*found);
}

asio::awaitable<Result<BacklogOf>> backlog_to_go_on_with(Engine& engine, TokenId token) {
    using Found = Result<BacklogOf>;
    std::function<Found(storage::Spool&)> count = [token](storage::Spool& spool) -> Found {
        const auto flushed = spool.flush();
        if (flushed.has_error()) return flushed.error();
        return count_backlog(spool, token);
    };
    const auto found = co_await on_storage<Found>(engine, std::move(count));
    co_return std::move(*found);
}

asio::awaitable<std::optional<WallTime>> oldest_death(Engine& engine) {
    using Death = std::optional<WallTime>;
    std::function<Death(storage::Spool&)> find = [](storage::Spool& spool) {
        return spool.oldest_death();
    };
    const auto found = co_await on_storage<Death>(engine, std::move(find));
    co_return *found;
}

asio::awaitable<std::vector<core::DeadLetter>> list_dead(Engine& engine, Seq after,
                                                         std::size_t limit) {
    using Letters = std::vector<core::DeadLetter>;
    std::function<Letters(storage::Spool&)> list = [after, limit](storage::Spool& spool) {
        return spool.letters_after(after, limit);
    };
    const auto letters = co_await on_storage<Letters>(engine, std::move(list));
    co_return std::move(*letters);
}

asio::awaitable<Result<std::optional<core::DeadLetter>>> find_dead(Engine& engine, std::string what,
                                                                   const Wanted& wanted) {
    const bool is_id = what.starts_with("id:");
    auto number = is_id ? std::nullopt : parse_number<std::uint64_t>(what);
    const std::string id = is_id ? what.substr(3) : what;
    Seq after = Seq::none;
    while (!number) {
        if (!wanted()) co_return abandoned();
        const auto letters = co_await list_dead(engine, after, dead_step);
        if (letters.empty()) co_return std::optional<core::DeadLetter>();
        const auto found =
            std::ranges::find(letters, id, [](const auto& letter) { return letter.event.id; });
        if (found != letters.end()) number = to_number(found->seq);
        after = letters.back().seq;
    }
    std::function<Result<core::DeadLetter>(storage::Spool&)> read =
        [seq = Seq{*number}](storage::Spool& spool) { return spool.read_letter(seq); };
    const auto letter = co_await on_storage<Result<core::DeadLetter>>(engine, std::move(read));
    std::optional<core::DeadLetter> found;
    if (letter->has_value()) {
        found = std::move(**letter);
    } else if (letter->error().code != storage::QueueErrc::not_found) {
        co_return letter->error();
    }
    co_return found;
}

asio::awaitable<Result<FoundLetters>> find_dead_letters(Engine& engine,
                                                        std::vector<std::string> named,
                                                        const Wanted& wanted) {
    std::set<std::string, std::less<>> missing;  // ids and seqs, as they were named
    for (const std::string& name : named) missing.insert(name);
    std::set<std::string, std::less<>> ids;  // of letters that were found by them
    FoundLetters found;
    std::set<Seq> seen;  // a letter may be named twice, by its id and by its seq
    Seq after = Seq::none;
    while (!missing.empty() || !ids.empty()) {
        if (!wanted()) co_return abandoned();
        auto letters = co_await list_dead(engine, after, dead_step);
        if (letters.empty()) break;
        after = letters.back().seq;
        for (auto& letter : letters) {
            const std::string& id = letter.event.id;
            const bool by_seq = missing.erase(std::to_string(to_number(letter.seq))) > 0;
            const bool is_id = missing.erase(id) > 0;
            const bool is_marked_id = missing.erase("id:" + id) > 0;
            if (is_id || is_marked_id) ids.insert(id);  // other copies may have died, too
            if (!by_seq && !ids.contains(id)) continue;
            if (seen.insert(letter.seq).second) found.letters.push_back(std::move(letter));
        }
    }
    for (const std::string& name : named) {
        if (missing.erase(name) > 0) found.not_found.push_back(name);
    }
    co_return found;
}

asio::awaitable<Result<std::uint64_t>> drop_dead(Engine& engine, std::vector<Seq> seqs) {
    using Removed = Result<std::uint64_t>;
    std::function<Removed(storage::Spool&)> remove =
        [seqs = std::move(seqs)](storage::Spool& spool) { return spool.drop_letters(seqs); };
    const auto removed = co_await on_storage<Removed>(engine, std::move(remove));
    co_return std::move(*removed);
}

asio::awaitable<Result<std::uint64_t>> replay_dead(Engine& engine, std::vector<Seq> seqs) {
    using Count = Result<std::uint64_t>;
    Ask<Count> replay = [&engine, seqs = std::move(seqs)](std::function<void(Count)> done) {
        engine.replay(seqs, std::move(done));
    };
    const auto count = co_await answer_of<Count>(std::move(replay));
    co_return *count;
}

asio::awaitable<StorageMailbox::Snapshot> snapshot(Engine& engine) {
    using Snapshot = StorageMailbox::Snapshot;
    Ask<Snapshot> take = [&engine](std::function<void(Snapshot)> done) {
        engine.storage().snapshot(std::move(done));
    };
    const auto taken = co_await answer_of<Snapshot>(std::move(take));
    co_return *taken;
}

}  // namespace operations

}  // namespace flowrelay::runtime
