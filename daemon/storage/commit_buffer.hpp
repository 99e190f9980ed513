// The records of one commit, as far as one segment takes them: outcomes, and events behind them.
// No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "flowrelay/core/stored_event.hpp"
#include "segment.hpp"

namespace flowrelay::storage {

class CommitBuffer {
public:
    /// How much of what there was it holds; nothing of it when the segment has no room.
    struct Part {
        std::size_t outcomes = 0;
        std::size_t events = 0;
        std::size_t bytes = 0;
    };

    /// Encodes what fits behind the end of `segment`, as its next commit, in the place of what was
    /// encoded before. Events only when all outcomes fit; the first of them is `first`.
    Part encode(const Segment& segment, std::span<const core::Settlement> outcomes,
                std::span<const core::EventRecord> events, Seq first);

    /// The records, until the next call of encode().
    std::span<const std::uint8_t> bytes() const noexcept {
        return std::span(buffer_).first(part_.bytes);
    }

private:
    std::vector<std::uint8_t> buffer_;  // never shrinks: a commit is much like the one before
    Part part_;
};

}  // namespace flowrelay::storage
