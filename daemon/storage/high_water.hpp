// How far a log had come, in a file that lies outside of its directory. A log whose end is lost
// looks like one that ended earlier: this file is what tells them apart. The one place that knows
// its bytes; docs/spool-format.md describes them for people.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/core/ledger.hpp"
#include "flowrelay/storage/file_system.hpp"

namespace flowrelay::storage {

inline constexpr std::size_t high_water_size = 120;

/// Where flowrelayd has it in its spool.directory.
inline constexpr const char* high_water_name = "high-water";

/// What was durable when it was written: the log may have gone on since.
struct HighWater {
    std::uint64_t log = 0;      ///< SegmentHeader::log
    std::uint64_t segment = 0;  ///< number of the newest segment
    Seq next_seq{1};
    std::uint64_t queued = 0;
    std::uint64_t queued_in_newest = 0;  ///< of these, in the newest segment
    core::Ledger ledger;

    friend bool operator==(const HighWater&, const HighWater&) = default;
};

std::array<std::uint8_t, high_water_size> encode(const HighWater& mark);
/// Nothing if the bytes are not those of a mark.
std::optional<HighWater> decode_high_water(std::span<const std::uint8_t> bytes);

struct FoundHighWater {
    std::optional<HighWater> mark;  ///< none: there is no file, or it is damaged
    bool damaged = false;
};

/// An error: the file can't be read, or is of a newer format. `path` may be empty: no file.
Result<FoundHighWater> read_high_water(FileSystem& file_system, const std::string& path);

/// Keeps the file up to date. Its writes may fail: the older mark then stays, which claims less.
class HighWaterFile {
public:
    /// `file_system` outlives it. With an empty path it does nothing.
    HighWaterFile(FileSystem& file_system, std::string path)
        : file_system_(file_system), path_(std::move(path)) {}

    void note(const HighWater& now);

private:
    FileSystem& file_system_;
    std::string path_;
    std::optional<HighWater> written_;
};

/// Takes over the books of a log whose newest segment is lost. `queued`: the events that were
/// found. Returns how many queued ones were lost at least; they are unaccounted for in the books.
/// Outcomes that were lost are taken out of the books, since their events are queued again.
std::uint64_t take_books(const HighWater& mark, std::uint64_t queued, core::Ledger& ledger);

/// How many outcomes the books lack, since take_books() took them out and their segment is back.
/// `settled`: the events of other segments that it settles.
std::uint64_t settled_again(const core::Ledger& ledger, std::uint64_t queued,
                            std::uint64_t settled);

}  // namespace flowrelay::storage
