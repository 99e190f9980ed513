// Checks a whole spool without changing anything, for `flowrelay spool verify`. Reads every segment
// by the rules of recovery (docs/spool-format.md, "Recovery") and compares indexes, registry, dead
// letters and books with it.
//
// One thread; blocks while it reads. Nothing may write to the spool meanwhile: check_spool() fails
// if its lock is held, before or after the check.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/ledger.hpp"
#include "flowrelay/core/stored_event.hpp"
#include "flowrelay/storage/file_system.hpp"

namespace flowrelay::storage {

/// A file of the spool.
struct SpoolFile {
    enum class Kind {
        segment,
        index,
        spare,
        registry,
        dead_letters,
        known_ids,
        quarantined,  ///< a copy of bytes that a start found damaged
        leftover,     ///< left by an interrupted operation: the next start removes it
        foreign,      ///< not a file of flowrelay
    };
    std::string name;  ///< relative to the state directory: "spool/000000000001.seg"
    Kind kind = Kind::foreign;
    std::uint64_t bytes = 0;
    std::uint64_t events = 0;    ///< segment: event records; index: rows
    std::uint64_t queued = 0;    ///< segment: events that are not settled
    std::uint64_t outcomes = 0;  ///< segment: outcomes in it
    std::uint64_t entries = 0;   ///< registry: tokens; dead letters: letters
    std::string note = {};       ///< a remark that is not damage; may be empty
};
std::string_view to_string(SpoolFile::Kind kind) noexcept;

/// Damage: something is not what was written.
struct SpoolDamage {
    std::string file;
    std::optional<std::uint64_t> offset;  ///< none: the whole file
    std::uint64_t bytes = 0;
    std::uint64_t missing = 0;  ///< events that were in it, as far as the seqs show
    std::string reason;         ///< what is damaged, and what that means
};

/// The queued events of one token.
struct SpoolQueue {
    TokenId token = TokenId::none;
    std::optional<core::TokenEntry::State> state;  ///< none: the token is not in the registry
    std::string source;                            ///< empty: the token has no source
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;  ///< size of the records
    Seq first = Seq::none;
    WallTime oldest = WallTime::max();
};

struct SpoolReport {
    std::vector<SpoolFile> files;  ///< sorted by kind and name
    std::vector<SpoolDamage> damage;
    std::vector<SpoolQueue> queues;  ///< sorted by token
    /// The books that `status` shows after the next start: balanced, and corrected by those of the
    /// dead letters.
    core::Ledger ledger;
    /// Queued events that the books count as settled; the next start takes their outcomes out of
    /// the books.
    core::Ledger::Returned returned;
    std::uint64_t queued = 0;
    std::uint64_t letters = 0;
    std::uint64_t missing_letters = 0;  ///< letters that are in the books but not in the file
    std::uint64_t bytes = 0;            ///< size of all files
    WallTime oldest = WallTime::max();  ///< when the oldest queued event was accepted
    /// Queued events that can't be delivered any more: those that are in no file, and those without
    /// contents. `missing` of SpoolDamage may count settled events too.
    std::uint64_t lost = 0;
    bool lost_is_known = true;  ///< false: the newest segment is damaged, `lost` may be higher
    /// Never negative: events in excess of the books are in `returned`.
    std::int64_t unaccounted() const noexcept { return ledger.unaccounted(queued); }
};

/// Checks the spool in a state directory (`spool.directory`). Errors: it does not exist or can't be
/// read, a running process uses it, or a file has a newer format.
Result<SpoolReport> check_spool(FileSystem& file_system, const std::string& state_directory);

}  // namespace flowrelay::storage
