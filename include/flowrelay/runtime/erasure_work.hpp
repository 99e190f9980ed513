// The erasures that were asked of the disk: one at a time, each of a set of tokens, in pieces
// between other work.
#pragma once

#include <functional>
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

    /// Does a bounded piece of work.
    void step(storage::Spool& spool);

    /// Takes what is to be run on the I/O thread.
    Completions take_completions() { return std::exchange(completions_, {}); }

private:
    void begin(storage::Spool& spool);
    void end(const Result<StorageMailbox::Erased>& result);

    std::vector<Erasure> waiting_;
    std::vector<Erasure> running_;
    Completions completions_;
};

}  // namespace flowrelay::runtime
