// The spool: everything of the relay that lies on the disk. Owns the queue of events (a log), the
// registry of tokens and the dead letters, and keeps the rules between them:
//
// - A token is durable before the first event that is to be posted with it.
// - A dead letter is durable before the outcome of its event in the log. recover() takes back a
//   letter whose event is queued still.
// - A dead letter that is replayed is a queued event, which is read from the letter; its end is
//   written to the letters, and the log knows of its first death only.
// - The books of the log count with the corrections of the letters.
// - Letters are erased after the events of their token, so that none is made in between.
//
// What could not be written is kept, and tried again by the next commit() or bury(). What the log
// lines spool.full, spool.has_room, spool.failed, token.not_kept, dead_letters.failed and
// dead_letters.dropped say is said here.
//
// All calls block and come from one thread, that which owns the spool: the start, and then the
// storage thread. A change is durable when its call returns, unless it says otherwise. Errors are
// those of QueueErrc for events, others are the disk's.
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

/// Is told when events and outcomes are made durable. Called by the thread that owns the spool.
class CommitObserver {
public:
    virtual ~CommitObserver() = default;
    virtual void begins() = 0;
    /// `events`: how many events the commit had.
    virtual void ended(std::size_t events) = 0;
};

/// An event as Spool::load() gives it, out of its record.
core::QueuedEvent to_queued(Seq seq, const EventRecord& record);

class Spool {
public:
    /// Opens or creates the spool in `directory`, which exists, and recovers each of its files.
    /// `options`: those of the log; its high_water and used_before are found here, whatever they
    /// say. `file_system` and `log` outlive the spool. Errors: a file can't be used, is damaged
    /// where nothing may be guessed at, or is of a newer format; another process has the spool
    /// open.
    static Result<std::unique_ptr<Spool>> open(FileSystem& file_system,
                                               const std::string& directory,
                                               const LogOptions& options, Log& log);
    ~Spool();
    Spool(const Spool&) = delete;
    Spool& operator=(const Spool&) = delete;

    /// Has `observer` told of each commit() with events or outcomes. Null: nobody.
    void observe_commits(std::shared_ptr<CommitObserver> observer) {
        observer_ = std::move(observer);
    }

    /// Has `keeper` called with the age by which letters are dropped next: drop_older() drops none
    /// when it fails.
    using LetterAgeKeeper = std::function<Result<void>(Milliseconds)>;
    void keep_letter_age(LetterAgeKeeper keeper) { letter_age_keeper_ = std::move(keeper); }

    // ---- the start

    using Backlog = EventQueue::Backlog;
    struct Recovered {
        std::vector<Backlog> backlogs;             ///< what is queued for each token
        std::map<TokenId, std::uint64_t> letters;  ///< how many each token has, if any
    };
    /// Makes the files agree after a crash: takes back letters whose events are queued, and gives
    /// out no seq that a letter has. To be called once, before anything else is written. Errors:
    /// nothing is known of an event that could be one of these, or the letters can't be written.
    Result<Recovered> recover();

    /// As EventQueue::known_ids().
    void known_ids(WallTime since, std::size_t limit,
                   const std::function<void(const EventQueue::KnownId&)>& use);

    // ---- tokens

    const Salt& salt() const;
    /// The slots as Registry::entries() gives them.
    std::vector<core::TokenEntry> entries() const;
    /// Changes slots. What the disk does not take is put with the next entries: they may rely on
    /// it, as the slot of a new token does on the removal of the one that had it before.
    Result<void> put(std::span<const core::TokenEntry> entries);
    /// Adds the slots of new tokens, before the events that brought them. After an error the next
    /// commit() refuses its events. These entries are not put later: the next event of the token
    /// brings them along again.
    Result<void> put_new(std::span<const core::TokenEntry> entries);
    /// Drops slots that no event and no letter needs any more, as Registry::forget(), and what is
    /// still to be put of them.
    void forget(std::span<const TokenId> slots);

