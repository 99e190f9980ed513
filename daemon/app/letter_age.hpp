// The dead_letters.max_age that was in force last, kept in the state directory. Dead letters over
// that age are dropped, so a configuration with a shorter one has to be told to: by a reload, which
// asks, and not by a restart.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/storage/file_system.hpp"

namespace flowrelay::app {

/// What dead_letters.max_age may be.
inline constexpr Milliseconds shortest_letter_age = std::chrono::hours(1);
inline constexpr Milliseconds longest_letter_age = std::chrono::hours(24) * 3650;

std::string letter_age_file(const std::string& state_directory);

/// The age that was written last; nothing when none was. A file that makes no sense counts as the
/// longest age that can be configured, with which nothing is dropped.
Result<std::optional<Milliseconds>> read_letter_age(storage::FileSystem& file_system,
                                                    const std::string& state_directory);

/// Writes it durably, in the place of the former one.
Result<void> write_letter_age(storage::FileSystem& file_system, const std::string& state_directory,
                              Milliseconds age);

/// A function that writes an age when it is another than the last. To be called before letters are
/// dropped by it: when it fails nothing may be dropped.
std::function<Result<void>(Milliseconds)> letter_age_keeper(storage::FileSystem& file_system,
                                                            std::string state_directory);

/// The age to drop letters by after a start: `configured`, unless one in force before was longer
/// and the oldest letter, which is `oldest` old, would be dropped by the shorter one.
Milliseconds letter_age_at_start(Milliseconds configured, std::optional<Milliseconds> before,
                                 std::optional<Milliseconds> oldest) noexcept;

}  // namespace flowrelay::app
