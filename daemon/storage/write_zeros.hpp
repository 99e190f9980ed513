#pragma once

#include <cstdint>

#include "flowrelay/storage/file_system.hpp"
#include "segment.hpp"

namespace flowrelay::storage {

/// Fills a part of a file with zeros. Does not sync.
Result<void> write_zeros(File& file, std::uint64_t offset, std::uint64_t bytes);

/// Fills blocks after `end` with zeros, for many commits at once: the first write to a block makes
/// its sync write file system metadata too. Only an optimization.
void write_ahead(Segment& segment, std::uint64_t end);

}  // namespace flowrelay::storage
