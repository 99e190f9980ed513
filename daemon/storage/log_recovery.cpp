#include "log_recovery.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "damage_report.hpp"
#include "flowrelay/core/log_events.hpp"
#include "high_water.hpp"
#include "log_layout.hpp"
#include "segment_scan.hpp"
#include "write_zeros.hpp"

namespace flowrelay::storage {

namespace {

namespace ev = core::log_events;

class LogRecovery {
public:
    LogRecovery(LogFiles& files, const LogOptions& options, Log& log)
        : files_(files), options_(options), log_(log), report_(files, log), state_(files) {}

    Result<RecoveredLog> run(const std::vector<std::uint64_t>& numbers) {
        if (auto found = find(numbers); found.has_error()) return found.error();
        state_.next_number = last_number(layout_) + 1;
        state_.can_append = layout_.newest_is_known;
        for (const auto& [number, bytes] : layout_.headerless) state_.headerless.push_back(number);
        for (const LogLayout::Replaced& old : layout_.replaced) {
            if (auto done = files_.remove_replaced(old.number); done.has_error()) {
                return done.error();
            }
        }
        for (std::size_t place = 0; place < layout_.segments.size(); ++place) {
            Segment segment = take(layout_.segments[place]);
            auto read = layout_.is_newest(place) ? read_newest(segment, place)
                                                 : read_sealed(segment, place);
            if (read.has_error()) return read.error();
            state_.segments.push_back(std::move(segment));
        }
        report_missing();
        if (auto settled = settle_all(); settled.has_error()) return settled.error();
        if (auto reported = report_suspects(); reported.has_error()) return reported.error();
        if (layout_.newest_is_known) {
            if (auto done = balance_books(); done.has_error()) return done.error();
        } else if (auto done = report_lost_newest(); done.has_error()) {
            return done.error();
        }
        report_other_log();
        skip_unknown_seqs();
        return std::move(state_);
    }

private:
    Result<void> find(const std::vector<std::uint64_t>& numbers);
    Result<void> report_lost_newest();
    void report_other_log();
    void skip_unknown_seqs();
    Segment take(FoundSegment& found);
    void report_missing();
    Result<SegmentScan> scan(const Segment& segment, std::size_t place);
    Result<void> read_sealed(Segment& segment, std::size_t place);
    Result<void> read_newest(Segment& segment, std::size_t place);
    Result<void> make_durable(Segment& segment, const ScanResult& scanned);
    Result<void> write_header(Segment& segment);
    std::optional<SegmentIndex> open_index(const Segment& segment, std::uint64_t end);
    Result<void> settle_all();
    Result<void> report_suspects();
    Result<std::uint64_t> uncounted_events();
    Result<void> balance_books();
    void take_totals(const Segment& segment, const SegmentScan& scan);
    void note_seqs(const Segment& segment, Seq highest);

