// Looks at a whole spool without changing anything: what `flowrelay spool verify` shows. It reads
// every segment with the rules of recovery (docs/spool-format.md, "Recovery") and holds indexes,
// registry, dead letters and books against it.
//
// One thread; blocks while it reads. Nothing may write to the spool meanwhile: check_spool()
// refuses when somebody holds its lock, before and after.
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
        quarantined,  ///< a copy of bytes that were found damaged at some start
        leftover,     ///< of something that was interrupted: the next start removes it
        foreign,      ///< not flowrelay's
    };
    std::string name;  ///< in the state directory: "spool/000000000001.seg"
    Kind kind = Kind::foreign;
    std::uint64_t bytes = 0;
    std::uint64_t events = 0;    ///< segment: records of events; index: rows
    std::uint64_t queued = 0;    ///< segment: of those, not settled
    std::uint64_t outcomes = 0;  ///< segment: outcomes that it records
    std::uint64_t entries = 0;   ///< registry: tokens; dead letters: letters
    std::string note = {};       ///< what is worth knowing and no damage; or empty
};
std::string_view to_string(SpoolFile::Kind kind) noexcept;

/// Something is not as it was written.
struct SpoolDamage {
    std::string file;
    std::optional<std::uint64_t> offset;  ///< none: the file as a whole
    std::uint64_t bytes = 0;
    std::uint64_t missing = 0;  ///< events that were in it, as far as their seqs tell
    std::string reason;         ///< what it is, and what it means
};

/// What is queued for a token.
struct SpoolQueue {
    TokenId token = TokenId::none;
    std::optional<core::TokenEntry::State> state;  ///< none: the registry does not have it
    std::string source;                            ///< empty: known by its token alone
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;  ///< of their records
    Seq first = Seq::none;
    WallTime oldest = WallTime::max();
};

struct SpoolReport {
    std::vector<SpoolFile> files;  ///< by kind and name
    std::vector<SpoolDamage> damage;
    std::vector<SpoolQueue> queues;  ///< by token
    /// As `status` shows it after the next start: balanced, and corrected by the books of the dead
    /// letters.
    core::Ledger ledger;
    /// Events that are queued although the books had settled them: what the next start takes out of
    /// the books.
    core::Ledger::Returned returned;
    std::uint64_t queued = 0;
    std::uint64_t letters = 0;
    std::uint64_t missing_letters = 0;  ///< that the books have and the file has not
    std::uint64_t bytes = 0;            ///< of all files
    WallTime oldest = WallTime::max();  ///< when the oldest queued event was accepted
    /// Events that were queued and can't be delivered any more: those that no file knows, and those
    /// without their contents. `missing` of the damage may count settled ones as well.
    std::uint64_t lost = 0;
    bool lost_is_known = true;  ///< false: the newest segment is damaged, it may be more
    /// Not below 0: what is found beyond the books is in `returned`.
    std::int64_t unaccounted() const noexcept { return ledger.unaccounted(queued); }
};

/// Reads the spool in a state directory (`spool.directory`). Errors: it is not there or can't be
/// read, a running process uses it, or a file is of a newer format.
Result<SpoolReport> check_spool(FileSystem& file_system, const std::string& state_directory);

}  // namespace flowrelay::storage
