// The spool: all data of the relay on disk. Owns the queue of events (a log), the registry of
// tokens and the dead letters, and keeps the rules between them:
//
// - A token is durable before the first event to be posted with it.
// - A dead letter is durable before the outcome of its event in the log. recover() withdraws a
//   letter whose event is still queued.
// - A replayed dead letter is a queued event that is read from the letter. Its outcome is written
//   to the letters; the log has only its first death.
// - The books of the log are corrected by those of the letters.
// - Letters are erased after the events of their token, so that no letter is added in between.
//
// Data that could not be written is kept, and the next commit() or bury() tries again. The spool
// writes the log lines spool.full, spool.has_room, spool.failed, token.not_kept,
// dead_letters.failed and dead_letters.dropped.
//
// All calls block, and come from the thread that owns the spool: during the start the starting
// thread, then the storage thread. A change is durable when its call returns, unless stated
// otherwise. Errors of events are QueueErrc, others come from the disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/fingerprint.hpp"
#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/log.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/ledger.hpp"
#include "flowrelay/core/letter_room.hpp"
#include "flowrelay/core/stored_event.hpp"
#include "flowrelay/storage/event_queue.hpp"
#include "flowrelay/storage/file_system.hpp"
#include "flowrelay/storage/segmented_log.hpp"

namespace flowrelay::storage {

class DeadLetters;
class Registry;

/// Notified when a commit of events and outcomes begins and ends. Called by the thread that owns
/// the spool.
class CommitObserver {
public:
    virtual ~CommitObserver() = default;
    virtual void begins() = 0;
    /// `events`: number of events in the commit.
    virtual void ended(std::size_t events) = 0;
};

/// Makes the QueuedEvent of an event from its record.
core::QueuedEvent to_queued(Seq seq, const EventRecord& record);

class Spool {
public:
    /// Opens or creates the spool in `directory`, which must exist, and recovers each of its files.
    /// `options`: those of the log; high_water and used_before are ignored and determined here.
    /// `file_system` and `log` must outlive the spool. Errors: a file can't be used, has damage
    /// that can't be skipped safely, or has a newer format; another process has the spool open.
    static Result<std::unique_ptr<Spool>> open(FileSystem& file_system,
                                               const std::string& directory,
                                               const LogOptions& options, Log& log);
    ~Spool();
    Spool(const Spool&) = delete;
    Spool& operator=(const Spool&) = delete;

    /// Notifies `observer` of each commit() with events or outcomes. Null: no observer.
    void observe_commits(std::shared_ptr<CommitObserver> observer) {
        observer_ = std::move(observer);
    }

    /// Sets a function that records the age by which letters are dropped. drop_older() calls it
    /// first, and drops nothing if it fails.
    using LetterAgeKeeper = std::function<Result<void>(Milliseconds)>;
    void keep_letter_age(LetterAgeKeeper keeper) { letter_age_keeper_ = std::move(keeper); }

    // ---- the start

    using Backlog = EventQueue::Backlog;
    struct Recovered {
        std::vector<Backlog> backlogs;             ///< queued events of each token
        std::map<TokenId, std::uint64_t> letters;  ///< number of letters of each token that has any
    };
    /// Makes the files consistent after a crash: withdraws letters whose events are queued, and
    /// reserves the seqs of all letters. To be called once, before anything else is written.
    /// Errors: it can't be determined whether the event of a letter is queued, or the letters can't
    /// be written.
    Result<Recovered> recover();

    /// Passes known ids to `use`; see EventQueue::known_ids().
    void known_ids(WallTime since, std::size_t limit,
                   const std::function<void(const EventQueue::KnownId&)>& use);

    // ---- tokens

    const Salt& salt() const;
    /// Returns the slots; see Registry::entries().
    std::vector<core::TokenEntry> entries() const;
    /// Changes slots. Changes that the disk does not take are written with the next entries, since
    /// those may depend on them, as the slot of a new token does on the removal of its former slot.
    Result<void> put(std::span<const core::TokenEntry> entries);
    /// Adds the slots of new tokens, before the events that brought them. After an error the next
    /// commit() refuses its events. These entries are not written later: the next event of the
    /// token brings them again.
    Result<void> put_new(std::span<const core::TokenEntry> entries);
    /// Drops slots that no event and no letter needs any more, and their pending changes; see
    /// Registry::forget().
    void forget(std::span<const TokenId> slots);

    /// Returns the latest deferral (Retry-After) of each token and of the destination, including
    /// those that are over.
    std::vector<core::Hold> holds() const;
    /// Stores a deferral. After an error it does not survive a restart: the server has to ask for
    /// it again.
    Result<void> put_hold(const core::Hold& hold);

