// The file with the anchor of the timeline: 80 bytes, replaced as a whole (docs/spool-format.md).
//
// All calls block. One thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "flowrelay/base/error.hpp"
#include "flowrelay/core/timeline.hpp"
#include "flowrelay/storage/file_system.hpp"

namespace flowrelay::storage {

inline constexpr std::size_t clock_file_size = 80;

std::array<std::uint8_t, clock_file_size> encode(const core::ClockAnchor& anchor);
/// Returns nothing if the bytes are not a valid anchor.
std::optional<core::ClockAnchor> decode_clock(std::span<const std::uint8_t> bytes);

/// Returns nothing if there is no file or its content is invalid: the timeline then starts with the
/// wall clock.
Result<std::optional<core::ClockAnchor>> read_clock(FileSystem& file_system,
                                                    const std::string& path);

/// Replaces the file. Returns when it is durable.
Result<void> write_clock(FileSystem& file_system, const std::string& path,
                         const core::ClockAnchor& anchor);

}  // namespace flowrelay::storage
