#include "log_recovery.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "flowrelay/core/log_events.hpp"
#include "flowrelay/storage/record_scanner.hpp"

namespace flowrelay::storage {

namespace {

namespace ev = core::log_events;

struct DamagedRange {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::uint64_t missing = 0;  ///< seqs whose events are lost with it
};

/// An event whose payload is wrong: wiped on purpose if it turns out to be settled.
struct Suspect {
    Seq seq = Seq::none;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
};

class LogRecovery {
public:
    LogRecovery(LogFiles& files, Log& log) : files_(files), log_(log) {}

    Result<RecoveredLog> run(const std::vector<std::uint64_t>& numbers) {
        for (const std::uint64_t number : numbers) {
            if (auto opened = open(number); opened.has_error()) return opened.error();
        }
        if (numbers.empty()) return std::move(state_);
        state_.next_number = numbers.back() + 1;
        state_.can_append =
            !state_.segments.empty() && state_.segments.back().header.number == numbers.back();
        damage_.resize(state_.segments.size());
        suspects_.resize(state_.segments.size());
        report_missing(numbers);
        for (std::size_t i = 0; i < state_.segments.size(); ++i) {
            if (auto read = read_segment(i); read.has_error()) return read.error();
        }
        for (std::size_t i = 0; i < state_.segments.size(); ++i) report_damage(i);
        balance_books();
        return std::move(state_);
    }

private:
    class Sink;

    Result<void> open(std::uint64_t number) {
        Segment segment;
        auto file = files_.file_system().open(files_.segment_path(number));
        if (file.has_error()) return file.error();
        segment.file = std::move(*file);
        const auto size = segment.file->size();
        if (size.has_error()) return size.error();
        segment.size = *size;

        std::vector<std::uint8_t> block(segment_header_size);
        const auto got = segment.file->read_at(0, block);
        block.resize(got.has_value() ? *got : 0);
        const auto parsed = parse_segment_header(block);
        if (parsed.status == ParsedSegmentHeader::Status::newer) {
            return Error{boost::system::errc::make_error_code(boost::system::errc::not_supported),
                         fmt::format("{} has format {}, and this program reads formats up to {}: "
                                     "use the newer flowrelayd that wrote it",
                                     files_.segment_path(number), parsed.header.version,
                                     segment_format_version)};
        }
        if (parsed.status != ParsedSegmentHeader::Status::valid || parsed.header.number != number) {
            log_damage(number, {0, segment.size, 0});
            // Its events had seqs of their own: none of them may be given out again.
            unreadable_events_ += segment.size / record_size(0);
            state_.unreadable.push_back({number, segment.size});
            return {};
        }
        segment.header = parsed.header;
        state_.segments.push_back(std::move(segment));
        return {};
    }

    void report_missing(const std::vector<std::uint64_t>& numbers) {
        for (std::size_t i = 1; i < numbers.size(); ++i) {
            // Segments are removed in their order, but those without a header stay.
            if (is_unreadable(numbers[i - 1])) continue;
            for (std::uint64_t n = numbers[i - 1] + 1; n < numbers[i]; ++n) {
                log_.write(ev::spool_damaged, {{"file", LogFiles::segment_name(n)},
                                               {"reason", "the file is missing"}});
                if (n - numbers[i - 1] >= max_reports) break;
            }
        }
    }

    Result<void> read_segment(std::size_t index);
    Result<void> make_durable(Segment& segment, const ScanResult& scanned);
    void settle(const core::Settlement& settlement, bool newest);
    void report_damage(std::size_t index);
    void balance_books();

    bool is_unreadable(std::uint64_t number) const {
        return std::any_of(state_.unreadable.begin(), state_.unreadable.end(),
                           [number](const auto& segment) { return segment.number == number; });
    }

    void log_damage(std::uint64_t number, const DamagedRange& range) {
        log_.write(ev::spool_damaged, {{"file", LogFiles::segment_name(number)},
                                       {"offset", range.offset},
                                       {"bytes", range.bytes},
                                       {"missing", range.missing}});
    }

    static constexpr std::size_t max_reports = 20;  ///< lines for one segment

    LogFiles& files_;
    Log& log_;
    RecoveredLog state_;
    std::uint64_t unreadable_events_ = 0;
    std::vector<std::vector<DamagedRange>> damage_;  // by segment
    std::vector<std::vector<Suspect>> suspects_;     // by segment
};

/// Takes the records of one segment into the state.
class LogRecovery::Sink final : public RecordSink {
public:
    Sink(LogRecovery& recovery, std::size_t index)
        : recovery_(recovery),
          segment_(recovery.state_.segments[index]),
          damage_(recovery.damage_[index]),
          suspects_(recovery.suspects_[index]),
          newest_(index + 1 == recovery.state_.segments.size()),
          expected_(to_number(segment_.header.next_seq)) {}

    void record(const ScannedRecord& record) override {
        if (record.header.type == RecordType::event) {
            event(record);
        } else if (const auto settlements =
                       record.intact && record.header.type == RecordType::settlements
                           ? read_settlements(record.payload)
                           : std::nullopt) {
            for (const auto& settlement : *settlements) recovery_.settle(settlement, newest_);
        } else {
            damage(record.offset, record_size(record.header));
        }
    }

    void damage(std::uint64_t offset, std::uint64_t bytes) override {
        damage_.push_back({offset, bytes, 0});
        open_gap_ = true;
        segment_.damaged = true;
    }

