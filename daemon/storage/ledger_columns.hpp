// The columns of the ledger in the order in which files store them. docs/spool-format.md says
// where.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "flowrelay/base/bytes.hpp"
#include "flowrelay/core/ledger.hpp"

namespace flowrelay::storage {

inline constexpr std::array ledger_columns = {
    &core::Ledger::accepted, &core::Ledger::delivered, &core::Ledger::dead, &core::Ledger::expired,
    &core::Ledger::erased,   &core::Ledger::dropped,   &core::Ledger::lost,
};

/// Number of columns in the first version: `lost` has a place of its own in a segment header.
inline constexpr std::size_t first_ledger_columns = 6;

/// Writes the first `count` columns, 8 bytes each.
inline void store_ledger(std::uint8_t* out, const core::Ledger& ledger,
                         std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) store_le(out + 8 * i, ledger.*ledger_columns[i]);
}

/// Reads the first `count` columns; leaves the others unchanged.
inline void load_ledger(const std::uint8_t* in, core::Ledger& ledger, std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
        ledger.*ledger_columns[i] = load_le<std::uint64_t>(in + 8 * i);
    }
}

}  // namespace flowrelay::storage
