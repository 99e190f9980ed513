// Which segments a log consists of and where the records of each lie, as far as their headers tell.
// Changes nothing: the start and `flowrelay spool verify` both go by it.
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
    std::uint64_t size = 0;  ///< of the file
};

struct LogLayout {
    std::vector<FoundSegment> segments;  ///< with a header, by number

    /// Files whose header is damaged, by number, and their bytes: nothing of them is known.
    std::map<std::uint64_t, std::uint64_t> headerless;

    /// Numbers of files that are none of this log's.
    std::vector<std::uint64_t> foreign;

    /// A crash came before they were removed: a compacted segment stands for them.
    struct Replaced {
        std::uint64_t number = 0;
        std::uint64_t bytes = 0;
        std::uint64_t by = 0;
    };
    std::vector<Replaced> replaced;

    /// The last file has a header: it is the one that was written to.
    bool newest_is_known = false;

    /// The number of a segment that was the newest and is not there any more, nor any behind it;
    /// 0: there is no sign of one.
    std::uint64_t absent_newest = 0;

    /// How far this log had come; none: not known.
    std::optional<HighWater> mark;

    /// The mark of another log, whose segments are not here.
    std::optional<HighWater> other_log;

    bool is_newest(std::size_t place) const noexcept {
        return newest_is_known && place + 1 == segments.size();
    }

    /// The mark, if it knows more of the log than the segments do.
    const HighWater* mark_beyond() const noexcept {
        const std::uint64_t known = segments.empty() ? 0 : segments.back().header.number;
        return mark && mark->segment > known ? &*mark : nullptr;
    }
};

/// Whether the newest segment was begun without the one at this place, which has come back since:
/// its header leaves out of the books what happened in that one.
bool came_back(const LogLayout& layout, std::size_t place);

/// The seqs that were left out when this segment was begun: what is found with one of them lies in
/// a segment that was away then, and the books of this one do not count it.
SeqRange skipped_seqs(const SegmentHeader& header) noexcept;

/// The seq behind the range.
constexpr Seq end_of(const SeqRange& range) noexcept {
    return Seq{to_number(range.first) + range.count};
}

enum class OpenFor { reading, writing };

/// Opens the segments with these numbers (ascending). `mark`: how far a log in this directory had
/// come. Errors: a file can't be opened or its header not be read, it is of a newer format, or two
/// of them are of different logs.
Result<LogLayout> find_segments(FileSystem& file_system, const std::string& directory,
                                const std::vector<std::uint64_t>& numbers,
                                const std::optional<HighWater>& mark, OpenFor purpose);

/// The highest number that a segment of the log has or is known to have had.
std::uint64_t last_number(const LogLayout& layout) noexcept;

/// Where the records of a segment lie.
ScanRange range_of(const LogLayout& layout, std::size_t place);

/// The seq that the next event had when all of a segment was written; none for the newest.
std::optional<Seq> seq_after(const LogLayout& layout, std::size_t place);

/// A segment between two others that is not there, or has no header.
struct MissingSegment {
    std::uint64_t number = 0;
    std::optional<std::uint64_t> bytes;   ///< of the file without a header; none: there is no file
    std::optional<std::uint64_t> events;  ///< that were in it, as far as is known
};

/// `highest`: the highest seq that was found in each segment. Of several missing in a row the first
/// gets all events, and after `max_lines` absent ones the rest is left out.
std::vector<MissingSegment> missing_segments(const LogLayout& layout,
                                             const std::vector<Seq>& highest,
                                             std::size_t max_lines);

}  // namespace flowrelay::storage