    /// The end of the segment; the one behind it begins with this seq.
    void finish(Seq next_seq) {
        if (open_gap_ && to_number(next_seq) > expected_) {
            damage_.back().missing = to_number(next_seq) - expected_;
        }
    }

private:
    void event(const ScannedRecord& record) {
        const std::uint64_t seq = to_number(record.header.seq);
        if (seq < expected_) {
            // Only a fault of the program could write that; its place is not to be trusted.
            damage(record.offset, record_size(record.header));
            return;
        }
        if (open_gap_) {
            damage_.back().missing = seq - expected_;
            if (newest_) recovery_.state_.ledger.accepted += seq - expected_;
            open_gap_ = false;
        }
        expected_ = seq + 1;
        if (newest_) ++recovery_.state_.ledger.accepted;
        segment_.add(record.header, record.offset);
        if (!record.intact) {
            suspects_.push_back({record.header.seq, record.offset, record_size(record.header)});
        }
    }

    LogRecovery& recovery_;
    Segment& segment_;
    std::vector<DamagedRange>& damage_;
    std::vector<Suspect>& suspects_;
    bool newest_;
    std::uint64_t expected_;
    bool open_gap_ = false;
};

Result<void> LogRecovery::read_segment(std::size_t index) {
    Segment& segment = state_.segments[index];
    const bool newest = index + 1 == state_.segments.size();
    if (newest) state_.ledger = segment.header.ledger;

    ScanRange range{segment_header_size, segment.size, ScanRange::Tail::zeros};
    if (newest && state_.can_append) {
        range.tail = ScanRange::Tail::unknown;
    } else if (!newest && state_.segments[index + 1].header.number == segment.header.number + 1) {
        range.end = state_.segments[index + 1].header.previous_end;
        range.tail = ScanRange::Tail::exact;
    }
    Sink sink(*this, index);
    const std::uint64_t wanted_end = range.end;
    range.end = std::min(range.end, segment.size);
    const ScanResult scanned = scan_records(*segment.file, range, segment.header.salt, sink);
    if (wanted_end > range.end) sink.damage(range.end, wanted_end - range.end);
    if (!newest) sink.finish(state_.segments[index + 1].header.next_seq);

    segment.end = scanned.end;
    segment.dirty_end = end_of_data(*segment.file, scanned.end, segment.size);
    segment.last_commit = scanned.highest_commit;
    const std::uint64_t next =
        std::max({to_number(state_.next_seq), to_number(scanned.highest_seq) + 1,
                  to_number(segment.header.next_seq)});
    state_.next_seq = Seq{next};
    if (!newest) return {};
    if (!state_.can_append) {
        state_.next_seq = Seq{next + unreadable_events_};
        return {};
    }
    return make_durable(segment, scanned);
}

// What was read may be in the memory of the kernel alone: the former process may have died before
// its sync, or because of a failed one, after which the kernel takes the pages for clean. So it is
// written again, and only then relied upon.
Result<void> LogRecovery::make_durable(Segment& segment, const ScanResult& scanned) {
    const std::uint64_t cut = scanned.dirty_end - scanned.end;
    if (scanned.unreadable > 0) {
        log_damage(segment.header.number, {scanned.end, std::max(cut, scanned.unreadable), 0});
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
    if (done.has_value() && cut > 0) {
        bytes.assign(static_cast<std::size_t>(cut), 0);
        done = segment.file->write_at(scanned.end, bytes);
    }
    if (done.has_value()) done = segment.file->sync();
    if (done.has_value()) done = files_.sync_directory();
    segment.dirty_end = segment.end;
    return done;
}

void LogRecovery::settle(const core::Settlement& settlement, bool newest) {
    if (newest) state_.ledger.settle(settlement.outcome);
    for (auto segment = state_.segments.rbegin(); segment != state_.segments.rend(); ++segment) {
        if (segment->header.next_seq > settlement.seq) continue;
        segment->live.settle(settlement.seq);
        return;
    }
}

void LogRecovery::report_damage(std::size_t index) {
    Segment& segment = state_.segments[index];
    std::vector<DamagedRange> ranges = std::move(damage_[index]);
    for (const Suspect& suspect : suspects_[index]) {
        // Of a settled event nothing is lost, and erasure wipes just those.
        if (!segment.live.settle(suspect.seq)) continue;
        ranges.push_back({suspect.offset, suspect.bytes, 1});
    }
    std::sort(ranges.begin(), ranges.end(),
              [](const DamagedRange& a, const DamagedRange& b) { return a.offset < b.offset; });
    std::vector<DamagedRange> merged;
    for (const DamagedRange& range : ranges) {
        if (!merged.empty() && merged.back().offset + merged.back().bytes == range.offset) {
            merged.back().bytes += range.bytes;
            merged.back().missing += range.missing;
        } else {
            merged.push_back(range);
        }
    }
    if (merged.size() > max_reports) {
        DamagedRange& rest = merged[max_reports - 1];
        for (std::size_t i = max_reports; i < merged.size(); ++i) {
            rest.bytes += merged[i].bytes;
            rest.missing += merged[i].missing;
        }
        merged.resize(max_reports);
    }
    for (const DamagedRange& range : merged) log_damage(segment.header.number, range);
}

// Outcomes that were lost to damage are still in the totals, and their events are queued again.
void LogRecovery::balance_books() {
    std::uint64_t queued = 0;
    for (const Segment& segment : state_.segments) queued += segment.live.size();
    core::Ledger& ledger = state_.ledger;
    const std::int64_t unaccounted = ledger.unaccounted(queued);
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
