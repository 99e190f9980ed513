// Files that hold a secret: one line that nobody else may read.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/secret.hpp"

namespace flowrelay::app {

/// Whether the mode of the file is looked at: systemd has closed the directory of its credentials
/// to others, and the mode of the files in there differs by its version.
enum class FileMode { checked, any };

struct SecretRules {
    std::string_view name;  ///< "token": what the file holds, for messages
    std::size_t longest = 1024;
    bool spaces = false;  ///< also spaces and what is not ASCII: passwords, not tokens
};

/// What is in the file without the line breaks at its end, one line.
/// Error: it can't be read, is not a regular file, has a mode beyond 0640, or something else in it.
/// The message is the rest of a sentence about the file and never repeats what was read.
Result<Secret> read_secret_file(const std::string& path, FileMode mode, SecretRules rules);

/// The same rules for a secret that comes from elsewhere.
Result<Secret> check_secret(std::string_view text, SecretRules rules);

/// What systemd takes as the name of a credential and is a file in its directory.
bool is_credential_name(std::string_view name);

/// The path of a systemd credential. Error: the process has no credentials.
Result<std::string> credential_path(const std::string& name);

}  // namespace flowrelay::app
