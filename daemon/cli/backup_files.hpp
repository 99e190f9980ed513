// What a backup consists of: DIR/state, DIR/files and DIR/manifest.json (docs/hosts.md).
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

/// A file of the configuration, as the manifest has it.
struct BackupFile {
    std::string path;    ///< where it was: absolute
    std::string copy;    ///< where it is in the backup, below DIR
    mode_t mode = 0600;  ///< without a mode in the manifest: private
    std::string owner;   ///< a user; empty: unknown
    std::string group;   ///< empty: unknown
    friend bool operator==(const BackupFile&, const BackupFile&) = default;

    /// Whether others than its owner and its group can't read it.
    bool is_private() const noexcept { return (mode & 0004U) == 0; }
};

/// Reads the manifest of a backup.
Result<boost::json::object> read_manifest(const std::string& directory);

/// Returns the files of the configuration that a manifest names. Error: one of them is none that a
/// backup can have, its mode included; then nothing should be restored.
Result<std::vector<BackupFile>> files_of(const boost::json::object& manifest);

/// Reads a mode as the manifest has it, "0640". Nothing: it is no mode of a file with settings or
/// secrets.
std::optional<mode_t> parse_mode(std::string_view text) noexcept;

struct CopyContents {
    std::string text;    ///< what is in it
    std::string damage;  ///< the first place, if there is one
};

/// Reads a copy of a state directory as `spool verify` does.
Result<CopyContents> look_at_copy(const std::string& state);

/// An error if a daemon has the state directory.
Result<void> refuse_if_in_use(const std::string& state);

/// Writes a file of one line, mode 0600.
Result<void> write_text(const std::string& path, const std::string& text);

/// An error with a sentence for people.
Error failure(std::string message);

/// Says what went wrong; returns how `backup` and `restore` end when they have done nothing.
ExitCode give_up(const Error& error);

}  // namespace flowrelay::cli
