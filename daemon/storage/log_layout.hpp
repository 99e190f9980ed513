// Determines which segments a log consists of and where their records are, from the headers.
// Changes nothing: used by the start and by `flowrelay spool verify`.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flowrelay/storage/file_system.hpp"
#include "high_water.hpp"
#include "record_scanner.hpp"
#include "segment_header.hpp"

namespace flowrelay::storage {

struct FoundSegment {
    SegmentHeader header;
    std::unique_ptr<File> file;
    std::uint64_t size = 0;  ///< size of the file
};

struct LogLayout {
    std::vector<FoundSegment> segments;  ///< segments with a valid header, by number

    /// Files with a damaged header: number and size. Nothing else is known of them.
    std::map<std::uint64_t, std::uint64_t> headerless;

    /// Numbers of files that do not belong to this log.
    std::vector<std::uint64_t> foreign;

    /// A segment that was replaced by a compacted one but not removed before a crash.
    struct Replaced {
        std::uint64_t number = 0;
        std::uint64_t bytes = 0;
        std::uint64_t by = 0;
    };
    std::vector<Replaced> replaced;

    /// Whether the last file has a valid header: it is then the segment last written to.
    bool newest_is_known = false;

    /// Number of a missing segment that was the newest; 0: there is no sign of one.
    std::uint64_t absent_newest = 0;

    /// How far this log had come; none: not known.
    std::optional<HighWater> mark;

    /// The mark of another log whose segments are not here.
    std::optional<HighWater> other_log;

    bool is_newest(std::size_t place) const noexcept {
        return newest_is_known && place + 1 == segments.size();
    }

    /// Returns the mark if it is ahead of the segments, otherwise nullptr.
    const HighWater* mark_beyond() const noexcept {
        const std::uint64_t known = segments.empty() ? 0 : segments.back().header.number;
        return mark && mark->segment > known ? &*mark : nullptr;
    }
};

/// Whether the segment at this place was missing when the newest one was begun, and has come back
/// since. The books in the header of the newest segment lack what happened in it.
bool came_back(const LogLayout& layout, std::size_t place);

/// Returns the seqs that were skipped when this segment was begun. Events with these seqs are in a
/// segment that was missing then; the books of this segment do not count them.
SeqRange skipped_seqs(const SegmentHeader& header) noexcept;

/// Returns the first seq after the range.
constexpr Seq end_of(const SeqRange& range) noexcept {
    return Seq{to_number(range.first) + range.count};
}

enum class OpenFor { reading, writing };

/// Opens the segments with these numbers (ascending). `mark`: how far a log in this directory had
/// come. Errors: a file can't be opened, a header can't be read or has a newer format, or two
/// segments belong to different logs.
Result<LogLayout> find_segments(FileSystem& file_system, const std::string& directory,
                                const std::vector<std::uint64_t>& numbers,
                                const std::optional<HighWater>& mark, OpenFor purpose);

/// Returns the highest number that a segment of the log has or is known to have had.
std::uint64_t last_number(const LogLayout& layout) noexcept;

/// Returns the range of a segment's records.
ScanRange range_of(const LogLayout& layout, std::size_t place);

/// Returns the next seq after the end of a segment; none for the newest segment.
std::optional<Seq> seq_after(const LogLayout& layout, std::size_t place);

/// A segment between two others that is missing, or has no valid header.
struct MissingSegment {
    std::uint64_t number = 0;
    std::optional<std::uint64_t> bytes;   ///< size of the file; none: there is no file
    std::optional<std::uint64_t> events;  ///< events that were in it, if known
};

/// Finds missing segments. `highest`: the highest seq found in each segment. Of several missing in
/// a row the first gets all their events; after `max_lines` absent ones the rest is left out.
std::vector<MissingSegment> missing_segments(const LogLayout& layout,
                                             const std::vector<Seq>& highest,
                                             std::size_t max_lines);

}  // namespace flowrelay::storage
