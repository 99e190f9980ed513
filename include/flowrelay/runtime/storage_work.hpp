// Carries out what was asked of the disk: batches of mail become calls of the spool, and their
// results completions. It has no thread and no clock of its own: the storage thread calls it, and
// so does the simulation, on a simulated disk. What the spool does, and in which order it writes,
// is decided in storage/spool.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "flowrelay/core/letter_room.hpp"
#include "flowrelay/runtime/erasure_work.hpp"
#include "flowrelay/runtime/storage_mailbox.hpp"
#include "flowrelay/storage/spool.hpp"

namespace flowrelay::runtime {

/// Owned by one thread. All calls block.
class StorageWork {
public:
    using Mail = StorageMailbox::Mail;
    using Completions = std::vector<std::function<void()>>;

    explicit StorageWork(std::unique_ptr<storage::Spool> spool) : spool_(std::move(spool)) {}

    /// In one go (group commit): tokens, then events and outcomes with one sync, then dead letters,
    /// reads, erasures. Gives what is to be run on the I/O thread. With empty mail: what failed
    /// before is tried again.
    Completions carry_out(Mail mail);

    /// Does a piece of the work that can wait: erasures, then what the queue has to do. Returns
    /// whether there is more, or a completion that the next carry_out() returns.
    bool maintain();

    /// For a clean end, after the last carry_out().
    void end() { spool_->confirm(); }

    storage::Spool& spool() const noexcept { return *spool_; }

private:
    void put_tokens(Mail& mail, Completions& completions);
    void commit(Mail& mail, Completions& completions);
    void drop_older(Mail::DropOlder& asked, Completions& completions);
    void report_letters(Completions& completions);
    void report_buried(Completions& completions);

    std::unique_ptr<storage::Spool> spool_;
    ErasureWork erasures_;
    std::vector<core::EventRecord> records_;
    StorageMailbox::LettersChanged letters_changed_;
    StorageMailbox::LettersBuried letters_buried_;
    core::LetterUsage told_;
};

}  // namespace flowrelay::runtime