    // ---- events

    /// Makes events and outcomes durable with one sync, and retries pending writes; both spans may
    /// be empty. The events get consecutive seqs; returns the first. `full`: no event was taken;
    /// the outcomes are written with a later commit. `failed`: nothing becomes durable any more
    /// until the next start. After a failed put_new(): no event was taken, and the outcomes are
    /// written. Outcomes of replayed letters are written to the letters; a failure of that is not
    /// returned, but retried.
    Result<Seq> commit(std::span<const EventRecord> events, std::span<const Settlement> outcomes);

    /// Settles events that are queued or replayed. After an error of the log the outcomes may be
    /// written with a later commit; those of replayed letters are not retried.
    Result<void> settle(std::span<const Settlement> outcomes);

    /// Ensures that no settled event can come back after a crash. `full`: outcomes are pending
    /// because the disk does not take them. `failed`: outcomes were given up.
    Result<void> flush();

    /// Reads an event that is queued or replayed. `not_found`: no such event. `damaged`: its record
    /// is not what was written, or its letter has no event.
    Result<EventRecord> read(Seq seq);

    /// Finds an event whose record can't be read, without reading it, among the replayed letters
    /// and in the queues of `tokens`.
    std::optional<core::QueuedEvent> find(Seq seq, std::span<const TokenId> tokens);

    /// Loads queued events; see EventQueue::load(). With `with_replays`, the slice ends before an
    /// event whose record is not returned, unless that is the first event or no records were
    /// requested.
    Result<EventQueue::Loaded> load(const core::LoadRequest& request, std::uint64_t record_bytes);

    /// Returns the queued events of each token, without replays; tokens without events are left
    /// out.
    Result<std::vector<Backlog>> backlog();
    /// Returns all replayed letters as queued events, in the order of their seqs.
    std::vector<core::QueuedEvent> replays() const;

    // ---- dead letters

    /// Moves events to the letters, after reading their records. If a record can't be read or a
    /// letter can't be written now, its event stays queued, and the next bury(), even without
    /// letters, tries again. Ignores events that are not queued any more because their token was
    /// erased.
    void bury(std::vector<core::DeadLetter> letters);
    /// Returns the seqs given to bury() that no crash brings back to the queue any more, since the
    /// last call.
    std::vector<Seq> take_buried() { return std::exchange(buried_, {}); }
    /// Returns number and size of the stored letters, and how many of those given to bury() are
    /// done.
    core::LetterUsage letter_usage() const;

    /// Queues letters for delivery again; their age counts from `now`. Returns their events.
    /// Ignores unknown seqs, letters that are being replayed, and letters without an event.
    Result<std::vector<core::QueuedEvent>> replay(std::span<const Seq> letters, WallTime now);
    /// Drops letters. Ignores unknown seqs and letters that are being replayed. Returns how many
    /// were dropped.
    Result<std::uint64_t> drop_letters(std::span<const Seq> letters);
    /// Drops letters that died more than `max_age` ago, except those being replayed. Returns how
    /// many.
    Result<std::uint64_t> drop_older(Milliseconds max_age, WallTime now);

    /// Returns seq and token of each letter in the order of their seqs, including replayed ones.
    std::vector<std::pair<Seq, TokenId>> letters() const;
    /// Returns at most `limit` letters after `after` in the order of their seqs, without bodies.
    std::vector<core::DeadLetter> letters_after(Seq after, std::size_t limit) const;
    Result<core::DeadLetter> read_letter(Seq seq);
    /// Returns when the oldest letter died; nothing if there is none, apart from replayed ones.
    std::optional<WallTime> oldest_death() const;
    /// Returns those of the tokens that have no letter. Returns none if flush() fails, since an
    /// event could then still become a letter.
    std::vector<TokenId> without_letters(std::vector<TokenId> tokens);

    // ---- erasure

    /// What was erased for each token; tokens without any are left out.
    struct Erased {
        std::map<TokenId, std::uint64_t> events;
        std::map<TokenId, std::uint64_t> dead_letters;
    };
    /// Begins to erase all data of some tokens: first the events, then the letters. erase_some()
    /// does the work. Abandons an erasure in progress.
    void begin_erasure(std::span<const TokenId> tokens);
    /// Does a bounded piece of the erasure (milliseconds). Returns a value once it is done,
    /// including events settled by earlier failed erasures of the same tokens. An error ends the
    /// erasure; it can be begun again, also after a crash.
    Result<std::optional<Erased>> erase_some();

    // ---- books

