#include "spool_check_segments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "log_files.hpp"

namespace flowrelay::storage {

namespace {

// Reported ranges per segment: a file that is damaged everywhere should not fill the screen.
constexpr std::size_t max_ranges = 20;

bool covers(const std::vector<SeqRange>& all, const SeqRange& part) {
    const auto behind = std::ranges::upper_bound(all, part.first, {}, &SeqRange::first);
    return behind != all.begin() && end_of(part) <= end_of(*std::prev(behind));
}

Result<std::vector<SeqRange>> settled_rows(const SegmentIndex& index) {
    std::vector<SeqRange> rows;
    for (std::size_t i = 0; i < index.settled_ranges(); ++i) {
        const auto row = index.settled_at(i);
        if (row.has_error()) return row.error();
        rows.push_back(*row);
    }
    return rows;
}

/// Whether all blocks match their checksums.
bool is_whole(const SegmentIndex& index) {
    for (std::size_t i = 0; i < index.size(); ++i) {
        if (index.at(i).has_error() || index.by_token(i).has_error()) return false;
    }
    for (std::size_t i = 0; i < index.tokens(); ++i) {
        if (index.token_at(i).has_error()) return false;
    }
    return true;
}

Result<std::vector<std::uint8_t>> read_whole(File& file) {
    const auto size = file.size();
    if (size.has_error()) return size.error();
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(*size));
    const auto got = file.read_at(0, bytes);
    if (got.has_error()) return got.error();
    bytes.resize(*got);
    return bytes;
}

}  // namespace

std::string log_file_name(const std::string& name) {
    return "spool/" + name;
}

// --- what is settled -----------------------------------------------------------------------------

void SettledSeqs::add(std::vector<SeqRange> ranges) {
    if (ranges.empty()) return;
    ranges.insert(ranges.end(), ranges_.begin(), ranges_.end());
    ranges_ = merged(std::move(ranges));
}

bool SettledSeqs::contains(Seq seq) const noexcept {
    return covers(ranges_, {seq, 1});
}

void SettledSeqs::forget_from(Seq seq) {
    const auto behind = std::ranges::lower_bound(ranges_, seq, {}, &SeqRange::first);
    ranges_.erase(behind, ranges_.end());
}

// --- which segments there are --------------------------------------------------------------------

Result<void> SegmentCheck::run(const Found& there) {
    indexes_ = there.indexes;
    const std::size_t damage_elsewhere = report_.damage.size();
    auto layout =
        find_segments(file_system_, directory_, there.segments, there.mark, OpenFor::reading);
    if (layout.has_error()) return layout.error();
    layout_ = std::move(*layout);
    report_replaced();
    auto& found = layout_.segments;
    if (!found.empty()) segment_size_ = found.back().size;
    highest_.resize(found.size());
    // Newest first: the outcomes of a segment's events are in it or in later ones.
    for (std::size_t i = found.size(); i-- > 0;) {
        read(i);
        found[i].file.reset();
    }
    report_missing(there.quarantined);
    for (auto& [token, queue] : queues_) {
        report_.queued += queue.events;
        report_.oldest = std::min(report_.oldest, queue.oldest);
        report_.queues.push_back(std::move(queue));
    }
    report_.ledger.delivered += settled_again(report_.ledger, report_.queued, settled_again_);
    report_lost_newest();
    report_other_log();
    const bool never_used = last_number(layout_) == 0 && !there.used_before;
    if (last_number(layout_) == 0 && there.used_before && !layout_.other_log) {
        report_.damage.push_back(
            {"spool", std::nullopt, 0, 0,
             "no segment is there, although the spool was in use: how many events are lost is not "
             "known"});
    }
    // The newest segment determines the books.
    report_.lost_is_known = (never_used || layout_.newest_is_known) && !newest_cut_ && !unreadable_;
    report_.returned = report_.ledger.take_back(
        report_.queued, report_.damage.size() > damage_elsewhere, uncounted_);
    report_.lost = static_cast<std::uint64_t>(report_.unaccounted()) + without_contents_;
    return {};
}

void SegmentCheck::report_replaced() {
    for (const std::uint64_t number : layout_.foreign) {
        report_.files.push_back({.name = log_file_name(LogFiles::segment_name(number)),
                                 .kind = SpoolFile::Kind::foreign,
                                 .note = "not a file of this log: it has no header, and a number "
                                         "far from those of the others"});
    }
    for (const LogLayout::Replaced& old : layout_.replaced) {
        report_.files.push_back(
            {.name = log_file_name(LogFiles::segment_name(old.number)),
             .kind = SpoolFile::Kind::leftover,
             .bytes = old.bytes,
             .note = fmt::format("segment {} stands for it: the next start removes it", old.by)});
    }
}

