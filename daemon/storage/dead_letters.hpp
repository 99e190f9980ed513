// Dead letters: events that could not be delivered, with the reason, until an operator replays or
// drops them. A journal file of records, mode 0600.
//
// All calls block. One thread (the storage thread). A change is durable when its call returns.
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

    /// The contents of a file, as far as it can be read. The file is not changed.
    struct Contents {
        JournalScan file;
        std::uint64_t letters = 0;
        std::vector<Seq> seqs;                  ///< seqs of the letters, ascending
        std::array<std::int64_t, 5> changes{};  ///< to the ledger of the log, by core::Outcome
    };
    static Result<Contents> inspect(FileSystem& file_system, const std::string& path);

    /// Adds letters, in one sync. Replaces a letter with the same seq: a replayed event has died
    /// again.
    virtual Result<void> add(std::span<const DeadLetter> letters) = 0;

    /// Returns at most `limit` letters, without bodies, oldest death first.
    virtual std::vector<DeadLetter> list(std::size_t limit) const = 0;
    /// Returns at most `limit` letters after `after` in the order of their seqs, without bodies.
    virtual std::vector<DeadLetter> list_after(Seq after, std::size_t limit) const = 0;
    virtual Result<DeadLetter> read(Seq seq) = 0;

    /// Removes letters for an operator, which counts as dropped. Ignores unknown seqs and letters
    /// that are being replayed. Returns how many were removed.
    virtual Result<std::uint64_t> remove(std::span<const Seq> seqs) = 0;

    /// Removes letters whose events are still queued (a crash came between the letter and the
    /// outcome in the log). They count as never added.
    virtual Result<void> withdraw(std::span<const Seq> seqs) = 0;

    // ---- replay: the event stays here until it is settled, and is delivered from here. Its seq
    // still determines its position in its thread.

    /// Marks letters for delivery; returns their events. Ignores unknown seqs, letters that are
    /// being replayed, and letters without an event. Their age counts from `now`.
    virtual Result<std::vector<core::QueuedEvent>> replay(std::span<const Seq> seqs,
                                                          WallTime now) = 0;
    /// Returns the events of all letters that are being replayed, in the order of their seqs.
    virtual std::vector<core::QueuedEvent> replays() const = 0;
    /// Returns at most `limit` events of replayed letters after `after`, in the order of their
    /// seqs.
    virtual std::vector<core::QueuedEvent> replays_after(Seq after, std::size_t limit) const = 0;
    virtual bool is_replayed(Seq seq) const = 0;

    /// Records the outcomes of replayed events (except dying again). Ignores other seqs.
    virtual Result<void> settle(std::span<const core::Settlement> ends) = 0;

    // ----

    /// Number of erased letters of each token; tokens without any are left out.
    using Erased = std::map<TokenId, std::uint64_t>;

    /// Begins to erase all letters of some tokens, so that none of their bytes is left in the file.
    /// erase_some() does the work. Abandons an erasure in progress.
    virtual void begin_erasure(std::span<const TokenId> tokens) = 0;
    /// Does a bounded piece of the erasure (milliseconds). Returns a value when it is done. An
    /// error ends the erasure.
    virtual Result<std::optional<Erased>> erase_some() = 0;

    /// Erases all letters of some tokens, in one call.
    Result<Erased> erase(std::span<const TokenId> tokens);

    /// Erases all letters of one token. Returns how many there were.
    Result<std::uint64_t> erase(TokenId token);

    struct Trimmed {
        std::uint64_t letters = 0;  ///< how many were dropped
        WallTime oldest;            ///< when the oldest of them died
    };
    /// Drops letters that died more than `max_age` ago, except those being replayed. No other
    /// letter is ever dropped without an operator.
    virtual Result<Trimmed> drop_older(Milliseconds max_age, WallTime now) = 0;

    /// Number of letters, including those being replayed.
    virtual std::uint64_t size() const = 0;
    /// Number of letters that are not being replayed, and the bytes of their records.
    struct Size {
        std::uint64_t letters = 0;
        std::uint64_t bytes = 0;
    };
    virtual Size kept() const = 0;
    /// Returns seq and token of each letter, in the order of their seqs.
    virtual std::vector<std::pair<Seq, TokenId>> all() const = 0;

    /// Returns the books of the queue, which count these events as died, corrected by what became
    /// of the letters: `dead` and `expired` are then those that are still here.
    virtual core::Ledger corrected(core::Ledger ledger) const = 0;

    /// Number of letters that are in the books but not in the file, because it was lost, cut short
    /// or damaged, or comes from another time. `ledger`: ledger of the queue.
    std::uint64_t missing(const core::Ledger& ledger) const;
    /// Returns the missing letters as a loss that can be booked. The file knew which of them died
    /// and which expired: they count as dead as far as the books have dead ones.
    core::Loss missing_loss(const core::Ledger& ledger) const;

    /// Rewrites the file if it was damaged when it was opened, as each start would report that. To
    /// be called when its missing letters are booked as lost.
    virtual Result<void> drop_damage() = 0;

    /// Called at a clean shutdown: allows to tell damage in the last record from a torn write.
    /// Errors can be ignored.
    virtual Result<void> confirm() = 0;
};

/// Returns the books of a queue, corrected by the changes in a file that was inspected.
core::Ledger corrected(core::Ledger ledger, const DeadLetters::Contents& contents);

/// Number of missing letters; see DeadLetters::missing(). `corrected`: the result of corrected().
/// `letters`: number of letters in the file, without those whose events are still queued.
std::uint64_t missing_letters(const core::Ledger& corrected, std::uint64_t letters) noexcept;

}  // namespace flowrelay::storage
