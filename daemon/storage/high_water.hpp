// The high-water file: how far a log has come, in a file outside its directory. It distinguishes a
// log whose end is lost from one that ended earlier. Only this code knows its bytes;
// docs/spool-format.md describes them for people.
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

/// Name of the file in spool.directory.
inline constexpr const char* high_water_name = "high-water";

/// What was durable when the file was written. The log may have gone on since.
struct HighWater {
    std::uint64_t log = 0;      ///< SegmentHeader::log
    std::uint64_t segment = 0;  ///< number of the newest segment
    Seq next_seq{1};
    std::uint64_t queued = 0;
    std::uint64_t queued_in_newest = 0;  ///< queued events in the newest segment
    core::Ledger ledger;

    friend bool operator==(const HighWater&, const HighWater&) = default;
};

std::array<std::uint8_t, high_water_size> encode(const HighWater& mark);
/// Returns nothing if the bytes are not a valid mark.
std::optional<HighWater> decode_high_water(std::span<const std::uint8_t> bytes);

struct FoundHighWater {
    std::optional<HighWater> mark;  ///< none: there is no file, or it is damaged
    bool damaged = false;
};

/// Reads the file. Errors: it can't be read, or has a newer format. An empty `path` means no file.
Result<FoundHighWater> read_high_water(FileSystem& file_system, const std::string& path);

/// Keeps the file up to date. A failed write is ignored: the older mark stays, which claims less.
class HighWaterFile {
public:
    /// `file_system` must outlive this. With an empty path it does nothing.
    HighWaterFile(FileSystem& file_system, std::string path)
        : file_system_(file_system), path_(std::move(path)) {}

    void note(const HighWater& now);

private:
    FileSystem& file_system_;
    std::string path_;
    std::optional<HighWater> written_;
};

/// Adopts the books of a log whose newest segment is lost. `queued`: number of events found.
/// Returns a lower bound of the queued events that were lost; the books have them as unaccounted
/// for. Outcomes that were lost are taken out of the books, since their events are queued again.
std::uint64_t take_books(const HighWater& mark, std::uint64_t queued, core::Ledger& ledger);

/// Number of outcomes to add to the books again, because take_books() took them out and their
/// segment is back. `settled`: number of events of other segments that it settles.
std::uint64_t settled_again(const core::Ledger& ledger, std::uint64_t queued,
                            std::uint64_t settled);

}  // namespace flowrelay::storage