    LogFiles& files_;
    const LogOptions& options_;
    Log& log_;
    DamageReport report_;
    RecoveredLog state_;
    LogLayout layout_;
    std::uint64_t unknown_events_ = 0;  ///< upper bound of events about which nothing is known
    std::uint64_t settled_again_ = 0;   ///< events settled only by a segment that came back
    OutcomeSums newest_outcomes_;
    std::map<std::uint64_t, std::vector<Suspect>> suspects_;  // by segment number
};

Result<void> LogRecovery::find(const std::vector<std::uint64_t>& numbers) {
    auto mark = read_high_water(files_.file_system(), options_.high_water);
    if (mark.has_error()) return mark.error();
    if (mark->damaged) report_.damaged_mark(options_.high_water);
    auto layout = find_segments(files_.file_system(), files_.directory(), numbers, mark->mark,
                                OpenFor::writing);
    if (layout.has_error()) return layout.error();
    layout_ = std::move(*layout);
    // A killed process may have left the newest segment's name in kernel memory only; an index of
    // the segment before it would claim that it was durable.
    return files_.sync_directory();
}

Segment LogRecovery::take(FoundSegment& found) {
    Segment segment;
    segment.header = found.header;
    segment.file = std::move(found.file);
    segment.size = found.size;
    if (segment.header.log != 0) state_.log_id = segment.header.log;
    return segment;
}

/// Reports segments that are missing or have no valid header.
void LogRecovery::report_missing() {
    const std::uint64_t known =
        layout_.segments.empty() ? 0 : layout_.segments.back().header.number;
    std::vector<Seq> highest;
    for (const Segment& segment : state_.segments.all()) highest.push_back(segment.highest_seq);
    for (const MissingSegment& segment :
         missing_segments(layout_, highest, DamageReport::max_lines)) {
        if (segment.bytes && segment.number > known) continue;  // see report_lost_newest()
        if (segment.bytes) {
            report_.unreadable(segment.number, *segment.bytes, segment.events, false);
        } else {
            report_.absent(segment.number, segment.events.value_or(0));
        }
    }
}

/// Reports newest segments that are missing or have no header. The mark has their state when it was
/// written. Later events may have used more seqs, so none of these is assigned again.
Result<void> LogRecovery::report_lost_newest() {
    const std::uint64_t known =
        layout_.segments.empty() ? 0 : layout_.segments.back().header.number;
    std::optional<std::uint64_t> lost;
    if (const HighWater* mark = layout_.mark_beyond()) {
        lost = take_books(*mark, state_.segments.queued(), state_.ledger);
    } else if (auto done = balance_books(); done.has_error()) {
        return done;
    }
    for (const auto& [number, bytes] : layout_.headerless) {
        if (number <= known) continue;
        report_.unreadable(number, bytes, std::exchange(lost, std::nullopt), true);
        unknown_events_ += max_segment_size / record_size(0);
    }
    const bool without_a_trace =
        last_number(layout_) == 0 && options_.used_before && !layout_.other_log;
    if (layout_.absent_newest == 0 && !without_a_trace) return {};
    report_.lost_newest(layout_.absent_newest, lost);
    unknown_events_ += max_segment_size / record_size(0);
    return {};
}

/// Accounts for the events of a log that is not here, of which only their number is known.
void LogRecovery::report_other_log() {
    if (!layout_.other_log) return;
    const std::uint64_t lost = layout_.other_log->queued;
    report_.other_log(options_.high_water, lost);
    state_.ledger.accepted += lost;
    state_.has_other_books = lost > 0;
}

void LogRecovery::skip_unknown_seqs() {
    if (layout_.mark) {
        if (state_.log_id == 0) state_.log_id = layout_.mark->log;
        state_.next_seq = std::max(state_.next_seq, layout_.mark->next_seq);
    }
    state_.next_seq = Seq{to_number(state_.next_seq) + unknown_events_};
    state_.skipped_seqs = unknown_events_;
}

/// Reads a whole segment. Unreadable bytes make the start fail: the disk may return them next time.
Result<SegmentScan> LogRecovery::scan(const Segment& segment, std::size_t place) {
    auto scanned = scan_segment(*segment.file, segment.header, range_of(layout_, place),
                                seq_after(layout_, place));
    if (scanned.result.unreadable) {
        return unreadable_error(files_.segment_path(segment.header.number),
                                *scanned.result.unreadable);
    }
    return scanned;
}

std::optional<SegmentIndex> LogRecovery::open_index(const Segment& segment, std::uint64_t end) {
    auto file = files_.file_system().open_read_only(files_.index_path(segment.header.number));
    if (file.has_error()) return std::nullopt;
    auto index = SegmentIndex::open(std::move(*file), segment.header.number, segment.header.salt,
                                    files_.index_cache());
    if (index.has_error() || (end != 0 && index->end() != end)) return std::nullopt;
    return std::move(*index);
}

Result<void> LogRecovery::read_sealed(Segment& segment, std::size_t place) {
    const ScanRange range = range_of(layout_, place);
    const bool known_end = range.tail == ScanRange::Tail::exact;
    // Without the newest segment, this one determines the totals: it is read for them.
    const bool keeps_books = !state_.can_append && place + 1 == layout_.segments.size();
    auto there = keeps_books ? std::nullopt : open_index(segment, known_end ? range.end : 0);
    if (there) {
        segment.sealed.emplace(std::move(*there));
    } else {
        auto scanned = scan(segment, place);
        if (scanned.has_error()) return scanned.error();
        report_.damage(segment, scanned->damage);
        suspects_[segment.header.number] = std::move(scanned->suspects);
        if (keeps_books) {
            take_totals(segment, *scanned);
            scanned->outcomes.settle_in(state_.ledger);
        }
        const auto contents = index_contents(segment.header, std::move(*scanned));
        segment.sealed.emplace(files_.write_index(segment.header.number, encode_index(contents)));
    }
    segment.end = segment.sealed->index.end();
    segment.damaged = segment.sealed->index.damaged();
    segment.newest_own_id = segment.sealed->index.newest_own_id();
    segment.highest_seq = segment.sealed->index.highest_seq();
    note_seqs(segment, segment.highest_seq);
    return {};
}

Result<void> LogRecovery::read_newest(Segment& segment, std::size_t place) {
    auto scanned = scan(segment, place);
    if (scanned.has_error()) return scanned.error();
    report_.damage(segment, scanned->damage);
    suspects_[segment.header.number] = std::move(scanned->suspects);
    segment.end = scanned->result.end;
    segment.last_commit = scanned->result.highest_commit;
    segment.confirmed = scanned->result.confirmed;
    segment.damaged = !scanned->damage.empty();
    segment.highest_seq = scanned->events.empty() ? Seq::none : scanned->events.back().seq;
    segment.newest_own_id = scanned->newest_own_id;
    segment.tokens = std::move(scanned->tokens);
    for (const IndexedEvent& event : scanned->events) segment.live.add(event);
    newest_outcomes_ = std::move(scanned->outcomes);
    take_totals(segment, *scanned);
    note_seqs(segment, std::max({scanned->result.highest_seq, scanned->result.confirmed_seq,
                                 segment.header.durable_seq}));
    unknown_events_ += cut_off_bytes(segment.header, segment.size) / record_size(0);
    return make_durable(segment, scanned->result);
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

// Writes the end of the segment again and syncs it before relying on it. What was read may be in
// kernel memory only: the former process may have died before its sync, or because of a failed
// sync, after which the kernel treats the pages as clean.
Result<void> LogRecovery::make_durable(Segment& segment, const ScanResult& scanned) {
    const std::uint64_t cut = scanned.torn_end - scanned.end;
    if (cut > 0) {
        log_.write(ev::spool_tail_cut, {{"file", LogFiles::segment_name(segment.header.number)},
                                        {"offset", scanned.end},
                                        {"bytes", cut}});
    }
    auto done = write_header(segment);
    if (done.has_value() && scanned.last_commit.number != 0) {
        std::vector<std::uint8_t> bytes(
            static_cast<std::size_t>(scanned.end - scanned.last_commit.offset));
        const auto got = segment.file->read_at(scanned.last_commit.offset, bytes);
        if (got.has_error() || *got != bytes.size()) {
            const Error error = got.has_error() ? got.error() : short_read_error();
            return unreadable_error(files_.segment_path(segment.header.number),
                                    scanned.last_commit.offset, error);
        }
        done = segment.file->write_at(scanned.last_commit.offset, bytes);
    }
    if (done.has_value()) done = write_zeros(*segment.file, scanned.end, cut);
    if (done.has_value()) done = segment.file->sync();
    if (done.has_value()) done = files_.sync_directory();
    return done;
}

/// Updates the header: new records of the segment have this format.
Result<void> LogRecovery::write_header(Segment& segment) {
    segment.header.version = segment_format_version;
    if (segment.header.size == 0 && cut_off_bytes(segment.header, segment.size) == 0) {
        segment.header.size = segment.size;
    }
    return rewrite_segment_header(*segment.file, segment.header);
}

Result<void> LogRecovery::settle_all() {
    LogSegments& segments = state_.segments;
    for (std::size_t place = 0; place < segments.all().size(); ++place) {
        Segment& segment = segments.all()[place];
        if (!segment.sealed) continue;
        const std::size_t before = segments.queued();
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
        if (came_back(layout_, place)) settled_again_ = before - segments.queued();
    }
    newest_outcomes_.settle_in(state_.ledger);
    for (const SeqRange& range : newest_outcomes_.seqs()) {
        if (auto done = segments.settle(range, true); done.has_error()) return done;
    }
    return {};
}

/// Reports damaged events. Settled ones are skipped: nothing is lost with them, and erasure wipes
/// them.
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

/// Returns how many events no later header counts: their segment was missing when a later one was
/// begun, which skipped their seqs.
Result<std::uint64_t> LogRecovery::uncounted_events() {
    std::uint64_t count = 0;
    auto& all = state_.segments.all();
    for (std::size_t later = 1; later < all.size(); ++later) {
        const SeqRange skipped = skipped_seqs(all[later].header);
        for (std::size_t place = 0; skipped.count > 0 && place < later; ++place) {
            if (!all[place].sealed) continue;
            const auto inside = state_.segments.with_index(
                all[place], [&](const SealedEvents& events) -> Result<std::size_t> {
                    const auto begin = events.index.lower_bound(skipped.first);
                    if (begin.has_error()) return begin.error();
                    const auto end = events.index.lower_bound(end_of(skipped));
                    if (end.has_error()) return end.error();
                    return *end - *begin;
                });
            if (inside.has_error()) return inside.error();
            count += *inside;
        }
    }
    return count;
}

// Balances the books: outcomes that were lost to damage are still in the totals, while their events
// are queued again.
Result<void> LogRecovery::balance_books() {
    core::Ledger& ledger = state_.ledger;
    ledger.delivered += settled_again(ledger, state_.segments.queued(), settled_again_);
    const std::int64_t unaccounted = ledger.unaccounted(state_.segments.queued());
    if (unaccounted > 0 && !report_.any()) {
        report_.unaccounted(static_cast<std::uint64_t>(unaccounted));
    }
    if (unaccounted >= 0) return {};
    const auto uncounted = uncounted_events();
    if (uncounted.has_error()) return uncounted.error();
    ledger.take_back(state_.segments.queued(), report_.any(), *uncounted);
    return {};
}

}  // namespace

Result<RecoveredLog> recover_log(LogFiles& files, const std::vector<std::uint64_t>& numbers,
                                 const LogOptions& options, Log& log) {
    return LogRecovery(files, options, log).run(numbers);
}

}  // namespace flowrelay::storage