void SegmentCheck::report_missing(const std::vector<std::string>& quarantined) {
    for (const MissingSegment& segment : missing_segments(layout_, highest_, max_ranges)) {
        const std::string name = LogFiles::segment_name(segment.number);
        if (segment.bytes) {
            report_.files.push_back({.name = log_file_name(name),
                                     .kind = SpoolFile::Kind::segment,
                                     .bytes = *segment.bytes});
            report_.damage.push_back({log_file_name(name), 0, *segment.bytes,
                                      segment.events.value_or(0),
                                      "its header is damaged: nothing of it is known, and the next "
                                      "start moves it to the quarantine"});
            continue;
        }
        const bool moved = std::ranges::find(quarantined, name) != quarantined.end();
        report_.damage.push_back(
            {log_file_name(name), std::nullopt, 0, segment.events.value_or(0),
             moved ? "it was moved to the quarantine, since its header was damaged"
                   : "the file is missing"});
    }
}

/// Reports lost newest segments as the start does (LogRecovery::report_lost_newest).
void SegmentCheck::report_lost_newest() {
    const HighWater* mark = layout_.mark_beyond();
    const std::uint64_t lost =
        mark == nullptr ? 0 : take_books(*mark, report_.queued, report_.ledger);
    if (layout_.absent_newest == 0) return;
    report_.damage.push_back(
        {log_file_name(LogFiles::segment_name(layout_.absent_newest)), std::nullopt, 0, lost,
         mark != nullptr ? fmt::format("the newest segment is missing: at least {} queued events "
                                       "are lost. Put it back if there is a copy of it",
                                       lost)
                         : "the newest segment is missing: how many events are lost is not known. "
                           "Put it back if there is a copy of it"});
}

void SegmentCheck::report_other_log() {
    if (!layout_.other_log) return;
    report_.ledger.accepted += layout_.other_log->queued;
    report_.damage.push_back({high_water_name, std::nullopt, 0, layout_.other_log->queued,
                              "it is of another log than the one that is here: at least these "
                              "events were queued there, and they are not here"});
}

// --- what is in them -----------------------------------------------------------------------------

void SegmentCheck::read(std::size_t place) {
    FoundSegment& segment = layout_.segments[place];
    const ScanRange range = range_of(layout_, place);
    SegmentScan scan =
        scan_segment(*segment.file, segment.header, range, seq_after(layout_, place));
    highest_[place] = scan.result.highest_seq;

    SpoolFile file{.name = log_file_name(LogFiles::segment_name(segment.header.number)),
                   .kind = SpoolFile::Kind::segment,
                   .bytes = segment.size,
                   .events = scan.events.size(),
                   .outcomes = scan.outcomes.count()};
    if (segment.header.replaces_from != 0) {
        file.note = fmt::format("compacted: it stands for the segments from {} on",
                                segment.header.replaces_from);
    }
    const bool is_newest = place + 1 == layout_.segments.size();
    if (const auto& unreadable = scan.result.unreadable) {
        report_.damage.push_back(
            {file.name, unreadable->offset, unreadable->bytes, 0,
             fmt::format("it can't be read ({}): what this report says of it is a guess, and the "
                         "next start fails unless it can read it or has an index of it",
                         unreadable->error.message)});
        unreadable_ = true;
    } else if (range.tail == ScanRange::Tail::unknown) {
        const std::uint64_t cut = scan.result.torn_end - scan.result.end;
        if (cut > 0) {
            file.note = fmt::format(
                "{} bytes at offset {} are of a write that was not finished, "
                "and that nobody was told of: the next start cuts them off",
                cut, scan.result.end);
        }
    }
    const bool is_back = came_back(layout_, place);
    if (is_back) settled_by_newest_ = settled_;
    std::vector<SeqRange> ranges = scan.settled_before;
    const std::vector<SeqRange> settled = scan.outcomes.seqs();
    ranges.insert(ranges.end(), settled.begin(), settled.end());
    settled_.add(std::move(ranges));
    count_queued(file, scan);
    count_uncounted(place, scan);
    has_come_back_ = has_come_back_ || is_back;
    settled_.forget_from(segment.header.next_seq);
    report_damage(file.name, scan.damage);
    if (is_newest) count_books(segment, scan);
    if (is_newest) {
        newest_cut_ = scan.result.cut_off || cut_off_bytes(segment.header, segment.size) > 0;
    }
    const bool sealed = range.tail != ScanRange::Tail::unknown;
    const bool has_index = std::ranges::binary_search(indexes_, segment.header.number);
    if (sealed && !has_index && file.note.empty()) {
        file.note = "it has no index: the next start makes one";
    }
    report_.files.push_back(std::move(file));
    if (sealed && has_index) check_index(segment, std::move(scan));
}

