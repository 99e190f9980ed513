// Carries out requested erasures, one at a time, each for a set of tokens, in pieces between other
// work of the storage thread.
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

    /// Queues an erasure. Those queued while another is in progress are carried out together.
    void add(Erasure erasure) { waiting_.push_back(std::move(erasure)); }

    bool has_work() const noexcept {
        return !running_.empty() || !waiting_.empty() || !completions_.empty();
    }

    /// Does one bounded piece of work.
    void step(storage::Spool& spool);

    /// Returns the completions to run on the I/O thread, and forgets them.
    Completions take_completions() { return std::exchange(completions_, {}); }

private:
    void begin(storage::Spool& spool);
    void end(const Result<StorageMailbox::Erased>& result);

    std::vector<Erasure> waiting_;
    std::vector<Erasure> running_;
    Completions completions_;
};

}  // namespace flowrelay::runtime