    /// The latest wait of each token and of the destination, those that are over as well.
    std::vector<core::Hold> holds() const;
    /// Remembers a wait. After an error the server has to say it again after the next start.
    Result<void> put_hold(const core::Hold& hold);

    // ---- events

    /// Makes events and outcomes durable with one sync, and tries again what waits; both may be
    /// empty. The events get consecutive seqs from the returned one on. `full`: no event was taken;
    /// the outcomes go with a later commit. `failed`: nothing becomes durable any more, until the
    /// next start. After a failed put_new(): no event was taken, and the outcomes are written.
    /// Outcomes of replayed letters go to the letters. What the letters do not take is no error: it
    /// is tried again.
    Result<Seq> commit(std::span<const EventRecord> events, std::span<const Settlement> outcomes);

    /// Settles events that are queued or replayed. After an error of the log the outcomes may go
    /// with a later commit; those of replayed letters are not tried again.
    Result<void> settle(std::span<const Settlement> outcomes);

    /// Sees to it that no event that was settled can come back after a crash. `full`: outcomes wait
    /// for the disk. `failed`: outcomes were given up.
    Result<void> flush();

    /// Reads an event that is queued or replayed. `not_found`: there is none with this seq.
    /// `damaged`: its record is not what was written, or its letter has no event.
    Result<EventRecord> read(Seq seq);

    /// Looks for an event whose record can't be read, among the letters that are replayed and in
    /// the queues of `tokens`.
    std::optional<core::QueuedEvent> find(Seq seq, std::span<const TokenId> tokens);

    /// As EventQueue::load(). With the replays of a request an answer ends before an event whose
    /// record does not come along, unless that is the first or none was asked for.
    Result<EventQueue::Loaded> load(const core::LoadRequest& request, std::uint64_t record_bytes);

    /// What is queued for each token, without replays; tokens without events are left out.
    Result<std::vector<Backlog>> backlog();
    /// All letters that are replayed, as queued events in the order of their seqs.
    std::vector<core::QueuedEvent> replays() const;

    // ---- dead letters

    /// Moves events to the letters; their records are read here. What can't be read or written now
    /// is tried again by the next bury(), with letters or without, and its event stays queued
    /// meanwhile. An event that is not queued any more, since its token was erased, is passed over.
    void bury(std::vector<core::DeadLetter> letters);
    /// The seqs given to bury() that no crash brings back to the queue any more, since the last
    /// call.
    std::vector<Seq> take_buried() { return std::exchange(buried_, {}); }
    /// What the letters hold, and how many of those given to bury() are dealt with.
    core::LetterUsage letter_usage() const;

    /// Has letters delivered after all; their age counts from `now`. Gives their events. Unknown
    /// seqs are passed over, letters that are being replayed, and those without an event.
    Result<std::vector<core::QueuedEvent>> replay(std::span<const Seq> letters, WallTime now);
    /// Drops letters. Unknown seqs are passed over, and letters that are being replayed. Gives how
    /// many there were.
    Result<std::uint64_t> drop_letters(std::span<const Seq> letters);
    /// Drops letters that died more than `max_age` ago, but those that are replayed. Gives how
    /// many.
    Result<std::uint64_t> drop_older(Milliseconds max_age, WallTime now);

    /// Seq and token of each letter in the order of their seqs, those that are replayed included.
    std::vector<std::pair<Seq, TokenId>> letters() const;
    /// Letters behind `after` in the order of their seqs, without bodies, at most `limit`.
    std::vector<core::DeadLetter> letters_after(Seq after, std::size_t limit) const;
    Result<core::DeadLetter> read_letter(Seq seq);
    /// When the oldest letter died; nothing if there are none but those that are replayed.
    std::optional<WallTime> oldest_death() const;
    /// Those of the tokens that no letter has. None while an event could come back as one, which
    /// is as long as flush() fails.
    std::vector<TokenId> without_letters(std::vector<TokenId> tokens);

    // ---- erasure

