// Which machine a state directory belongs to. A copy of it that is started on another machine would
// deliver everything a second time.
#pragma once

#include <string>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/fingerprint.hpp"
#include "flowrelay/storage/file_system.hpp"

namespace flowrelay::app {

/// What the file `machine` of a state directory says.
enum class Ownership {
    ours,      ///< this machine's, or nobody's yet
    restored,  ///< `flowrelay restore` put it here
    moved,     ///< another machine's
};

/// What `flowrelay restore` writes into the file.
inline constexpr std::string_view restored_mark = "restored";

std::string machine_file(const std::string& state_directory);

/// `id`: of this machine (machine_id()); empty: it has none, and no directory is `moved`.
Result<Ownership> find_owner(storage::FileSystem& file_system, const std::string& state_directory,
                             const std::string& id);

/// Writes the id of this machine into the file, durably, unless it is there. A machine without an
/// id takes over a restored directory, and no other.
Result<void> claim(storage::FileSystem& file_system, const std::string& state_directory,
                   const std::string& id);

/// /etc/machine-id (machine-id(5)), as a fingerprint under the salt of the registry, in hexadecimal
/// digits: the id itself is to be kept from others. Empty when there is none.
std::string machine_id(const Salt& salt, const std::string& path = "/etc/machine-id");

}  // namespace flowrelay::app
