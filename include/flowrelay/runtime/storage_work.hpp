// Carries out what was asked of the disk: which writes come first, which share a sync, what is done
// when one fails. It has no thread and no clock of its own: the storage thread calls it, and so
// does the simulation, on a simulated disk.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "flowrelay/base/log.hpp"
#include "flowrelay/runtime/erasure_work.hpp"
#include "flowrelay/runtime/storage_mailbox.hpp"
#include "flowrelay/storage/dead_letters.hpp"
#include "flowrelay/storage/event_queue.hpp"
#include "flowrelay/storage/registry.hpp"

namespace flowrelay::runtime {

/// Is told when events and outcomes are made durable. Called by whoever carries it out.
class CommitObserver {
public:
    virtual ~CommitObserver() = default;
    virtual void begins() = 0;
    virtual void ended(std::size_t events) = 0;
};

/// The three stores of a spool.
struct Stores {
    std::unique_ptr<storage::EventQueue> queue;
    std::unique_ptr<storage::Registry> registry;
    std::unique_ptr<storage::DeadLetters> dead_letters;
    std::shared_ptr<CommitObserver> observer;  ///< may be null
    /// Notes the age by which dead letters are dropped next; when it fails none are. May be empty.
    std::function<Result<void>(Milliseconds)> note_letter_age = {};
    /// Outcomes wait for the disk to take them. Kept up by StorageWork, for those who ask().
    bool unfinished = false;
    /// Outcomes that were to become durable were given up; they come back at the next start.
    bool failed = false;
};

/// An event that is queued, from the queue or, if it is replayed, from its dead letter. Errors as
/// of EventQueue::read(); `damaged` also for a letter that has no event.
Result<core::EventRecord> read_queued(Stores& stores, Seq seq);

/// Owned by one thread. All calls block.
class StorageWork {
public:
    using Mail = StorageMailbox::Mail;
    using Completions = std::vector<std::function<void()>>;

    /// `log` outlives this object.
    StorageWork(Stores stores, Log& log) : stores_(std::move(stores)), log_(log) {}

    /// In one go (group commit): tokens, then events and outcomes with one sync, then dead letters,
    /// reads, erasures. Gives what is to be run on the I/O thread. With empty mail: what failed
    /// before is tried again.
    Completions carry_out(Mail mail);

    /// Does a piece of the work that can wait: erasures, then what the queue has to do. Returns
    /// whether there is more, or a completion that the next carry_out() returns.
    bool maintain();

    /// For a clean end, after the last carry_out().
    void end();

    /// Whether something failed and is to be tried again, with mail or without.
    bool has_unfinished() const noexcept {
        return !unburied_.empty() || !unsettled_.empty() || !unrecorded_.empty();
    }

    StorageMailbox::Snapshot snapshot() const;
    const Stores& stores() const noexcept { return stores_; }

private:
    void put_tokens(Mail& mail, Completions& completions);
    Result<void> put_in_order(std::span<const core::TokenEntry> entries);
    void owe(std::vector<core::TokenEntry> entries);
    void note_token(const Result<void>& put);
    void commit(Mail& mail, Completions& completions);
    void answer_appends(Mail& mail, const Result<Seq>& first, Completions& completions);
    void note_commit(const Result<Seq>& result);
    void note_recorded();
    void note_full(const std::string& reason);
    void note_room();
    void look_for_room();
    void settle_replays(std::vector<core::Settlement>& settlements);
    void bury(std::vector<core::DeadLetter> letters);
    void add_letters(std::vector<core::DeadLetter>& portion,
                     std::vector<core::Settlement>& outcomes);
    void withdraw(const std::vector<core::Settlement>& outcomes);
    void note_letters(const Result<void>& result);
    void drop_older(Mail::DropOlder& asked, Completions& completions);
    void report_letters(Completions& completions);
    void report_buried(Completions& completions);
    Result<core::EventRecord> read(Seq seq);
    Result<StorageMailbox::Loaded> load(const core::LoadRequest& request,
                                        std::uint64_t record_bytes);

    Stores stores_;
    Log& log_;
    ErasureWork erasures_;
    std::vector<core::EventRecord> records_;
    std::vector<core::DeadLetter> unburied_;
    std::vector<Seq> unrecorded_;  ///< their letters are on the disk, and their outcomes are not
    std::vector<Seq> buried_;      ///< since the last report: both are
    std::vector<core::Settlement> unsettled_;  ///< of replayed events
    std::uint64_t letters_taken_ = 0;          ///< to be buried
    StorageMailbox::LettersChanged letters_changed_;
    StorageMailbox::LettersBuried letters_buried_;
    core::LetterUsage told_;
    bool full_ = false;
    std::uint64_t refused_bytes_ = 0;  ///< the smallest body refused while it was full; 0: none
    std::optional<storage::RefusingBecause> refusing_;
    bool failed_ = false;
    bool burying_failed_ = false;
    bool token_failed_ = false;
    std::optional<Error> token_error_;
    std::map<TokenId, core::TokenEntry> owed_entries_;  ///< changes that the registry did not take
};

}  // namespace flowrelay::runtime