    /// What was stored for each token; tokens without any are left out.
    struct Erased {
        std::map<TokenId, std::uint64_t> events;
        std::map<TokenId, std::uint64_t> dead_letters;
    };
    /// Begins to erase all that is stored for some tokens: first the events, then the letters. The
    /// work is done by erase_some(). Gives up an erasure that has not ended.
    void begin_erasure(std::span<const TokenId> tokens);
    /// Does a bounded piece of the erasure (milliseconds). Returns a value once it is done, in
    /// which events count that failed erasures of the same tokens had settled before. An error ends
    /// the erasure; it can be begun again, also after a crash.
    Result<std::optional<Erased>> erase_some();

    // ---- books

    /// What the books can't explain, and can be booked as lost.
    struct Missing {
        std::int64_t unaccounted = 0;  ///< events; below 0: there are more outcomes than events
        core::Loss letters;            ///< letters that the books have and the file has not
    };
    Missing missing() const;
    /// Books events as lost that are unaccounted for, or whose letters are missing. `failed`,
    /// `full`: nothing is booked. Damage of the letters is told again by the next start if it can't
    /// be rewritten, and can be booked again then.
    Result<void> book_lost(const core::Loss& loss, const core::LossBooking& booking);

    struct Status {
        core::Ledger ledger;  ///< corrected by what became of the letters
        QueueUsage usage;
        std::optional<core::LossBooking> last_loss;  ///< the last booking of events as lost
        std::uint64_t dead_letters = 0;              ///< that are not being replayed
        std::uint64_t replayed = 0;                  ///< dead letters that are queued again
        std::uint64_t missing_letters = 0;           ///< that the books have and the file has not
        bool failed = false;
        /// Why no event is accepted, if so: as check_room() found it last.
        std::optional<RefusingBecause> refusing;
    };
    Status status() const;
    QueueUsage usage() const { return queue_->usage(); }
    /// Finds out whether events are accepted, without waiting for one to be refused. Reserves the
    /// space for one, as a commit would.
    void check_room();
    /// Nothing becomes durable any more. Outcomes that were given up come back at the next start.
    bool failed() const noexcept { return failed_; }
    /// Something waits to be tried again.
    bool has_unfinished() const noexcept {
        return !unburied_.empty() || !unsettled_.empty() || !unrecorded_.empty();
    }

    // ---- upkeep

    /// Replaces the limits of the queue.
    void set_limits(const QueueLimits& limits);
    /// As EventQueue::maintain(): does a bounded piece of work that can wait. Returns whether there
    /// is more.
    bool maintain();
    /// As EventQueue::note_progress(). To be called every few minutes.
    void note_progress();
    /// For a clean end: without it the next start may take damage in a last record for the trace of
    /// a crash.
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
    std::map<TokenId, core::TokenEntry> owed_entries_;  ///< changes that the registry did not take
    std::optional<Error> token_error_;  ///< of a put_new(): the next commit refuses its events
    bool token_failed_ = false;

    // Letters and outcomes that wait.
    std::vector<core::DeadLetter> unburied_;
    std::vector<Seq> unrecorded_;        ///< their letters are on the disk, their outcomes are not
    std::vector<Seq> buried_;            ///< since take_buried(): both are
    std::vector<Settlement> unsettled_;  ///< of replayed letters
    std::uint64_t letters_taken_ = 0;    ///< given to bury()
    bool letters_failed_ = false;

    // Room.
    bool failed_ = false;
    bool full_ = false;
    std::uint64_t refused_bytes_ = 0;  ///< the smallest body refused while it was full; 0: none
    std::optional<RefusingBecause> refusing_;

    // The erasure that is under way.
    std::vector<TokenId> erasing_;
    std::optional<Erased> erased_;  ///< from the queue: the letters come next
    /// Events that were settled by erasures whose rest failed: for the receipt of the next one.
    std::map<TokenId, std::uint64_t> erased_before_;
};

}  // namespace flowrelay::storage
