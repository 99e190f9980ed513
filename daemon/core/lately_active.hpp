// The two tokens that did something last, and when: whether others than one of them have. Pure.
#pragma once

#include "flowrelay/base/ids.hpp"

namespace flowrelay::core::scheduling {

template <class When>
class LatelyActive {
public:
    void note(TokenId token, When when) noexcept {
        if (token != last_.token) before_ = last_;
        last_ = {token, when};
    }
    bool has(TokenId token, When since) const noexcept {
        const Entry& entry = token == last_.token ? last_ : before_;
        return entry.token == token && entry.when >= since;
    }
    bool others(TokenId token, When since) const noexcept {
        const Entry& other = token == last_.token ? before_ : last_;
        return other.token != TokenId::none && other.when >= since;
    }

private:
    struct Entry {
        TokenId token = TokenId::none;
        When when{};
    };
    Entry last_;
    Entry before_;
};

}  // namespace flowrelay::core::scheduling
