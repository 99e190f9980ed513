// What operators look at and change: the queue, the sources, the dead letters. Each call does a
// bounded amount of work, in steps through the storage thread, so that deliveries and producers go
// on meanwhile; what is longer comes in pages. I/O thread only.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flowrelay/core/relay.hpp"
#include "flowrelay/runtime/engine.hpp"

namespace flowrelay::runtime {

/// Where the next page begins.
struct QueueCursor {
    TokenId token = TokenId::none;
    unsigned lane = 0;  ///< of those that a thread's name can mean
    Seq after = Seq::none;
};

/// "7.0.4711", and back. Nothing for any other text.
std::string to_string(const QueueCursor& cursor);
std::optional<QueueCursor> parse_queue_cursor(std::string_view text);

/// Which of the queued events.
struct QueueFilter {
    std::vector<TokenId> tokens;             ///< in their order; none: all
    std::string thread;                      ///< as its producer calls it; empty: all
    WallTime accepted_by = WallTime::max();  ///< not those that came later
};

struct ListedEvent {
    core::QueuedEvent event;
    core::EventRecord record;  ///< with an empty id if it was not asked for, or can't be read
    /// Why the record of an event that was asked for by its seq can't be read; or empty.
    std::string unreadable = {};
};

struct QueuePage {
    /// By source, then by age, without their bodies; perhaps fewer than asked for.
    std::vector<ListedEvent> events;
    std::optional<QueueCursor> next;  ///< nothing: that was all
};

struct BacklogOf {
    std::uint64_t queued = 0;
    Seq first = Seq::none;
    std::vector<core::QueuedEvent> replays;  ///< dead letters that are to be delivered after all
};

/// Whether somebody still waits for the answer: a search ends when its client has hung up, or when
/// the daemon ends.
using Wanted = std::function<bool()>;
inline const Wanted always_wanted = [] { return true; };

/// Events that were named by seqs or ids.
struct FoundEvents {
    std::vector<ListedEvent> events;  ///< each once
    std::vector<std::string> not_found;
};
struct FoundLetters {
    std::vector<core::DeadLetter> letters;
    std::vector<std::string> not_found;
};

/// All functions: `engine` outlives the call.
namespace operations {

/// The error of a search whose answer nobody wants any more.
Error abandoned();

template <class T>
using Awaitable = boost::asio::awaitable<T>;

/// An event as EventQueue::load() would give it, out of its record.
ListedEvent to_listed(Seq seq, core::EventRecord record);

/// The page behind `from`. `limit`: 1 to 1000. With `with_records` the events' own texts as well.
Awaitable<Result<QueuePage>> list_queue(Engine& engine, QueueFilter filter, QueueCursor from,
                                        std::size_t limit, bool with_records);

/// A queued event by its seq ("4711") or its id; "id:4711" is an id for sure. Nothing: there is
/// none. An id that a producer chose is looked for in all that is queued.
Awaitable<Result<std::optional<ListedEvent>>> find_event(Engine& engine, std::string what,
                                                         const Wanted& wanted = always_wanted);

/// The same for many: what is stored is read at most once for all of them. An id names all copies
/// of an event, a seq one of them.
Awaitable<Result<FoundEvents>> find_events(Engine& engine, std::vector<std::string> named,
                                           const Wanted& wanted = always_wanted);

/// The queued copies of an event that other slots than `token` have; see
/// TokenTable::related_to().
Awaitable<Result<std::vector<ListedEvent>>> find_copies(Engine& engine, std::string id,
                                                        TokenId token,
                                                        const Wanted& wanted = always_wanted);

struct DropCount {
    std::uint64_t dropped = 0;
    std::uint64_t in_flight = 0;   ///< left alone: their requests are under way
    std::uint64_t not_queued = 0;  ///< had left meanwhile
};
/// Settles events as dropped; durable when it returns. They were looked up in this turn.
Awaitable<Result<DropCount>> drop(Engine& engine, std::vector<ListedEvent> events);

/// Holds the turn to change the queue, from wait_for_turn() to its end.
class Turn {
public:
    explicit Turn(Engine& engine) noexcept : engine_(&engine) {}
    Turn(Turn&& other) noexcept : engine_(std::exchange(other.engine_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
        if (engine_ != nullptr) engine_->end_change();
    }

private:
    Engine* engine_;
};
/// Before list_queue() or find_event() whose events are to be given to drop(). Nothing: the answer
/// is not wanted any more.
Awaitable<std::optional<Turn>> wait_for_turn(Engine& engine, const Wanted& wanted = always_wanted);

/// Holds one of the places that a user has for searches.
class Search {
public:
    Search(Engine& engine, std::uint32_t uid) noexcept : engine_(&engine), uid_(uid) {}
    Search(Search&& other) noexcept
        : engine_(std::exchange(other.engine_, nullptr)), uid_(other.uid_) {}
    Search& operator=(Search&&) = delete;
    ~Search() {
        if (engine_ != nullptr) engine_->end_search(uid_);
    }

private:
    Engine* engine_;
    std::uint32_t uid_;
};
/// Nothing: the answer is not wanted any more.
Awaitable<std::optional<Search>> wait_for_search(Engine& engine, std::uint32_t uid,
                                                 const Wanted& wanted);

/// Makes entries durable; then there may be work.
Awaitable<Result<void>> save(Engine& engine, std::vector<core::TokenEntry> entries);

/// Asks the server whether a source lives.
Awaitable<Engine::CheckAnswer> check_source(Engine& engine, TokenId token);

/// What lies in the spool for one token, whatever its state.
Awaitable<Result<BacklogOf>> backlog_of(Engine& engine, TokenId token);

/// The same, to go on with. An error while there are outcomes that the disk does not take: what
/// they have settled would come back.
Awaitable<Result<BacklogOf>> backlog_to_go_on_with(Engine& engine, TokenId token);

/// Dead letters behind `after`, without bodies. `limit`: 1 to 1000.
/// When the oldest of the dead letters died; nothing if there are none.
Awaitable<std::optional<WallTime>> oldest_death(Engine& engine);

Awaitable<std::vector<core::DeadLetter>> list_dead(Engine& engine, Seq after, std::size_t limit);

/// By seq or id, as find_event(). With its body.
Awaitable<Result<std::optional<core::DeadLetter>>> find_dead(Engine& engine, std::string what,
                                                             const Wanted& wanted = always_wanted);

/// The same for many, in one pass; without their bodies. An id names all letters that have it.
Awaitable<Result<FoundLetters>> find_dead_letters(Engine& engine, std::vector<std::string> named,
                                                  const Wanted& wanted = always_wanted);

/// Has dead letters delivered after all. Gives how many there were.
Awaitable<Result<std::uint64_t>> replay_dead(Engine& engine, std::vector<Seq> seqs);

/// Takes dead letters out for good. Gives how many were there.
Awaitable<Result<std::uint64_t>> drop_dead(Engine& engine, std::vector<Seq> seqs);

Awaitable<StorageMailbox::Snapshot> snapshot(Engine& engine);

}  // namespace operations

}  // namespace flowrelay::runtime
