#pragma once

#include <cstdint>

#include "flowrelay/storage/file_system.hpp"

namespace flowrelay::storage {

/// Fills a part of a file with zeros. Not synced.
Result<void> write_zeros(File& file, std::uint64_t offset, std::uint64_t bytes);

}  // namespace flowrelay::storage
