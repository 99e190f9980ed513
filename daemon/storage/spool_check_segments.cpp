#include "spool_check_segments.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "log_files.hpp"

namespace flowrelay::storage {

namespace {

// Of one segment: a file that is damaged everywhere should not fill the screen.
constexpr std::size_t max_ranges = 20;

std::uint64_t end_of(const SeqRange& range) {
    return to_number(range.first) + range.count;
}

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

/// Whether all blocks have their checksums.
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

Result<void> SegmentCheck::run(const std::vector<std::uint64_t>& segments,
                               const std::vector<std::uint64_t>& indexes,
                               const std::vector<std::string>& quarantined) {
    indexes_ = indexes;
    for (const std::uint64_t number : segments) {
        if (auto opened = open(number); opened.has_error()) return opened;
    }
    newest_unreadable_ =
        !segments.empty() && (found_.empty() || found_.back().header.number != segments.back());
    drop_replaced();
    if (!found_.empty()) segment_size_ = found_.back().size;
    // Newest first: the outcomes of a segment's events lie in it or behind it.
    for (std::size_t i = found_.size(); i-- > 0;) {
        read(i);
        found_[i].file.reset();
    }
    report_missing(quarantined);
    for (auto& [token, queue] : queues_) {
        report_.queued += queue.events;
        report_.oldest = std::min(report_.oldest, queue.oldest);
        report_.queues.push_back(std::move(queue));
    }
    // The newest segment has the last word on the books.
    report_.lost_is_known = !newest_unreadable_ && !newest_cut_;
    const std::int64_t unaccounted = std::max<std::int64_t>(report_.unaccounted(), 0);
    report_.lost = static_cast<std::uint64_t>(unaccounted) + without_contents_;
    return {};
}

Result<void> SegmentCheck::open(std::uint64_t number) {
    const LogFiles files(file_system_, directory_);
    const std::string name = log_file_name(LogFiles::segment_name(number));
    Found found;
    auto file = file_system_.open_read_only(files.segment_path(number));
    if (file.has_error()) return file.error();
    found.file = std::move(*file);
    const auto size = found.file->size();
    if (size.has_error()) return size.error();
    found.size = *size;

    const auto header = read_segment_header(*found.file, files.segment_path(number), number);
    if (header.has_error()) return header.error();
    if (!*header) {
        report_.files.push_back({.name = name, .kind = SpoolFile::Kind::segment, .bytes = *size});
        unreadable_[number] = *size;
        return {};
    }
    found.header = **header;
    found_.push_back(std::move(found));
    return {};
}

void SegmentCheck::drop_replaced() {
    for (std::size_t i = found_.size(); i-- > 0;) {
        const SegmentHeader by = found_[i].header;  // found_ moves below
        if (by.replaces_from == 0) continue;
        while (i > 0 && found_[i - 1].header.number >= by.replaces_from) {
            const std::uint64_t number = found_[i - 1].header.number;
            report_.files.push_back(
                {.name = log_file_name(LogFiles::segment_name(number)),
                 .kind = SpoolFile::Kind::leftover,
                 .bytes = found_[i - 1].size,
                 .note = fmt::format("segment {} stands for it: the next start removes it",
                                     by.number)});
            found_.erase(found_.begin() + static_cast<std::ptrdiff_t>(--i));
        }
    }
}

void SegmentCheck::report_missing(const std::vector<std::string>& quarantined) {
    for (std::size_t i = 1; i < found_.size(); ++i) {
        const SegmentHeader& header = found_[i].header;
        const std::uint64_t before = found_[i - 1].header.number;
        const std::uint64_t first =
            header.replaces_from != 0 ? header.replaces_from : header.number;
        // Of several in a row the first gets the blame.
        std::uint64_t seqs = seqs_between(found_[i - 1].header, found_[i - 1].highest_seq, header);
        std::uint64_t lines = 0;
        for (std::uint64_t number = before + 1; number < first; ++number) {
            if (unreadable_.contains(number)) {
                report_unreadable(number, std::exchange(seqs, 0));
                continue;
            }
            if (++lines > max_ranges) break;
            const std::string name = LogFiles::segment_name(number);
            const bool moved = std::ranges::find(quarantined, name) != quarantined.end();
            report_.damage.push_back(
                {log_file_name(name), std::nullopt, 0, std::exchange(seqs, 0),
                 moved ? "it was moved to the quarantine, since its header could not be read"
                       : "the file is missing"});
        }
    }
    while (!unreadable_.empty()) report_unreadable(unreadable_.begin()->first, 0);
}

void SegmentCheck::report_unreadable(std::uint64_t number, std::uint64_t missing) {
    const auto found = unreadable_.find(number);
    report_.damage.push_back({log_file_name(LogFiles::segment_name(number)), 0, found->second,
                              missing,
                              "its header can't be read: nothing of it is known, and the next "
                              "start moves it to the quarantine"});
    unreadable_.erase(found);
}

// --- what is in them -----------------------------------------------------------------------------

ScanRange SegmentCheck::range_of(std::size_t place) const {
    const Found& segment = found_[place];
    ScanRange range{segment_header_size, segment.size, ScanRange::Tail::open};
    if (segment.header.own_end != 0) {
        range.end = segment.header.own_end;
        range.tail = ScanRange::Tail::exact;
    } else if (place + 1 < found_.size()) {
        const SegmentHeader& next = found_[place + 1].header;
        if (next.number == segment.header.number + 1) {
            range.end = next.previous_end;
            range.tail = ScanRange::Tail::exact;
        }
    } else if (!newest_unreadable_) {
        range.tail = ScanRange::Tail::unknown;
    }
    return range;
}

void SegmentCheck::read(std::size_t place) {
    Found& segment = found_[place];
    const ScanRange range = range_of(place);
    std::optional<Seq> following;
    if (place + 1 < found_.size()) following = found_[place + 1].header.next_seq;
    SegmentScan scan = scan_segment(*segment.file, segment.header, range, following);
    segment.highest_seq = scan.result.highest_seq;

    SpoolFile file{.name = log_file_name(LogFiles::segment_name(segment.header.number)),
                   .kind = SpoolFile::Kind::segment,
                   .bytes = segment.size,
                   .events = scan.events.size(),
                   .outcomes = scan.outcomes.count()};
    if (segment.header.replaces_from != 0) {
        file.note = fmt::format("compacted: it stands for the segments from {} on",
                                segment.header.replaces_from);
    }
    const bool is_newest = place + 1 == found_.size();
    if (range.tail == ScanRange::Tail::unknown) {
        const std::uint64_t cut = scan.result.torn_end - scan.result.end;
        if (scan.result.unreadable > 0) {
            scan.damage.push_back({scan.result.end, std::max(cut, scan.result.unreadable), 0});
        } else if (cut > 0) {
            file.note = fmt::format(
                "{} bytes at offset {} are of a write that was not finished, "
                "and that nobody was told of: the next start cuts them off",
                cut, scan.result.end);
        }
    }
    std::vector<SeqRange> ranges = scan.settled_before;
    const std::vector<SeqRange> settled = scan.outcomes.seqs();
    ranges.insert(ranges.end(), settled.begin(), settled.end());
    settled_.add(std::move(ranges));
    count_queued(file, scan);
    settled_.forget_from(segment.header.next_seq);
    report_damage(file.name, scan.damage);
    if (is_newest) count_books(segment, scan);
    if (is_newest) newest_cut_ = scan.result.cut_off || scan.result.unreadable > 0;
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
        if (settled_.contains(event.seq)) continue;
        ++file.queued;
        if (std::ranges::binary_search(letters_, event.seq)) ++queued_letters_;
        SpoolQueue& queue = queues_[event.token];
        queue.token = event.token;
        ++queue.events;
        queue.bytes += event.bytes;
        queue.oldest = std::min(queue.oldest, event.accepted);
        queue.first = queue.first == Seq::none ? event.seq : std::min(queue.first, event.seq);
    }
    // Of a settled event nothing is lost, and erasure wipes just those.
    for (const Suspect& suspect : scan.suspects) {
        if (settled_.contains(suspect.seq)) continue;
        ++without_contents_;
        report_.damage.push_back({file.name, suspect.offset, suspect.bytes, 1,
                                  fmt::format("the contents of event {} do not have their checksum",
                                              to_number(suspect.seq))});
    }
}

void SegmentCheck::count_books(const Found& segment, const SegmentScan& scan) {
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
    }
    report_.damage.insert(report_.damage.end(), merged.begin(), merged.end());
}

// --- indexes -------------------------------------------------------------------------------------

void SegmentCheck::check_index(const Found& segment, SegmentScan scan) {
    const std::string path = LogFiles(file_system_, directory_).index_path(segment.header.number);
    SpoolFile file{.name = log_file_name(path.substr(directory_.size() + 1)),
                   .kind = SpoolFile::Kind::index};
    file.note = judge_index(file, path, segment, std::move(scan));
    report_.files.push_back(std::move(file));
}

/// Gives what there is to note. An index that is not whole is no damage: it is never synced, and
/// made anew. One that is whole and says something else would be believed.
std::string SegmentCheck::judge_index(SpoolFile& file, const std::string& path,
                                      const Found& segment, SegmentScan scan) {
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
    if (!scan.damage.empty()) return "not compared, since its segment is damaged";

    IndexContents expected = index_contents(segment.header, std::move(scan));
    if (index->end() != expected.end) return made_anew;
    auto rows = settled_rows(*index);
    if (rows.has_error()) return made_anew;
    // One that was written while the daemon ran leaves out events that had left the log.
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
