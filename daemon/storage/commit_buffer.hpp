// The records of one commit that fit into one segment: outcomes, then events. No I/O.
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
    /// What was encoded; all zero if the segment has no room.
    struct Part {
        std::size_t outcomes = 0;
        std::size_t events = 0;
        std::size_t bytes = 0;
    };

    /// Encodes the next commit of `segment`: as many records as fit after its end. Replaces what
    /// was encoded before. Adds events only if all outcomes fit; the first event gets the seq
    /// `first`.
    Part encode(const Segment& segment, std::span<const core::Settlement> outcomes,
                std::span<const core::EventRecord> events, Seq first);

    /// Returns the records, valid until the next call of encode().
    std::span<const std::uint8_t> bytes() const noexcept {
        return std::span(buffer_).first(part_.bytes);
    }

private:
    std::vector<std::uint8_t> buffer_;  // never shrinks: commits are of similar size
    Part part_;
};

}  // namespace flowrelay::storage
