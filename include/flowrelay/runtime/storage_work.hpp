// Turns batches of mail into calls of the spool, and their results into completions. It has no
// thread and no clock of its own: the storage thread calls it, and so does the simulation, on a
// simulated disk. What the spool does, and in which order it writes, is decided in storage/spool.
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

    /// Carries out a batch of mail (group commit): tokens, then events and outcomes with one sync,
    /// then dead letters, reads and erasures. Returns the completions to run on the I/O thread.
    /// With empty mail it retries what failed before.
    Completions carry_out(Mail mail);

    /// Does one piece of deferrable work: erasures, then the queue's maintenance. Returns whether
    /// there is more work, or a completion for the next carry_out() to return.
    bool maintain();

    /// Completes a clean shutdown. Call it after the last carry_out().
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
