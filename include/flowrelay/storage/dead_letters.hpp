// Events that could not be delivered, with the reason, until an operator replays or drops them. A
// journal file of records, mode 0600.
//
// All calls block and come from one thread (the storage thread). A change is durable when its call
// returns.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/log.hpp"
#include "flowrelay/storage/event_queue.hpp"
#include "flowrelay/storage/file_system.hpp"
#include "flowrelay/storage/record_journal.hpp"

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
    };
    static Result<Contents> inspect(FileSystem& file_system, const std::string& path);

    /// Adds letters, in one sync. One that is there already (same seq) is replaced: after a crash
    /// between this and the outcome in the log the event is delivered or dies again.
    virtual Result<void> add(std::span<const DeadLetter> letters) = 0;

    /// Without bodies: seq, token, outcome, died, reason; oldest first, at most `limit`.
    virtual std::vector<DeadLetter> list(std::size_t limit) const = 0;
    virtual Result<DeadLetter> read(Seq seq) = 0;

    /// Takes letters out; unknown seqs are passed over. Gives how many were there.
    virtual Result<std::uint64_t> remove(std::span<const Seq> seqs) = 0;

    /// Takes all of a token out and rewrites the file, so that none of their bytes is left.
    virtual Result<std::uint64_t> erase(TokenId token) = 0;

    virtual std::uint64_t size() const = 0;
};

}  // namespace flowrelay::storage
