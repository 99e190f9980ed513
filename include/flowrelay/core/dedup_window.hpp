// Remembers, for a while and in bounded memory, which ids producers have chosen, so that an event
// handed in twice is accepted once. Owned by one thread.
#pragma once

#include <cstddef>
#include <deque>
#include <string_view>
#include <unordered_set>

#include "flowrelay/base/ids.hpp"

namespace flowrelay::core {

class DedupWindow {
public:
    /// `window` zero turns it off. At most `max_entries` are kept: when there are more, the oldest
    /// go before their time (16 bytes of hash each; a collision of 128 bits is not provided for).
    DedupWindow(Milliseconds window, std::size_t max_entries);

    void set_window(Milliseconds window);

    /// Whether this id was remembered for this token less than a window ago.
    bool contains(TokenId token, std::string_view id, WallTime now);

    /// Remembers it. `accepted` may lie in the past (recovery) and does not go back by much.
    void remember(TokenId token, std::string_view id, WallTime accepted);

    /// Forgets one id (its commit failed) or all of a token (it was erased).
    void forget(TokenId token, std::string_view id);
    void forget(TokenId token);

    std::size_t size() const noexcept { return keys_.size(); }

private:
    struct Key {
        TokenId token;
        std::uint64_t a, b;
        friend bool operator==(const Key&, const Key&) = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const noexcept;
    };
    struct Entry {
        Key key;
        WallTime until;
    };
    static Key key_of(TokenId token, std::string_view id) noexcept;
    void trim(WallTime now);

    Milliseconds window_;
    std::size_t max_entries_;
    std::deque<Entry> order_;
    std::unordered_set<Key, KeyHash> keys_;
};

}  // namespace flowrelay::core
