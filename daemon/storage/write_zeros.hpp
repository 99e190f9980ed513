#pragma once

#include <cstdint>

#include "flowrelay/storage/file_system.hpp"
#include "segment.hpp"

namespace flowrelay::storage {

/// Fills a part of a file with zeros. Not synced.
Result<void> write_zeros(File& file, std::uint64_t offset, std::uint64_t bytes);

/// Fills the blocks behind `end` with zeros, for many commits at once: the first write to a block
/// makes its sync write metadata of the file system as well. Only speed is at stake.
void write_ahead(Segment& segment, std::uint64_t end);

}  // namespace flowrelay::storage
