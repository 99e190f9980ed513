// Stores the dead_letters.max_age last in force in the state directory. A shorter age in the
// configuration would drop dead letters, so it takes effect by a reload, which asks for
// confirmation, and not by a restart.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/storage/file_system.hpp"

namespace flowrelay::app {

/// Range of dead_letters.max_age.
inline constexpr Milliseconds shortest_letter_age = std::chrono::hours(1);
inline constexpr Milliseconds longest_letter_age = std::chrono::hours(24) * 3650;

std::string letter_age_file(const std::string& state_directory);

/// Returns the age that was last written; nothing if there is none. An invalid file counts as the
/// longest age that can be configured, with which nothing is dropped.
Result<std::optional<Milliseconds>> read_letter_age(storage::FileSystem& file_system,
                                                    const std::string& state_directory);

/// Replaces the stored age, durably.
Result<void> write_letter_age(storage::FileSystem& file_system, const std::string& state_directory,
                              Milliseconds age);

/// Returns a function that writes an age if it differs from the previous one. Call the function
/// before letters are dropped by that age; if it fails, no letter may be dropped.
std::function<Result<void>(Milliseconds)> letter_age_keeper(storage::FileSystem& file_system,
                                                            std::string state_directory);

/// Returns the age limit to use after a start: `configured`, unless the previous limit `before` was
/// longer and `configured` would drop the oldest letter, whose age is `oldest`.
Milliseconds letter_age_at_start(Milliseconds configured, std::optional<Milliseconds> before,
                                 std::optional<Milliseconds> oldest) noexcept;

}  // namespace flowrelay::app
