// The set of tokens with records in a segment, so that erasure knows which segments to read.
#pragma once

#include <algorithm>
#include <unordered_set>
#include <vector>

#include "flowrelay/base/ids.hpp"

namespace flowrelay::storage {

class TokenSet {
public:
    void add(TokenId token) {
        if (token == last_ && !tokens_.empty()) return;  // events of one token come in runs
        last_ = token;
        tokens_.insert(token);
    }
    bool contains(TokenId token) const { return tokens_.contains(token); }

    /// Returns the tokens in ascending order.
    std::vector<TokenId> sorted() const {
        std::vector<TokenId> all(tokens_.begin(), tokens_.end());
        std::ranges::sort(all);
        return all;
    }

private:
    std::unordered_set<TokenId> tokens_;
    TokenId last_ = TokenId::none;
};

}  // namespace flowrelay::storage
