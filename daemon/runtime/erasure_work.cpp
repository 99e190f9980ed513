#include "flowrelay/runtime/erasure_work.hpp"

#include "flowrelay/runtime/storage_work.hpp"

namespace flowrelay::runtime {

std::optional<Error> ErasureWork::step(Stores& stores) {
    if (running_.empty()) {
        if (!waiting_.empty()) begin(stores);
        return std::nullopt;
    }
    if (!erased_) {
        auto done = stores.queue->erase_some();
        if (done.has_error()) {
            end(done.error());
            return done.error();
        }
        if (!*done) return std::nullopt;
        erased_.emplace();
        count(**done);
        // Last: what was dying when the erasure began may have become a letter meanwhile.
        stores.dead_letters->begin_erasure(tokens_);
        return std::nullopt;
    }
    auto letters = stores.dead_letters->erase_some();
    if (letters.has_error()) {
        end(letters.error());
    } else if (*letters) {
        erased_->dead_letters = std::move(**letters);
        end(std::move(*erased_));
    }
    return std::nullopt;
}

void ErasureWork::begin(Stores& stores) {
    running_ = std::exchange(waiting_, {});
    tokens_.clear();
    for (const Erasure& erasure : running_) {
        tokens_.insert(tokens_.end(), erasure.tokens.begin(), erasure.tokens.end());
    }
    stores.queue->begin_erasure(tokens_);
}

/// What belongs to tokens that are not erased just now waits for their turn.
void ErasureWork::count(const std::map<TokenId, std::uint64_t>& events) {
    for (const auto& [token, settled] : events) settled_before_[token] += settled;
    for (const TokenId token : tokens_) {
        const auto settled = settled_before_.find(token);
        if (settled != settled_before_.end()) erased_->events.insert(*settled);
    }
}

void ErasureWork::end(const Result<StorageMailbox::Erased>& result) {
    for (Erasure& erasure : running_) {
        completions_.push_back([done = std::move(erasure.done), result] { done(result); });
    }
    if (result.has_value()) {
        for (const TokenId token : tokens_) settled_before_.erase(token);
    }
    running_.clear();
    erased_.reset();
}

}  // namespace flowrelay::runtime
