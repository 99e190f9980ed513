// What is asked of the disk, in the order in which it is asked: the mailbox between the I/O thread,
// which decides, and whoever carries it out (StorageWork, on the storage thread or in a
// simulation).
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

/// The calls come from the I/O thread and return at once; completions run on the I/O thread, in the
/// order of the calls of one kind.
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

    /// Makes an event durable, after its token if that is new.
    void append(core::EventRecord&& record, std::optional<core::TokenEntry>&& new_token,
                Appended done);

    /// Done when everything appended before is.
    void barrier(std::function<void()> done);

    /// May wait a little for company.
    void settle(core::Settlement settlement);

    /// Moves an event to the dead letters. Tried again until it works: the event stays queued.
    void bury(core::DeadLetter letter);

    void read(Seq seq, ReadDone done);

    /// As Spool::load().
    void load(core::LoadRequest request, std::uint64_t record_bytes, LoadDone done);
    void put_tokens(std::vector<core::TokenEntry> entries, Done done);
    /// Erases what is stored for some tokens, in pieces between other work. Those that are asked
    /// for while an erasure is under way come next, all of them together.
    void erase(std::vector<TokenId> tokens, EraseDone done);
    void snapshot(SnapshotDone done);

    using ReplayDone = std::function<void(Result<std::vector<core::QueuedEvent>>)>;
    /// Marks dead letters as to be delivered after all; gives their events.
    void replay(std::vector<Seq> letters, WallTime now, ReplayDone done);

    /// Remembers a wait, if the disk takes it.
    void put_hold(const core::Hold& hold);

    using DropDone = std::function<void(std::uint64_t)>;
    /// Drops dead letters that died more than `max_age` ago; passes on how many there were.
    void drop_older_letters(Milliseconds max_age, WallTime now, DropDone done);

    /// Sets the limits of the queue, for all that is asked for at this time and later.
    void set_limits(const storage::QueueLimits& limits);

    using LettersChanged = std::function<void(const core::LetterUsage&)>;
    using LettersBuried = std::function<void(std::span<const Seq>)>;
    /// Calls `changed` after each change of what the dead letters hold, and `buried` with those
    /// handed to bury() that no crash brings back to the queue any more.
    void watch_letters(LettersChanged changed, LettersBuried buried);

    /// For operators' questions and changes: runs `work` where the disk is used, after what was
    /// asked for before is committed, then what it gives on the I/O thread. `work` is short: a
    /// millisecond or two, since commits wait for it.
    using Work = std::function<std::function<void()>(storage::Spool&)>;
    void ask(Work work);

    /// What has been asked for and not been taken yet.
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
            Done done;  ///< none: those of new tokens, which events wait for
        };
        std::vector<TokenPut> token_puts;  ///< in their order, which counts
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
        LettersBuried letters_buried;  ///< comes with letters_changed
        std::vector<Work> questions;

        bool empty() const noexcept;
        bool can_wait() const noexcept;    ///< nothing but outcomes
        bool only_reads() const noexcept;  ///< and outcomes
    };

private:
    void add_new_token(core::TokenEntry entry);

protected:
    /// Something was put into the mail, which was empty before if `first`. Called by whoever asks,
    /// without the lock.
    virtual void mail_came(bool first, bool can_wait) = 0;

    mutable std::mutex mutex_;
    Mail mail_;  ///< with mutex_

private:
    template <class Add>
    void put(bool can_wait, Add add);
};

}  // namespace flowrelay::runtime
