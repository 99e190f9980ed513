// Reads files that contain one secret on one line and are not readable by others.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/secret.hpp"

namespace flowrelay::app {

/// Whether to check the mode of the file. `any` is for systemd credentials: their directory is
/// closed to others, and the mode of the files depends on systemd's version.
enum class FileMode { checked, any };

struct SecretRules {
    std::string_view name;  ///< what the file contains, for messages: "token"
    std::size_t longest = 1024;
    bool spaces = false;  ///< allow spaces and non-ASCII characters, as in passwords
};

/// Returns the one line in the file, without trailing line breaks. Error: the file can't be read,
/// is not a regular file, has a mode beyond 0640, or has invalid contents. The message completes a
/// sentence about the file and never repeats the contents.
Result<Secret> read_secret_file(const std::string& path, FileMode mode, SecretRules rules);

/// Checks a secret that does not come from a file against `rules`, without trailing line breaks.
Result<Secret> check_secret(std::string_view text, SecretRules rules);

/// Returns whether systemd accepts `name` for a credential, and it names a file in the credentials
/// directory.
bool is_credential_name(std::string_view name);

/// Returns the path of a systemd credential. Error: the process has no credentials.
Result<std::string> credential_path(const std::string& name);

}  // namespace flowrelay::app
