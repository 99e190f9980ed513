// Cache of the index blocks read last, shared by all indexes of a log: at any time, only a few
// places of a large backlog are settled and searched.
//
// Used by one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace flowrelay::storage {

inline constexpr std::size_t index_block_size = 4096;

class IndexCache {
public:
    using Block = std::array<std::uint8_t, index_block_size>;

    struct Slot {
        std::uint64_t owner = 0;  ///< 0: the slot is empty
        std::size_t number = 0;
        std::unique_ptr<Block> block;

        bool holds(std::uint64_t wanted_owner, std::size_t wanted) const noexcept {
            return owner == wanted_owner && number == wanted;
        }
    };

    /// `blocks`: capacity, > 0. Memory is allocated as blocks are used.
    explicit IndexCache(std::size_t blocks) : slots_(blocks) {}

    /// Returns a new owner number, which identifies the blocks of one index.
    std::uint64_t new_owner() noexcept { return ++last_owner_; }

    /// Returns the slot for a block of an owner. It may contain another block.
    Slot& slot(std::uint64_t owner, std::size_t number) noexcept {
        // Neighbouring blocks do not evict each other.
        return slots_[(owner * 0x9E3779B97F4A7C15U + number) % slots_.size()];
    }

private:
    std::vector<Slot> slots_;
    std::uint64_t last_owner_ = 0;
};

}  // namespace flowrelay::storage
