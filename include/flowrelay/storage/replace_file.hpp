// Replaces a small file as a whole.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "flowrelay/storage/file_system.hpp"

namespace flowrelay::storage {

/// Replaces the content of `path` with these bytes, by way of `path`.tmp. Returns once it is
/// durable; a crash leaves the old file or the new one.
Result<void> replace_file(FileSystem& file_system, const std::string& path,
                          std::span<const std::uint8_t> bytes);

}  // namespace flowrelay::storage
