// The files of a backup: DIR/state, DIR/files and DIR/manifest.json (docs/hosts.md).
#pragma once

#include <sys/types.h>

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/exit_code.hpp"
#include "flowrelay/base/error.hpp"

namespace flowrelay::cli {

inline constexpr int manifest_format = 1;

/// A file of the configuration, as listed in the manifest.
struct BackupFile {
    std::string path;    ///< the original, absolute path
    std::string copy;    ///< its place in the backup, below DIR
    mode_t mode = 0600;  ///< private if the manifest has no mode
    std::string owner;   ///< a user; empty: unknown
    std::string group;   ///< empty: unknown
    friend bool operator==(const BackupFile&, const BackupFile&) = default;

    /// Returns whether only its owner and its group can read it.
    bool is_private() const noexcept { return (mode & 0004U) == 0; }
};

/// Reads the manifest of a backup.
Result<boost::json::object> read_manifest(const std::string& directory);

/// Returns the files of the configuration that a manifest lists. Error: one of them, or its mode,
/// can't be in a backup; then nothing should be restored.
Result<std::vector<BackupFile>> files_of(const boost::json::object& manifest);

/// Parses a mode like "0640" from the manifest. Returns nothing if it is not a mode for files with
/// settings or secrets.
std::optional<mode_t> parse_mode(std::string_view text) noexcept;

struct CopyContents {
    std::string text;    ///< the contents, in words
    std::string damage;  ///< the first damaged place; empty: none
};

/// Reads a copy of a state directory like `spool verify`.
Result<CopyContents> look_at_copy(const std::string& state);

/// Returns an error if a daemon uses the state directory.
Result<void> refuse_if_in_use(const std::string& state);

/// Writes a file of one line, mode 0600.
Result<void> write_text(const std::string& path, const std::string& text);

/// Returns an error whose message is a sentence for users.
Error failure(std::string message);

/// Prints the error and returns the exit code of a `backup` or `restore` that did nothing.
ExitCode give_up(const Error& error);

}  // namespace flowrelay::cli
