#include "log_layout.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "index_cache.hpp"
#include "log_files.hpp"
#include "segment_index.hpp"
#include "segment_scan.hpp"

namespace flowrelay::storage {

namespace {

/// Checks that all segments belong to one log. Two logs in one directory can't be separated by any
/// rule: segments are removed at the old end and added at the new one.
Result<void> check_same_log(const std::vector<FoundSegment>& segments) {
    const FoundSegment* first = nullptr;
    for (const FoundSegment& segment : segments) {
        if (segment.header.log == 0) continue;  // an earlier format
        if (first == nullptr) first = &segment;
        if (segment.header.log == first->header.log) continue;
        return Error{
            boost::system::errc::make_error_code(boost::system::errc::invalid_argument),
            fmt::format("{} and {} are of different spools: move the one away that does not belong "
                        "here",
                        LogFiles::segment_name(first->header.number),
                        LogFiles::segment_name(segment.header.number))};
    }
    return {};
}

/// Removes segments that were replaced by a compacted one but not deleted before a crash.
void take_out_replaced(LogLayout& layout) {
    std::vector<FoundSegment>& segments = layout.segments;
    for (std::size_t i = segments.size(); i-- > 0;) {
        const SegmentHeader by = segments[i].header;  // a copy: segments move below
        if (by.replaces_from == 0) continue;
        while (i > 0 && segments[i - 1].header.number >= by.replaces_from) {
            --i;
            layout.replaced.push_back({segments[i].header.number, segments[i].size, by.number});
            segments.erase(segments.begin() + static_cast<std::ptrdiff_t>(i));
        }
    }
}

/// Removes files without a valid header whose number is far above all others: they do not belong to
/// this log, and say nothing about the next number.
void take_out_foreign(LogLayout& layout) {
    constexpr std::uint64_t far = 1000;
    if (layout.segments.empty()) return;
    const std::uint64_t last = layout.segments.back().header.number;
    std::erase_if(layout.headerless, [&layout, last](const auto& file) {
        if (file.first <= last + far) return false;
        layout.foreign.push_back(file.first);
        return true;
    });
}

/// Stores the mark, as that of this log or of another log that is not here. It may know of more
/// events than the header of the segment it names.
void take_mark(LogLayout& layout, const std::optional<HighWater>& mark) {
    if (!mark) return;
    std::uint64_t log = 0;
    for (const FoundSegment& segment : layout.segments) {
        if (segment.header.log != 0) log = segment.header.log;
    }
    const bool other = log != 0 && mark->log != log;
    (other ? layout.other_log : layout.mark) = mark;
    if (layout.segments.empty() || other) return;
    SegmentHeader& newest = layout.segments.back().header;
    if (newest.number != mark->segment) return;
    newest.durable_seq = std::max(newest.durable_seq, Seq{to_number(mark->next_seq) - 1});
}

/// Whether the segment has an index. Only a sealed segment has one, and a segment is sealed once
/// the next one is durable.
bool was_sealed(FileSystem& file_system, const std::string& directory,
                const SegmentHeader& header) {
    auto file = file_system.open_read_only(directory + "/" + LogFiles::index_name(header.number));
    if (file.has_error()) return false;
    return SegmentIndex::open(std::move(*file), header.number, header.salt,
                              std::make_shared<IndexCache>(1))
        .has_value();
}

void look_for_absent_newest(LogLayout& layout, FileSystem& file_system,
                            const std::string& directory) {
    const std::uint64_t last = last_number(layout);
    if (layout.mark && layout.mark->segment > last) {
        layout.absent_newest = layout.mark->segment;
        return;
    }
    if (layout.segments.empty()) return;
    const SegmentHeader& header = layout.segments.back().header;
    if (header.number == last && was_sealed(file_system, directory, header)) {
        layout.absent_newest = last + 1;
    }
}

}  // namespace

std::uint64_t last_number(const LogLayout& layout) noexcept {
    const std::uint64_t known = layout.segments.empty() ? 0 : layout.segments.back().header.number;
    const std::uint64_t file =
        layout.headerless.empty() ? known : std::max(known, layout.headerless.rbegin()->first);
    return std::max(file, layout.absent_newest);
}

bool came_back(const LogLayout& layout, std::size_t place) {
    if (place + 2 != layout.segments.size() || !layout.newest_is_known) return false;
    const SegmentHeader& header = layout.segments[place].header;
    const SegmentHeader& newest = layout.segments[place + 1].header;
    return newest.number == header.number + 1 && newest.previous_end == 0 && header.own_end == 0;
}

SeqRange skipped_seqs(const SegmentHeader& header) noexcept {
    const std::uint64_t end = to_number(header.next_seq);
    const std::uint64_t count = std::min(header.skipped_seqs, end);
    return {Seq{end - count}, count};
}

Result<LogLayout> find_segments(FileSystem& file_system, const std::string& directory,
                                const std::vector<std::uint64_t>& numbers,
                                const std::optional<HighWater>& mark, OpenFor purpose) {
    LogLayout layout;
    for (const std::uint64_t number : numbers) {
        const std::string path = directory + "/" + LogFiles::segment_name(number);
        auto file =
            purpose == OpenFor::writing ? file_system.open(path) : file_system.open_read_only(path);
        if (file.has_error()) return file.error();
        FoundSegment found;
        found.file = std::move(*file);
        const auto size = found.file->size();
        if (size.has_error()) return size.error();
        found.size = *size;
        const auto header = read_segment_header(*found.file, path, number);
        if (header.has_error()) return header.error();
        if (!*header) {
            layout.headerless[number] = *size;
            continue;
        }
        found.header = **header;
        layout.segments.push_back(std::move(found));
    }
    if (auto same = check_same_log(layout.segments); same.has_error()) return same.error();
    take_out_foreign(layout);
    take_mark(layout, mark);
    look_for_absent_newest(layout, file_system, directory);
    layout.newest_is_known =
        !layout.segments.empty() && layout.segments.back().header.number == last_number(layout);
    take_out_replaced(layout);
    return layout;
}

ScanRange range_of(const LogLayout& layout, std::size_t place) {
    const FoundSegment& segment = layout.segments[place];
    if (layout.is_newest(place)) {
        return {segment_header_size, segment.size, ScanRange::Tail::unknown,
                segment.header.durable_end};
    }
    // A successor begun while this segment was missing or had no header does not know its end.
    std::uint64_t end = segment.header.own_end;
    if (end == 0 && place + 1 < layout.segments.size()) {
        const SegmentHeader& next = layout.segments[place + 1].header;
        if (next.number == segment.header.number + 1) end = next.previous_end;
    }
    if (end != 0) return {segment_header_size, end, ScanRange::Tail::exact};
    return {segment_header_size, segment.size, ScanRange::Tail::open, segment.header.durable_end};
}

std::optional<Seq> seq_after(const LogLayout& layout, std::size_t place) {
    if (place + 1 >= layout.segments.size()) return std::nullopt;
    return layout.segments[place + 1].header.next_seq;
}

std::vector<MissingSegment> missing_segments(const LogLayout& layout,
                                             const std::vector<Seq>& highest,
                                             std::size_t max_lines) {
    std::vector<MissingSegment> missing;
    auto headerless = layout.headerless;
    for (std::size_t i = 1; i < layout.segments.size(); ++i) {
        const SegmentHeader& before = layout.segments[i - 1].header;
        const SegmentHeader& header = layout.segments[i].header;
        const std::uint64_t end = header.replaces_from != 0 ? header.replaces_from : header.number;
        std::uint64_t seqs = seqs_between(before, highest[i - 1], header);
        std::size_t lines = 0;
        for (std::uint64_t number = before.number + 1; number < end; ++number) {
            const auto found = headerless.find(number);
            if (found != headerless.end()) {
                missing.push_back({number, found->second, std::exchange(seqs, 0)});
                headerless.erase(found);
            } else if (++lines <= max_lines) {
                missing.push_back({number, std::nullopt, std::exchange(seqs, 0)});
            } else {
                break;
            }
        }
    }
    for (const auto& [number, bytes] : headerless) missing.push_back({number, bytes, std::nullopt});
    return missing;
}

}  // namespace flowrelay::storage
