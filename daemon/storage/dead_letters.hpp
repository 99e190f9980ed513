// Events that could not be delivered, with the reason, until an operator replays or drops them. A
// journal file of records, mode 0600.
//
// All calls block and come from one thread (the storage thread). A change is durable when its call
// returns.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/log.hpp"
#include "flowrelay/storage/event_queue.hpp"
#include "flowrelay/storage/file_system.hpp"
#include "record_journal.hpp"

namespace flowrelay::storage {

using core::DeadLetter;

class DeadLetters {
public:
    static Result<std::unique_ptr<DeadLetters>> open(FileSystem& file_system,
                                                     const std::string& path, Log& log);
    virtual ~DeadLetters() = default;

    /// What is in the file. It is not changed, and read as far as it can be.
    struct Contents {
        JournalScan file;
        std::uint64_t letters = 0;
        std::vector<Seq> seqs;                  ///< of these, ascending
        std::array<std::int64_t, 5> changes{};  ///< to the ledger of the log, by core::Outcome
    };
    static Result<Contents> inspect(FileSystem& file_system, const std::string& path);

    /// Adds letters, in one sync. One that is there already (same seq) is replaced: a replayed
    /// event has died again.
    virtual Result<void> add(std::span<const DeadLetter> letters) = 0;

    /// Without bodies; oldest death first, at most `limit`.
    virtual std::vector<DeadLetter> list(std::size_t limit) const = 0;
    /// The same in the order of their seqs: those behind `after`.
    virtual std::vector<DeadLetter> list_after(Seq after, std::size_t limit) const = 0;
    virtual Result<DeadLetter> read(Seq seq) = 0;

    /// By an operator: takes letters out, which counts as dropped. Unknown seqs are passed over,
    /// and those that are being replayed. Gives how many there were.
    virtual Result<std::uint64_t> remove(std::span<const Seq> seqs) = 0;

    /// Takes out letters whose events are queued, so that they are none (a crash came between the
    /// letter and the outcome in the log).
    virtual Result<void> withdraw(std::span<const Seq> seqs) = 0;

    // ---- replay: the event stays here until it is settled, and is delivered from here. Its place
    // in its lane is that of its seq, as ever.

    /// Marks letters as to be delivered after all; gives their events. Unknown seqs are passed
    /// over, those that are being replayed, and letters that have no event. Their age counts from
    /// `now`.
    virtual Result<std::vector<core::QueuedEvent>> replay(std::span<const Seq> seqs,
                                                          WallTime now) = 0;
    /// The events of all letters that are being replayed, in the order of their seqs.
    virtual std::vector<core::QueuedEvent> replays() const = 0;
    /// The same of those behind `after`, at most `limit`.
    virtual std::vector<core::QueuedEvent> replays_after(Seq after, std::size_t limit) const = 0;
    virtual bool is_replayed(Seq seq) const = 0;

    /// The ends of replayed events, other than a new death; other seqs are passed over.
    virtual Result<void> settle(std::span<const core::Settlement> ends) = 0;

    // ----

    /// How many letters of each token; tokens without any are left out.
    using Erased = std::map<TokenId, std::uint64_t>;

    /// Begins to take all of some tokens out, so that none of their bytes is left in the file. The
    /// work is done by erase_some(); an erasure that has not ended is given up.
    virtual void begin_erasure(std::span<const TokenId> tokens) = 0;
    /// Does a bounded piece of it (milliseconds). Returns a value when it is done. An error ends
    /// it.
    virtual Result<std::optional<Erased>> erase_some() = 0;

    /// All of it in one go.
    Result<Erased> erase(std::span<const TokenId> tokens);

    /// The same for one token. Returns how many there were.
    Result<std::uint64_t> erase(TokenId token);

    struct Trimmed {
        std::uint64_t letters = 0;  ///< dropped
        WallTime oldest;            ///< when the first of them died
    };
    /// Drops letters that died more than `max_age` ago; those that are being replayed stay. Nothing
    /// else is ever dropped without an operator.
    virtual Result<Trimmed> drop_older(Milliseconds max_age, WallTime now) = 0;

    /// Letters, those that are being replayed included.
    virtual std::uint64_t size() const = 0;
    /// Letters that are not being replayed, and the bytes of their records.
    struct Size {
        std::uint64_t letters = 0;
        std::uint64_t bytes = 0;
    };
    virtual Size kept() const = 0;
    /// Seq and token of each, in the order of their seqs.
    virtual std::vector<std::pair<Seq, TokenId>> all() const = 0;

    /// The books of the queue, which knows of these events only that they died, with what has
    /// become of them since: `dead` and `expired` are those that are still here.
    virtual core::Ledger corrected(core::Ledger ledger) const = 0;

    /// How many letters the books have and the file has not: it was lost, cut short or damaged, or
    /// is of another time. `ledger`: of the queue.
    std::uint64_t missing(const core::Ledger& ledger) const;
    /// The same as something that can be booked as lost. Which of them died and which expired is
    /// gone with the file: they are taken for dead as far as the books have dead ones.
    core::Loss missing_loss(const core::Ledger& ledger) const;

    /// Rewrites the file if it was damaged when it was opened: each start would tell of that. To be
    /// called when the letters that were there are booked as lost.
    virtual Result<void> drop_damage() = 0;

    /// For a clean end: with it, damage in the last record can be told from a write that was cut
    /// short. An error can be ignored.
    virtual Result<void> confirm() = 0;
};

/// The same with the changes of a file that was only looked at.
core::Ledger corrected(core::Ledger ledger, const DeadLetters::Contents& contents);

/// As DeadLetters::missing(), from books that are corrected() and the number of letters that are
/// there, those of events that are queued still left out.
std::uint64_t missing_letters(const core::Ledger& corrected, std::uint64_t letters) noexcept;

}  // namespace flowrelay::storage
