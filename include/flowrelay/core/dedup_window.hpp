// Remembers the ids from producers for a limited time and in bounded memory, so that an event
// submitted twice is accepted once. Owned by one thread.
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
    /// A `window` of zero turns it off. Keeps at most `max_entries`: if there are more, drops the
    /// oldest early. An entry costs about 50 bytes and contains a 128-bit hash of the id
    /// (collisions are not handled).
    DedupWindow(Milliseconds window, std::size_t max_entries);

    /// Changes the window, also for ids already remembered; zero forgets everything.
    void set_window(Milliseconds window);

    /// Returns whether this id was remembered for this token less than a window ago.
    bool contains(TokenId token, std::string_view id, WallTime now);

    /// Remembers an id. `accepted` may be in the past (recovery); successive values do not decrease
    /// by much.
    void remember(TokenId token, std::string_view id, WallTime accepted);

    /// Forgets one id (its commit failed), or all ids of tokens (they were erased).
    void forget(TokenId token, std::string_view id);
    void forget(const std::unordered_set<TokenId>& tokens);

    /// Returns the tokens for which ids are remembered. O(ids).
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

    // A slot holds the number of an entry, counted from 1 since the table was rebuilt; 0 is an
    // empty slot.
    Entry& entry_in(std::size_t slot) noexcept { return order_[table_[slot] - first_]; }
    std::size_t slot_of(const Key& key) noexcept;
    void insert(const Key& key, std::uint32_t number) noexcept;
    void empty_slot(std::size_t slot) noexcept;
    void make_table();
    void trim(WallTime now);

    Milliseconds window_;
    std::size_t max_entries_;
    std::deque<Entry> order_;  ///< in order of remembering; forgotten ids stay until they expire
    std::uint32_t first_ = 1;  ///< number of its first entry
    std::vector<std::uint32_t> table_;  ///< open addressing; a power of two, or empty
    std::size_t known_ = 0;             ///< slots in use
};

}  // namespace flowrelay::core
