// Ids that producers chose, many of them, in the form that they have in the journal of known ids:
// an id takes a third of the memory that it would take as a string of its own.
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

    /// Of more than `limit` only the newest are kept, or a few more.
    explicit IdRows(std::size_t limit);

    /// `known.id` is not longer than max_id_length.
    void add(const KnownId& known);

    std::size_t size() const noexcept { return size_; }

    /// Oldest first, as they were added; the first `skip` are left out.
    void for_each(const Use& use, std::size_t skip = 0) const;

    /// Takes out the rows of some thousands of them, the oldest; empty when there are none.
    std::vector<std::uint8_t> take();

    /// Reads rows; what is behind the last whole one is passed over.
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
