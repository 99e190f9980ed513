#include "log_recovery.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "damage_report.hpp"
#include "flowrelay/core/log_events.hpp"
#include "segment_scan.hpp"
#include "write_zeros.hpp"

namespace flowrelay::storage {

namespace {

namespace ev = core::log_events;

class LogRecovery {
public:
    LogRecovery(LogFiles& files, Log& log)
        : files_(files), log_(log), report_(files, log), state_(files) {}

    Result<RecoveredLog> run(const std::vector<std::uint64_t>& numbers) {
        for (const std::uint64_t number : numbers) {
            if (auto opened = open(number); opened.has_error()) return opened.error();
        }
        if (numbers.empty()) return std::move(state_);
        state_.next_number = numbers.back() + 1;
        state_.can_append = !found_.empty() && found_.back().header.number == numbers.back();
        if (auto dropped = drop_replaced(); dropped.has_error()) return dropped.error();
        for (std::size_t i = 0; i < found_.size(); ++i) {
            const bool sealed = i + 1 < found_.size() || !state_.can_append;
            auto read = sealed ? read_sealed(i) : read_newest();
            if (read.has_error()) return read.error();
            state_.segments.push_back(std::move(found_[i]));
        }
        report_missing();
        if (auto settled = settle_all(); settled.has_error()) return settled.error();
        if (auto reported = report_suspects(); reported.has_error()) return reported.error();
        balance_books();
        return std::move(state_);
    }

private:
    Result<void> open(std::uint64_t number);
    Result<void> drop_replaced();
    void report_missing();
    Result<void> read_sealed(std::size_t index);
    Result<void> read_newest();
    Result<void> make_durable(Segment& segment, const ScanResult& scanned);
    std::optional<SegmentIndex> open_index(const Segment& segment, std::uint64_t end);
    ScanRange range_of(std::size_t index);
    Result<void> settle_all();
    Result<void> report_suspects();
    void balance_books();
    void take_totals(const Segment& segment, const SegmentScan& scan);
    void note_seqs(const Segment& segment, Seq highest);

