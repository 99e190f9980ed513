#include "flowrelay/runtime/erasure_work.hpp"

#include "flowrelay/storage/spool.hpp"

namespace flowrelay::runtime {

void ErasureWork::step(storage::Spool& spool) {
    if (running_.empty()) {
        if (!waiting_.empty()) begin(spool);
        return;
    }
    auto done = spool.erase_some();
    if (done.has_error()) {
        end(done.error());
    } else if (*done) {
        end(std::move(**done));
    }
}

void ErasureWork::begin(storage::Spool& spool) {
    running_ = std::exchange(waiting_, {});
    std::vector<TokenId> tokens;
    for (const Erasure& erasure : running_) {
        tokens.insert(tokens.end(), erasure.tokens.begin(), erasure.tokens.end());
    }
    spool.begin_erasure(tokens);
}

void ErasureWork::end(const Result<StorageMailbox::Erased>& result) {
    for (Erasure& erasure : running_) {
        completions_.push_back([done = std::move(erasure.done), result] { done(result); });
    }
    running_.clear();
}

}  // namespace flowrelay::runtime
