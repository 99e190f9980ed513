// The anchor of the timeline: a file of 80 bytes, replaced as a whole (docs/spool-format.md).
//
// All calls block and come from one thread at a time.
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
/// Nothing if the bytes are not those of an anchor.
std::optional<core::ClockAnchor> decode_clock(std::span<const std::uint8_t> bytes);

/// Nothing if there is no file or it can't be used: the timeline then begins with the wall clock.
Result<std::optional<core::ClockAnchor>> read_clock(FileSystem& file_system,
                                                    const std::string& path);

/// Returns when it is durable.
Result<void> write_clock(FileSystem& file_system, const std::string& path,
                         const core::ClockAnchor& anchor);

}  // namespace flowrelay::storage