    /// Discrepancies between the books and the files, which can be booked as lost.
    struct Missing {
        std::int64_t unaccounted = 0;  ///< events; negative: more outcomes than events
        core::Loss letters;            ///< letters that are in the books but not in the file
    };
    Missing missing() const;
    /// Books events as lost that are unaccounted for or whose letters are missing. `failed`,
    /// `full`: nothing is booked. If damage of the letters can't be rewritten, the next start
    /// reports it again, and it can be booked again.
    Result<void> book_lost(const core::Loss& loss, const core::LossBooking& booking);

    struct Status {
        core::Ledger ledger;  ///< books, corrected by those of the letters
        QueueUsage usage;
        std::optional<core::LossBooking> last_loss;  ///< last booking of events as lost
        std::uint64_t dead_letters = 0;              ///< without those being replayed
        std::uint64_t replayed = 0;                  ///< dead letters being replayed
        std::uint64_t missing_letters = 0;           ///< in the books but not in the file
        bool failed = false;
        /// Why no event is accepted, as determined by the last check_room(); nothing if events are.
        std::optional<RefusingBecause> refusing;
    };
    Status status() const;
    QueueUsage usage() const { return queue_->usage(); }
    /// Determines whether events are accepted, without waiting for one to be refused. Reserves the
    /// space for one event, as a commit would.
    void check_room();
    /// Whether the spool has failed: nothing becomes durable any more. Events whose outcomes were
    /// given up come back at the next start.
    bool failed() const noexcept { return failed_; }
    /// Whether letters or outcomes are pending because a write failed.
    bool has_unfinished() const noexcept {
        return !unburied_.empty() || !unsettled_.empty() || !unrecorded_.empty();
    }

    // ---- upkeep

    /// Replaces the limits of the queue.
    void set_limits(const QueueLimits& limits);
    /// Does a bounded piece of deferrable work; see EventQueue::maintain(). Returns whether there
    /// is more.
    bool maintain();
    /// Records how far the log has come; see EventQueue::note_progress(). To be called every few
    /// minutes.
    void note_progress();
    /// Called at a clean shutdown: without it the next start may take damage in a last record for a
    /// torn write.
    void confirm();

private:
    Spool(std::unique_ptr<EventQueue> queue, std::unique_ptr<Registry> registry,
          std::unique_ptr<DeadLetters> letters, Log& log);

    Result<void> withdraw_queued(std::span<const Backlog> backlogs);
    Result<void> put_with_owed(std::span<const core::TokenEntry> entries);
    void note_commit(const Result<Seq>& result, std::span<const EventRecord> events);
    void note_failed(const std::string& reason);
    void note_full(const std::string& reason);
    void note_room();
    void note_recorded();
    void note_letters(const Result<void>& result);
    std::vector<Settlement> without_replays(std::span<const Settlement> outcomes) const;
    void settle_replays(std::span<const Settlement> outcomes);
    void add_letters(std::vector<core::DeadLetter>& portion, std::vector<Settlement>& outcomes);
    void withdraw(std::span<const Settlement> outcomes);
    void count_erased(const EventQueue::ErasedEvents& events);

    std::unique_ptr<EventQueue> queue_;
    std::unique_ptr<Registry> registry_;
    std::unique_ptr<DeadLetters> letters_;
    Log& log_;
    std::shared_ptr<CommitObserver> observer_;
    LetterAgeKeeper letter_age_keeper_;

    // Tokens.
    std::map<TokenId, core::TokenEntry> owed_entries_;  ///< changes the registry did not take
    std::optional<Error> token_error_;  ///< error of put_new(): the next commit refuses its events
    bool token_failed_ = false;

    // Pending letters and outcomes.
    std::vector<core::DeadLetter> unburied_;
    std::vector<Seq> unrecorded_;        ///< the letter is on disk, the outcome is not
    std::vector<Seq> buried_;            ///< since take_buried(): letter and outcome are on disk
    std::vector<Settlement> unsettled_;  ///< outcomes of replayed letters
    std::uint64_t letters_taken_ = 0;    ///< number given to bury()
    bool letters_failed_ = false;

    // Room.
    bool failed_ = false;
    bool full_ = false;
    std::uint64_t refused_bytes_ = 0;  ///< smallest body refused while full; 0: none
    std::optional<RefusingBecause> refusing_;

    // The erasure in progress.
    std::vector<TokenId> erasing_;
    std::optional<Erased> erased_;  ///< result of the queue; the letters come next
    /// Events settled by erasures that failed later: to be reported by the next one.
    std::map<TokenId, std::uint64_t> erased_before_;
};

}  // namespace flowrelay::storage
