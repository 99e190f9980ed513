// Many ids chosen by producers, stored as rows of the known-ids journal: a row takes a third of the
// memory of a separate string.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <vector>

#include "flowrelay/storage/event_queue.hpp"

namespace flowrelay::storage {

class IdRows {
public:
    using KnownId = EventQueue::KnownId;
    using Use = std::function<void(const KnownId&)>;

    static constexpr std::size_t max_id_length = 255;

    /// Keeps the newest `limit` ids, or a few more.
    explicit IdRows(std::size_t limit);

    /// `known.id` is not longer than max_id_length.
    void add(const KnownId& known);

    std::size_t size() const noexcept { return size_; }

    /// Passes all ids to `use` in the order in which they were added, except the first `skip`.
    void for_each(const Use& use, std::size_t skip = 0) const;

    /// Removes and returns the rows of the oldest few thousand ids; empty when there are none.
    std::vector<std::uint8_t> take();

    /// Reads rows. Ignores what follows the last whole row.
    static void read(std::span<const std::uint8_t> rows, const Use& use);

private:
    struct Portion {
        std::size_t ids = 0;
        std::vector<std::uint8_t> rows;
    };

    std::size_t limit_;
    std::size_t in_portion_;
    std::size_t size_ = 0;
    std::deque<Portion> portions_;
};

}  // namespace flowrelay::storage
