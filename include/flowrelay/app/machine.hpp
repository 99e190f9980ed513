// Determines which machine a state directory belongs to. A copy started on another machine would
// deliver everything a second time.
#pragma once

#include <string>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/fingerprint.hpp"
#include "flowrelay/storage/file_system.hpp"

namespace flowrelay::app {

/// Owner of a state directory, according to its file `machine`.
enum class Ownership {
    ours,      ///< this machine, or none yet
    restored,  ///< written by `flowrelay restore`
    moved,     ///< another machine
};

/// Contents of the file `machine` after `flowrelay restore`.
inline constexpr std::string_view restored_mark = "restored";

std::string machine_file(const std::string& state_directory);

/// Reads the owner of a state directory. `id` is this machine's, from machine_id(); if it is empty,
/// the result is never `moved`.
Result<Ownership> find_owner(storage::FileSystem& file_system, const std::string& state_directory,
                             const std::string& id);

/// Writes the id of this machine into the file `machine`, durably, unless it is already there. A
/// machine without an id can claim only a restored directory.
Result<void> claim(storage::FileSystem& file_system, const std::string& state_directory,
                   const std::string& id);

/// Returns a fingerprint of /etc/machine-id (machine-id(5)) with the registry's salt, in
/// hexadecimal digits, since the id itself is confidential. Empty if there is no id.
std::string machine_id(const Salt& salt, const std::string& path = "/etc/machine-id");

}  // namespace flowrelay::app
