// The storage thread: everything that blocks on the disk, behind one mailbox.
//
// Calls come from the I/O thread and return at once; completions run on the I/O thread, in the
// order of the calls of one kind. What waits in the mailbox is carried out in one go (group
// commit): tokens, then events and outcomes with one sync, then dead letters, reads, erasures.
// Outcomes alone may wait up to `settle_delay` for company.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "flowrelay/base/log.hpp"
#include "flowrelay/core/ledger.hpp"
#include "flowrelay/core/stored_event.hpp"
#include "flowrelay/storage/dead_letters.hpp"
#include "flowrelay/storage/event_queue.hpp"
#include "flowrelay/storage/registry.hpp"

namespace flowrelay::runtime {

/// The three stores of a spool. Used by the storage thread alone once it runs.
struct Stores {
    std::unique_ptr<storage::EventQueue> queue;
    std::unique_ptr<storage::Registry> registry;
    std::unique_ptr<storage::DeadLetters> dead_letters;
};

class StorageThread {
public:
    /// `log` and the context behind `io` outlive this object.
    StorageThread(Stores stores, boost::asio::any_io_executor io, Log& log,
                  Milliseconds settle_delay = Milliseconds(100));

    /// Stops if stop() was not called.
    ~StorageThread();
    StorageThread(const StorageThread&) = delete;
    StorageThread& operator=(const StorageThread&) = delete;

    using Appended = std::function<void(core::EventRecord, Result<Seq>)>;
    using Done = std::function<void(Result<void>)>;
    using ReadDone = std::function<void(Result<core::EventRecord>)>;
    /// A part of a backlog, and the records of its events if they were asked for: as many as could
    /// be read, from the first on.
    struct Loaded {
        core::LoadedSlice slice;
        std::vector<core::EventRecord> records;
    };
    using LoadDone = std::function<void(Result<Loaded>)>;
    struct Erased {
        std::uint64_t events = 0;
        std::uint64_t dead_letters = 0;
    };
    using EraseDone = std::function<void(Result<Erased>)>;
    struct Snapshot {
        core::Ledger ledger;
        storage::QueueUsage usage;
        std::uint64_t dead_letters = 0;
        bool failed = false;
    };
    using SnapshotDone = std::function<void(Snapshot)>;

    /// Makes an event durable, after its token if that is new.
    void append(core::EventRecord record, std::optional<core::TokenEntry> new_token, Appended done);

    /// Done when everything appended before is.
    void barrier(std::function<void()> done);

    void settle(core::Settlement settlement);

    /// Moves an event to the dead letters. Tried again until it works: the event stays queued.
    void bury(core::DeadLetter letter);

    void read(Seq seq, ReadDone done);
    void load(core::LoadRequest request, bool with_records, LoadDone done);
    void put_tokens(std::vector<core::TokenEntry> entries, Done done);
    void erase(TokenId token, EraseDone done);
    void snapshot(SnapshotDone done);

    /// Carries out all that was asked for, syncs, ends the thread. Completions that are due run on
    /// the I/O thread afterwards, if it still runs.
    void stop();

    /// The state at the end: after stop().
    Snapshot last_snapshot() const { return take_snapshot(); }

    /// Counts the passes of the thread's loop and whether work is waiting: a watchdog sees from
    /// two readings that it is stuck. Any thread.
    struct Progress {
        std::uint64_t passes = 0;
        bool idle = true;
    };
    Progress progress() const;

private:
    struct Append {
        core::EventRecord record;
        Appended done;
    };
    struct Load {
        core::LoadRequest request;
        bool with_records;
        LoadDone done;
    };
    struct Mail {
        std::vector<core::TokenEntry> new_tokens;
        std::vector<std::pair<std::vector<core::TokenEntry>, Done>> token_puts;
        std::vector<Append> appends;
        std::vector<std::function<void()>> barriers;
        std::vector<core::Settlement> settlements;
        std::vector<core::DeadLetter> burials;
        std::vector<std::pair<Seq, ReadDone>> reads;
        std::vector<Load> loads;
        std::vector<std::pair<TokenId, EraseDone>> erasures;
        std::vector<SnapshotDone> snapshots;

        bool empty() const noexcept;
        bool can_wait() const noexcept;    ///< nothing but outcomes
        bool only_reads() const noexcept;  ///< and outcomes
    };
    using Completions = std::vector<std::function<void()>>;

    void run();
    bool wait_for_mail(Mail& mail);
    void work(Mail& mail);
    void put_tokens(Mail& mail, Completions& completions);
    void commit(Mail& mail, Completions& completions);
    void answer_appends(Mail& mail, const Result<Seq>& first, Completions& completions);
    void note_commit(const Result<Seq>& result);
    void bury(std::vector<core::DeadLetter> letters);
    Result<Loaded> load(const core::LoadRequest& request, bool with_records);
    void erase(TokenId token, const EraseDone& done, Completions& completions);
    Snapshot take_snapshot() const;

    Stores stores_;
    boost::asio::any_io_executor io_;
    Log& log_;
    Milliseconds settle_delay_;

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    Mail mailbox_;
    MonoTime first_settlement_{};  ///< when the oldest outcome in the mailbox came
    bool stopping_ = false;
    std::uint64_t passes_ = 0;
    bool idle_ = true;

    // Of the storage thread alone.
    std::vector<core::EventRecord> records_;
    std::vector<core::DeadLetter> unburied_;
    bool full_ = false;
    bool failed_ = false;
    bool burying_failed_ = false;
    std::optional<Error> token_error_;

    std::thread thread_;
};

}  // namespace flowrelay::runtime
