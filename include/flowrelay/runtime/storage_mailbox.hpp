// Queue of requests to the disk, in their order. The I/O thread puts requests in; StorageWork
// carries them out, on the storage thread or in a simulation.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/core/active_set.hpp"
#include "flowrelay/core/ledger.hpp"
#include "flowrelay/core/letter_room.hpp"
#include "flowrelay/core/stored_event.hpp"
#include "flowrelay/storage/event_queue.hpp"
#include "flowrelay/storage/spool.hpp"

namespace flowrelay::runtime {

/// Call it from the I/O thread. All calls return at once. Completions run on the I/O thread; those
/// of one kind of call run in the order of the calls.
class StorageMailbox {
public:
    virtual ~StorageMailbox() = default;

    using Appended = std::function<void(core::EventRecord&&, const Result<Seq>&)>;
    using Done = std::function<void(Result<void>)>;
    using ReadDone = std::function<void(Result<core::EventRecord>)>;
    using Loaded = storage::EventQueue::Loaded;
    using LoadDone = std::function<void(Result<Loaded>)>;
    using Erased = storage::Spool::Erased;
    using EraseDone = std::function<void(Result<Erased>)>;
    using Snapshot = storage::Spool::Status;
    using SnapshotDone = std::function<void(Snapshot)>;

    /// Makes an event durable. A new token is made durable first.
    void append(core::EventRecord&& record, std::optional<core::TokenEntry>&& new_token,
                Appended done);

    /// Calls `done` once every event appended before is durable.
    void barrier(std::function<void()> done);

    /// Records the outcome of an event. May be delayed briefly so that it shares a sync with other
    /// writes.
    void settle(core::Settlement settlement);

    /// Moves an event to the dead letters. Retried until it succeeds; until then the event stays
    /// queued.
    void bury(core::DeadLetter letter);

    void read(Seq seq, ReadDone done);

    /// Loads queued events; see Spool::load().
    void load(core::LoadRequest request, std::uint64_t record_bytes, LoadDone done);
    void put_tokens(std::vector<core::TokenEntry> entries, Done done);
    /// Erases what is stored for some tokens, in pieces between other work. Erasures requested
    /// while one is in progress are carried out next, all together.
    void erase(std::vector<TokenId> tokens, EraseDone done);
    void snapshot(SnapshotDone done);

    using ReplayDone = std::function<void(Result<std::vector<core::QueuedEvent>>)>;
    /// Queues dead letters for delivery again, and passes their events to `done`.
    void replay(std::vector<Seq> letters, WallTime now, ReplayDone done);

    /// Stores a wait that the server requested with Retry-After, so that it outlasts a restart. A
    /// failed write is not reported.
    void put_hold(const core::Hold& hold);

    using DropDone = std::function<void(std::uint64_t)>;
    /// Drops dead letters that died more than `max_age` ago. Calls `done` with their number, unless
    /// there are none or the drop fails.
    void drop_older_letters(Milliseconds max_age, WallTime now, DropDone done);

    /// Sets the limits of the queue for this and all later requests.
    void set_limits(const storage::QueueLimits& limits);

    using LettersChanged = std::function<void(const core::LetterUsage&)>;
    using LettersBuried = std::function<void(std::span<const Seq>)>;
    /// Calls `changed` after each change of the dead letters' usage. Calls `buried` with events
    /// passed to bury() once no crash can bring them back to the queue.
    void watch_letters(LettersChanged changed, LettersBuried buried);

    /// Runs `work` on the storage thread after all earlier requests are committed, then runs the
    /// function that it returns on the I/O thread. Used for operators' requests. `work` must take
    /// no more than a millisecond or two, since commits wait for it.
    using Work = std::function<std::function<void()>(storage::Spool&)>;
    void ask(Work work);

    /// Requests that have not been taken yet.
    struct Mail {
        struct Append {
            core::EventRecord record;
            Appended done;
        };
        struct Load {
            core::LoadRequest request;
            std::uint64_t record_bytes;
            LoadDone done;
        };
        struct TokenPut {
            std::vector<core::TokenEntry> entries;
            Done done;  ///< none: entries of new tokens, which events wait for
        };
        std::vector<TokenPut> token_puts;  ///< the order matters
        std::vector<Append> appends;
        std::vector<std::function<void()>> barriers;
        std::vector<core::Settlement> settlements;
        std::vector<core::DeadLetter> burials;
        std::vector<std::pair<Seq, ReadDone>> reads;
        std::vector<Load> loads;
        struct Erasure {
            std::vector<TokenId> tokens;
            EraseDone done;
        };
        std::vector<Erasure> erasures;
        std::vector<SnapshotDone> snapshots;
        struct Replay {
            std::vector<Seq> letters;
            WallTime now;
            ReplayDone done;
        };
        std::vector<Replay> replays;
        std::vector<core::Hold> holds;
        std::optional<storage::QueueLimits> limits;
        struct DropOlder {
            Milliseconds max_age;
            WallTime now;
            DropDone done;
        };
        std::vector<DropOlder> age_drops;
        LettersChanged letters_changed;
        LettersBuried letters_buried;  ///< set together with letters_changed
        std::vector<Work> questions;

        bool empty() const noexcept;
        bool can_wait() const noexcept;    ///< contains nothing but outcomes
        bool only_reads() const noexcept;  ///< contains only reads and outcomes
    };

private:
    void add_new_token(core::TokenEntry entry);

protected:
    /// Called after a request was put into the mail. `first`: the mail was empty before. Runs on
    /// the requesting thread, without the lock.
    virtual void mail_came(bool first, bool can_wait) = 0;

    mutable std::mutex mutex_;
    Mail mail_;  ///< guarded by mutex_

private:
    template <class Add>
    void put(bool can_wait, Add add);
};

}  // namespace flowrelay::runtime