void SegmentCheck::count_queued(SpoolFile& file, const SegmentScan& scan) {
    for (const IndexedEvent& event : scan.events) {
        if (settled_.contains(event.seq)) {
            if (has_come_back_ && !settled_by_newest_.contains(event.seq)) ++settled_again_;
            continue;
        }
        ++file.queued;
        if (std::ranges::binary_search(letters_, event.seq)) ++queued_letters_;
        SpoolQueue& queue = queues_[event.token];
        queue.token = event.token;
        ++queue.events;
        queue.bytes += event.bytes;
        queue.oldest = std::min(queue.oldest, event.accepted);
        queue.first = queue.first == Seq::none ? event.seq : std::min(queue.first, event.seq);
    }
    // Skip settled events: nothing is lost with them, and erasure wipes them.
    for (const Suspect& suspect : scan.suspects) {
        if (settled_.contains(suspect.seq)) continue;
        ++without_contents_;
        report_.damage.push_back({file.name, suspect.offset, suspect.bytes, 1,
                                  fmt::format("the contents of event {} do not have their checksum",
                                              to_number(suspect.seq))});
    }
}

/// Counts uncounted events as the start does (LogRecovery::uncounted_events). Those settled in
/// their own segment are in no books at all.
void SegmentCheck::count_uncounted(std::size_t place, const SegmentScan& scan) {
    SettledSeqs settled;
    settled.add(scan.outcomes.seqs());
    for (std::size_t later = place + 1; later < layout_.segments.size(); ++later) {
        const SeqRange skipped = skipped_seqs(layout_.segments[later].header);
        if (skipped.count == 0) continue;
        for (const IndexedEvent& event : scan.events) {
            const bool is_inside = skipped.first <= event.seq && event.seq < end_of(skipped);
            if (is_inside && !settled.contains(event.seq)) ++uncounted_;
        }
    }
}

void SegmentCheck::count_books(const FoundSegment& segment, const SegmentScan& scan) {
    report_.ledger = segment.header.ledger;
    report_.ledger.accepted += scan.accepted();
    scan.outcomes.settle_in(report_.ledger);
}

void SegmentCheck::report_damage(const std::string& name, std::vector<DamagedRange> ranges) {
    std::ranges::sort(ranges, {}, &DamagedRange::offset);
    std::vector<SpoolDamage> merged;
    for (const DamagedRange& range : ranges) {
        const bool near =
            !merged.empty() && *merged.back().offset + merged.back().bytes == range.offset;
        if (near || merged.size() == max_ranges) {
            SpoolDamage& last = merged.back();
            last.bytes = range.offset + range.bytes - *last.offset;
            last.missing += range.missing;
        } else {
            merged.push_back(
                {name, range.offset, range.bytes, range.missing, "no readable records"});
        }
        if (range.at_least) {
            merged.back().reason =
                "the file was cut short: there may have been more events in the rest of it";
        }
    }
    report_.damage.insert(report_.damage.end(), merged.begin(), merged.end());
}

// --- indexes -------------------------------------------------------------------------------------

void SegmentCheck::check_index(const FoundSegment& segment, SegmentScan scan) {
    const std::string path = directory_ + "/" + LogFiles::index_name(segment.header.number);
    SpoolFile file{.name = log_file_name(path.substr(directory_.size() + 1)),
                   .kind = SpoolFile::Kind::index};
    file.note = judge_index(file, path, segment, std::move(scan));
    report_.files.push_back(std::move(file));
}

/// Returns a note on the index. An incomplete index is no damage: it is never synced, and rebuilt.
/// A complete one that disagrees would be trusted.
std::string SegmentCheck::judge_index(SpoolFile& file, const std::string& path,
                                      const FoundSegment& segment, SegmentScan scan) {
    constexpr const char* made_anew =
        "not whole, or of another segment: the next start makes it "
        "anew";
    auto opened = file_system_.open_read_only(path);
    if (opened.has_error()) return opened.error().message;
    const auto bytes = read_whole(**opened);
    if (bytes.has_error()) return bytes.error().message + ": it is made anew";
    file.bytes = bytes->size();
    const auto index = SegmentIndex::open(std::move(*opened), segment.header.number,
                                          segment.header.salt, std::make_shared<IndexCache>(16));
    if (index.has_error()) return made_anew;
    file.events = index->size();
    if (scan.result.unreadable) return "not compared, since its segment can't be read";
    if (!scan.damage.empty()) return "not compared, since its segment is damaged";

    IndexContents expected = index_contents(segment.header, std::move(scan));
    if (index->end() != expected.end) return made_anew;
    auto rows = settled_rows(*index);
    if (rows.has_error()) return made_anew;
    // An index written by a running daemon leaves out events that had left the log.
    const bool known = std::ranges::all_of(
        *rows, [&expected](const SeqRange& row) { return covers(expected.settled, row); });
    expected.settled = std::move(*rows);
    if (known && encode_index(expected) == *bytes) return "";
    if (!is_whole(*index)) return made_anew;
    report_.damage.push_back({file.name, std::nullopt, file.bytes, 0,
                              "it says something else than its segment, and would be believed: "
                              "remove it, and the next start makes it anew"});
    return "";
}

}  // namespace flowrelay::storage
