// Remembers, for a while and in bounded memory, which ids producers have chosen, so that an event
// handed in twice is accepted once. Owned by one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::core {

class DedupWindow {
public:
    /// `window` zero turns it off. At most `max_entries` are kept: when there are more, the oldest
    /// go before their time. An entry costs about 50 bytes, of which the id is a hash of 128 bits
    /// (a collision is not provided for).
    DedupWindow(Milliseconds window, std::size_t max_entries);

    /// Holds for what is remembered already, too; zero forgets everything.
    void set_window(Milliseconds window);

    /// Whether this id was remembered for this token less than a window ago.
    bool contains(TokenId token, std::string_view id, WallTime now);

    /// Remembers it. `accepted` may lie in the past (recovery) and does not go back by much.
    void remember(TokenId token, std::string_view id, WallTime accepted);

    /// Forgets one id (its commit failed) or all of a token (it was erased).
    void forget(TokenId token, std::string_view id);
    void forget(const std::unordered_set<TokenId>& tokens);

    /// The tokens that an id is remembered for. O(ids).
    std::unordered_set<TokenId> tokens(WallTime now) const;

    std::size_t size() const noexcept { return known_; }

private:
    struct Key {
        std::uint64_t low;
        std::uint64_t high;
        friend bool operator==(const Key&, const Key&) = default;
    };
    struct Entry {
        Key key;
        TokenId token;
        WallTime accepted;  ///< WallTime::min(): forgotten
    };
    static Key key_of(TokenId token, std::string_view id) noexcept;

    // Slots hold the number of an entry: how many came before it since the table was made anew,
    // from 1 on; 0 is an empty slot.
    Entry& entry_in(std::size_t slot) noexcept { return order_[table_[slot] - first_]; }
    std::size_t slot_of(const Key& key) noexcept;
    void insert(const Key& key, std::uint32_t number) noexcept;
    void empty_slot(std::size_t slot) noexcept;
    void make_table();
    void trim(WallTime now);

    Milliseconds window_;
    std::size_t max_entries_;
    std::deque<Entry> order_;  ///< as remembered; forgotten ids stay until their time is over
    std::uint32_t first_ = 1;  ///< number of its first entry
    std::vector<std::uint32_t> table_;  ///< open addressing; a power of two, or empty
    std::size_t known_ = 0;             ///< slots in use
};

}  // namespace flowrelay::core
