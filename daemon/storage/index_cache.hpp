// The blocks of indexes that were read last, for all indexes of a log together: what is settled and
// what is looked for lies in a few places of a large backlog at a time.
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
        std::uint64_t owner = 0;  ///< 0: nothing is in it
        std::size_t number = 0;
        std::unique_ptr<Block> block;

        bool holds(std::uint64_t wanted_owner, std::size_t wanted) const noexcept {
            return owner == wanted_owner && number == wanted;
        }
    };

    /// Takes up to so many blocks of memory, when they are used; > 0.
    explicit IndexCache(std::size_t blocks) : slots_(blocks) {}

    /// For an index: tells its blocks from those of all others.
    std::uint64_t new_owner() noexcept { return ++last_owner_; }

    /// Where the block of an owner belongs. Another one may be there.
    Slot& slot(std::uint64_t owner, std::size_t number) noexcept {
        // Neighbours do not push each other out.
        return slots_[(owner * 0x9E3779B97F4A7C15U + number) % slots_.size()];
    }

private:
    std::vector<Slot> slots_;
    std::uint64_t last_owner_ = 0;
};

}  // namespace flowrelay::storage
