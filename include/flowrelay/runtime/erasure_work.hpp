// The erasures that were asked of the disk: one at a time, each of a set of tokens, in pieces
// between other work.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/runtime/storage_mailbox.hpp"

namespace flowrelay::runtime {

/// Owned by the storage thread.
class ErasureWork {
public:
    using Erasure = StorageMailbox::Mail::Erasure;
    using Completions = std::vector<std::function<void()>>;

    /// Adds tokens. They are erased together with others that were added while one was under way.
    void add(Erasure erasure) { waiting_.push_back(std::move(erasure)); }

    bool has_work() const noexcept {
        return !running_.empty() || !waiting_.empty() || !completions_.empty();
    }

    /// Does a bounded piece of work. Returns the queue's error if it had one; whoever asked is told
    /// as well.
    std::optional<Error> step(Stores& stores);

    /// Takes what is to be run on the I/O thread.
    Completions take_completions() { return std::exchange(completions_, {}); }

private:
    void begin(Stores& stores);
    void count(const std::map<TokenId, std::uint64_t>& events);
    void end(const Result<StorageMailbox::Erased>& result);

    std::vector<Erasure> waiting_;
    std::vector<Erasure> running_;
    std::vector<TokenId> tokens_;                   ///< of those that run
    std::optional<StorageMailbox::Erased> erased_;  ///< from the queue: the letters come next
    /// Events that were settled by erasures whose rest failed: for the receipt of the next one.
    std::map<TokenId, std::uint64_t> settled_before_;
    Completions completions_;
};

}  // namespace flowrelay::runtime