    LogFiles& files_;
    Log& log_;
    DamageReport report_;
    RecoveredLog state_;
    std::deque<Segment> found_;
    std::map<std::uint64_t, std::uint64_t> unreadable_;  // number of a segment, its bytes
    std::uint64_t unreadable_events_ = 0;
    OutcomeSums newest_outcomes_;
    std::map<std::uint64_t, std::vector<Suspect>> suspects_;  // by the number of the segment
};

Result<void> LogRecovery::open(std::uint64_t number) {
    Segment segment;
    auto file = files_.file_system().open(files_.segment_path(number));
    if (file.has_error()) return file.error();
    segment.file = std::move(*file);
    const auto size = segment.file->size();
    if (size.has_error()) return size.error();
    segment.size = *size;

    const auto header = read_segment_header(*segment.file, files_.segment_path(number), number);
    if (header.has_error()) return header.error();
    if (!*header) {
        // Its events had seqs of their own: none of them may be given out again.
        unreadable_events_ += segment.size / record_size(0);
        state_.unreadable.push_back(number);
        unreadable_[number] = segment.size;
        return {};
    }
    segment.header = **header;
    found_.push_back(std::move(segment));
    return {};
}

/// The crash came between the birth of a compacted segment and the end of those that it stands for.
Result<void> LogRecovery::drop_replaced() {
    for (std::size_t i = found_.size(); i-- > 0;) {
        const std::uint64_t from = found_[i].header.replaces_from;  // found_ moves below
        if (from == 0) continue;
        while (i > 0 && found_[i - 1].header.number >= from) {
            auto done = files_.remove_replaced(found_[i - 1].header.number);
            if (done.has_error()) return done;
            found_.erase(found_.begin() + static_cast<std::ptrdiff_t>(--i));
        }
    }
    return {};
}

/// Segments without a header, and those that are not there: segments leave the log at its old end
/// only.
void LogRecovery::report_missing() {
    const auto& all = state_.segments.all();
    for (std::size_t i = 1; i < all.size(); ++i) {
        const SegmentHeader& before = all[i - 1].header;
        const SegmentHeader& header = all[i].header;
        const std::uint64_t first =
            header.replaces_from != 0 ? header.replaces_from : header.number;
        // Of several in a row the first gets the blame.
        std::uint64_t seqs = seqs_between(before, all[i - 1].highest_seq, header);
        std::uint64_t lines = 0;
        for (std::uint64_t number = before.number + 1; number < first; ++number) {
            const auto unreadable = unreadable_.find(number);
            if (unreadable != unreadable_.end()) {
                report_.unreadable(number, unreadable->second, std::exchange(seqs, 0));
                unreadable_.erase(unreadable);
            } else if (++lines <= DamageReport::max_lines) {
                report_.absent(number, std::exchange(seqs, 0));
            } else {
                break;
            }
        }
    }
    for (const auto& [number, bytes] : unreadable_) {
        report_.unreadable(number, bytes, std::nullopt);
    }
}

/// Where the records of a sealed segment lie.
ScanRange LogRecovery::range_of(std::size_t index) {
    const Segment& segment = found_[index];
    ScanRange range{segment_header_size, segment.size, ScanRange::Tail::open};
    if (segment.header.own_end != 0) {
        range.end = segment.header.own_end;
        range.tail = ScanRange::Tail::exact;
    } else if (index + 1 < found_.size() &&
               found_[index + 1].header.number == segment.header.number + 1) {
        range.end = found_[index + 1].header.previous_end;
        range.tail = ScanRange::Tail::exact;
    }
    return range;
}

std::optional<SegmentIndex> LogRecovery::open_index(const Segment& segment, std::uint64_t end) {
    auto file = files_.file_system().open_read_only(files_.index_path(segment.header.number));
    if (file.has_error()) return std::nullopt;
    auto index = SegmentIndex::open(std::move(*file), segment.header.number, segment.header.salt,
                                    files_.index_cache());
    if (index.has_error() || (end != 0 && index->end() != end)) return std::nullopt;
    return std::move(*index);
}

Result<void> LogRecovery::read_sealed(std::size_t index) {
    Segment& segment = found_[index];
    ScanRange range = range_of(index);
    const bool known_end = range.tail == ScanRange::Tail::exact;
    // Without the newest segment this one has the last word on the totals: it is read for them.
    const bool keeps_books = !state_.can_append && index + 1 == found_.size();
    auto there = keeps_books ? std::nullopt : open_index(segment, known_end ? range.end : 0);
    if (there) {
        segment.sealed.emplace(std::move(*there));
    } else {
        std::optional<Seq> following;
        if (index + 1 < found_.size()) following = found_[index + 1].header.next_seq;
        auto scan = scan_segment(*segment.file, segment.header, range, following);
        report_.damage(segment, scan.damage);
        suspects_[segment.header.number] = std::move(scan.suspects);
        if (keeps_books) {
            take_totals(segment, scan);
            scan.outcomes.settle_in(state_.ledger);
        }
        const auto contents = index_contents(segment.header, std::move(scan));
        segment.sealed.emplace(files_.write_index(segment.header.number, encode_index(contents)));
    }
    segment.end = segment.sealed->index.end();
    segment.damaged = segment.sealed->index.damaged();
    segment.newest_own_id = segment.sealed->index.newest_own_id();
    segment.highest_seq = segment.sealed->index.highest_seq();
    note_seqs(segment, segment.highest_seq);
    return {};
}

Result<void> LogRecovery::read_newest() {
    Segment& segment = found_.back();
    const ScanRange range{segment_header_size, segment.size, ScanRange::Tail::unknown};
    SegmentScan scan = scan_segment(*segment.file, segment.header, range, std::nullopt);
    report_.damage(segment, scan.damage);
    suspects_[segment.header.number] = std::move(scan.suspects);
    segment.end = scan.result.end;
    segment.last_commit = scan.result.highest_commit;
    segment.damaged = !scan.damage.empty();
    segment.highest_seq = scan.events.empty() ? Seq::none : scan.events.back().seq;
    segment.newest_own_id = scan.newest_own_id;
    segment.tokens = std::move(scan.tokens);
    for (const IndexedEvent& event : scan.events) segment.live.add(event);
    newest_outcomes_ = std::move(scan.outcomes);
    take_totals(segment, scan);
    note_seqs(segment, scan.result.highest_seq);
    return make_durable(segment, scan.result);
}

void LogRecovery::take_totals(const Segment& segment, const SegmentScan& scan) {
    state_.ledger = segment.header.ledger;
    state_.ledger.accepted += scan.accepted();
}

void LogRecovery::note_seqs(const Segment& segment, Seq highest) {
    const std::uint64_t next = std::max(
        {to_number(state_.next_seq), to_number(highest) + 1, to_number(segment.header.next_seq)});
    state_.next_seq = Seq{next};
}

// What was read may be in the memory of the kernel alone: the former process may have died before
// its sync, or because of a failed one, after which the kernel takes the pages for clean. So it is
// written again, and only then relied upon.
Result<void> LogRecovery::make_durable(Segment& segment, const ScanResult& scanned) {
    const std::uint64_t cut = scanned.torn_end - scanned.end;
    if (scanned.unreadable > 0) {
        report_.damage(segment, {{scanned.end, std::max(cut, scanned.unreadable), 0}});
    } else if (cut > 0) {
        log_.write(ev::spool_tail_cut, {{"file", LogFiles::segment_name(segment.header.number)},
                                        {"offset", scanned.end},
                                        {"bytes", cut}});
    }
    segment.header.version = segment_format_version;  // what is added to it is of this one
    std::vector<std::uint8_t> bytes(segment_header_size);
    write_segment_header(bytes.data(), segment.header);
    auto done = segment.file->write_at(0, bytes);
    if (done.has_value() && scanned.last_commit.number != 0) {
        bytes.resize(static_cast<std::size_t>(scanned.end - scanned.last_commit.offset));
        const auto got = segment.file->read_at(scanned.last_commit.offset, bytes);
        if (got.has_error()) return got.error();
        done = segment.file->write_at(scanned.last_commit.offset, bytes);
    }
    if (done.has_value()) done = write_zeros(*segment.file, scanned.end, cut);
    if (done.has_value()) done = segment.file->sync();
    if (done.has_value()) done = files_.sync_directory();
    return done;
}

Result<void> LogRecovery::settle_all() {
    LogSegments& segments = state_.segments;
    for (Segment& segment : segments.all()) {
        if (!segment.sealed) continue;
        const auto ranges = segments.with_index(
            segment, [](const SealedEvents& events) -> Result<std::vector<SeqRange>> {
                std::vector<SeqRange> all;
                for (std::size_t i = 0; i < events.index.settled_ranges(); ++i) {
                    const auto range = events.index.settled_at(i);
                    if (range.has_error()) return range.error();
                    all.push_back(*range);
                }
                return all;
            });
        if (ranges.has_error()) return ranges.error();
        for (const SeqRange& range : *ranges) {
            if (auto done = segments.settle(range, false); done.has_error()) return done;
        }
    }
    newest_outcomes_.settle_in(state_.ledger);
    for (const SeqRange& range : newest_outcomes_.seqs()) {
        if (auto done = segments.settle(range, true); done.has_error()) return done;
    }
    return {};
}

/// Of a settled event nothing is lost, and erasure wipes just those.
Result<void> LogRecovery::report_suspects() {
    for (Segment& segment : state_.segments.all()) {
        std::vector<DamagedRange> ranges;
        for (const Suspect& suspect : suspects_[segment.header.number]) {
            const auto queued = state_.segments.find(suspect.seq);
            if (queued.has_error()) return queued.error();
            if (!*queued) continue;
            ranges.push_back({suspect.offset, suspect.bytes, 0});
            state_.told_damaged.insert(suspect.seq);
        }
        report_.damage(segment, std::move(ranges));
    }
    return {};
}

// Outcomes that were lost to damage are still in the totals, and their events are queued again.
void LogRecovery::balance_books() {
    if (!state_.can_append && !state_.segments.all().empty()) {
        state_.next_seq = Seq{to_number(state_.next_seq) + unreadable_events_};
    }
    core::Ledger& ledger = state_.ledger;
    const std::int64_t unaccounted = ledger.unaccounted(state_.segments.queued());
    if (unaccounted > 0 && !report_.any()) {
        report_.unaccounted(static_cast<std::uint64_t>(unaccounted));
    }
    if (unaccounted >= 0) return;
    auto surplus = static_cast<std::uint64_t>(-unaccounted);
    for (auto column : {&core::Ledger::delivered, &core::Ledger::dead, &core::Ledger::expired,
                        &core::Ledger::dropped, &core::Ledger::erased}) {
        const std::uint64_t taken = std::min(surplus, ledger.*column);
        ledger.*column -= taken;
        surplus -= taken;
    }
    ledger.accepted += surplus;
}

}  // namespace

Result<RecoveredLog> recover_log(LogFiles& files, const std::vector<std::uint64_t>& numbers,
                                 Log& log) {
    return LogRecovery(files, log).run(numbers);
}

}  // namespace flowrelay::storage
