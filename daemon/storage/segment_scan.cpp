#include "segment_scan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace flowrelay::storage {

namespace {

class ScanSink final : public RecordSink {
public:
    ScanSink(SegmentScan& scan, Seq first) : scan_(scan), expected_(to_number(first)) {}

    void record(const ScannedRecord& record) override {
        if (record.header.type == RecordType::event) {
            event(record);
        } else if (!record.intact || !outcomes(record)) {
            damage(record.offset, record_size(record.header));
        }
    }

    void damage(std::uint64_t offset, std::uint64_t bytes) override {
        scan_.damage.push_back({offset, bytes, 0});
        gap_bytes_ += bytes;
    }

    /// Handles the end of the segment; `next` is the first seq of the next one.
    void finish(Seq next) {
        if (to_number(next) <= expected_) return;
        miss(to_number(next) - expected_);
        expected_ = to_number(next);
        gap_bytes_ = 0;
    }

private:
    void event(const ScannedRecord& record) {
        const RecordHeader& header = record.header;
        const std::uint64_t seq = to_number(header.seq);
        if (seq < expected_) {
            // Only a bug could write that; the location can't be trusted.
            damage(record.offset, record_size(header));
            return;
        }
        if (seq > expected_) miss(seq - expected_);
        gap_bytes_ = 0;
        expected_ = seq + 1;
        scan_.tokens.add(header.token);
        if ((header.flags & record_flag_own_id) != 0) {
            scan_.newest_own_id = std::max(scan_.newest_own_id, header.accepted);
        }
        const auto bytes = static_cast<std::uint32_t>(record_size(header));
        scan_.events.push_back({header.seq, header.token, header.thread_hash, header.accepted,
                                header.expires, static_cast<std::uint32_t>(record.offset), bytes});
        if (!record.intact) scan_.suspects.push_back({header.seq, record.offset, bytes});
    }

    bool outcomes(const ScannedRecord& record) {
        if (record.header.type == RecordType::settlements) {
            const auto outcomes = read_settlements(record.payload);
            if (!outcomes) return false;
            scan_.outcomes.add(*outcomes);
            return true;
        }
        if (record.header.type == RecordType::settled_before) {
            const auto ranges = read_settled_before(record.payload);
            if (!ranges) return false;
            scan_.settled_before.insert(scan_.settled_before.end(), ranges->begin(), ranges->end());
            return true;
        }
        return false;
    }

    /// Handles missing seqs. Without damage they are no loss: they were never acknowledged, or were
    /// settled before a compaction.
    void miss(std::uint64_t seqs) {
        if (gap_bytes_ == 0) return;
        seqs = std::min(seqs, std::max<std::uint64_t>(gap_bytes_ / record_size(0), 1));
        scan_.damage.back().missing += seqs;
        scan_.missing += seqs;
    }

    SegmentScan& scan_;
    std::uint64_t expected_;
    std::uint64_t gap_bytes_ = 0;  ///< damaged bytes since the last event
};

}  // namespace

void OutcomeSums::add(std::span<const core::Settlement> outcomes) {
    count_ += outcomes.size();
    for (const core::Settlement& outcome : outcomes) {
        ends_.settle(outcome.outcome);
        if (!ranges_.empty() &&
            to_number(ranges_.back().first) + ranges_.back().count == to_number(outcome.seq)) {
            ++ranges_.back().count;
            continue;
        }
        ranges_.push_back({outcome.seq, 1});
        if (ranges_.size() < merge_at_) continue;
        ranges_ = merged(std::move(ranges_));
        merge_at_ = std::max(merge_at_, 2 * ranges_.size());
    }
}

void OutcomeSums::settle_in(core::Ledger& ledger) const noexcept {
    ledger.settle(core::Outcome::delivered, ends_.delivered);
    ledger.settle(core::Outcome::dead, ends_.dead);
    ledger.settle(core::Outcome::expired, ends_.expired);
    ledger.settle(core::Outcome::erased, ends_.erased);
    ledger.settle(core::Outcome::dropped, ends_.dropped);
}

std::vector<SeqRange> OutcomeSums::seqs() const {
    return merged(ranges_);
}

Result<std::optional<SegmentHeader>> read_segment_header(File& file, const std::string& path,
                                                         std::uint64_t number) {
    std::vector<std::uint8_t> block(segment_header_size);
    constexpr int tries = 3;  // an error may be transient
    const auto size = file.size();
    if (size.has_error()) return size.error();
    const auto there = static_cast<std::size_t>(std::min<std::uint64_t>(*size, block.size()));
    Result<std::size_t> got = file.read_at(0, block);
    for (int i = 1; i < tries && (got.has_error() || *got < there); ++i) {
        got = file.read_at(0, block);
    }
    if (got.has_error()) return unreadable_error(path, 0, got.error());
    if (*got < there) return unreadable_error(path, *got, short_read_error());
    block.resize(*got);
    const auto parsed = parse_segment_header(block);
    if (parsed.status == ParsedSegmentHeader::Status::newer) {
        return Error{boost::system::errc::make_error_code(boost::system::errc::not_supported),
                     fmt::format("{} has format {}, and this program reads formats up to {}: use "
                                 "the newer version that wrote it",
                                 path, parsed.header.version, segment_format_version)};
    }
    const bool ours = parsed.status == ParsedSegmentHeader::Status::valid;
    if (!ours || parsed.header.number != number) return std::optional<SegmentHeader>();
    return std::optional(parsed.header);
}

Result<void> rewrite_segment_header(File& file, const SegmentHeader& header) {
    std::vector<std::uint8_t> block(segment_header_size);
    write_segment_header(block.data(), header);
    const auto half = std::span(block).first(segment_header_size / 2);
    auto done = file.write_at(0, half);
    if (done.has_value()) done = file.sync();
    if (done.has_value()) done = file.write_at(half.size(), half);
    return done;
}

std::uint64_t cut_off_bytes(const SegmentHeader& header, std::uint64_t size) noexcept {
    if (header.size != 0) return header.size - std::min(header.size, size);
    if (header.own_end != 0) return header.own_end - std::min(header.own_end, size);
    if (size < segment_header_size) return segment_header_size - size;
    return (segment_header_size - size % segment_header_size) % segment_header_size;
}

SegmentScan scan_segment(File& file, const SegmentHeader& header, const ScanRange& range,
                         std::optional<Seq> following) {
    SegmentScan scan;
    ScanSink sink(scan, header.next_seq);
    ScanRange readable = range;
    const auto size = file.size();
    if (size.has_error()) {
        scan.result.unreadable = ScanResult::Unreadable{0, range.end, size.error()};
        return scan;
    }
    readable.end = std::min(range.end, *size);
    readable.durable_end = std::min(range.durable_end, readable.end);
    scan.result = scan_records(file, readable, header.salt, sink);
    if (range.tail == ScanRange::Tail::unknown) {
        const std::uint64_t missing = cut_off_bytes(header, *size);
        const auto& lost = scan.result.cut_off;
        const std::uint64_t end =
            std::max(scan.result.end + (lost ? record_size(*lost) : 0), *size + missing);
        if (scan.result.confirmed && scan.result.confirmed_seq != Seq::none) {
            sink.finish(Seq{to_number(scan.result.confirmed_seq) + 1});
        }
        const bool cut = missing > 0 || lost;
        if (cut) sink.damage(scan.result.end, end - scan.result.end);
        if (lost && lost->type == RecordType::event) sink.finish(Seq{to_number(lost->seq) + 1});
        if (header.durable_seq != Seq::none) sink.finish(Seq{to_number(header.durable_seq) + 1});
        if (cut) scan.damage.back().at_least = true;
    } else if (range.end > readable.end) {
        sink.damage(readable.end, range.end - readable.end);
    }
    if (following) sink.finish(*following);
    return scan;
}

std::uint64_t seqs_between(const SegmentHeader& before, Seq highest, const SegmentHeader& behind) {
    const std::uint64_t expected = std::max(to_number(before.next_seq), to_number(highest) + 1);
    const std::uint64_t given =
        to_number(behind.next_seq) - std::min(behind.skipped_seqs, to_number(behind.next_seq));
    return std::max(given, expected) - expected;
}

IndexContents index_contents(const SegmentHeader& header, SegmentScan scan) {
    IndexContents contents;
    contents.number = header.number;
    contents.salt = header.salt;
    contents.end = scan.result.end;
    contents.highest_seq = scan.result.highest_seq;
    contents.newest_own_id = scan.newest_own_id;
    contents.damaged = !scan.damage.empty();
    contents.tokens = scan.tokens.sorted();
    std::vector<SeqRange> here;
    std::vector<SeqRange> before = std::move(scan.settled_before);
    const std::uint64_t begin = to_number(header.next_seq);
    for (const SeqRange& range : scan.outcomes.seqs()) {
        const std::uint64_t first = to_number(range.first);
        const std::uint64_t end = first + range.count;
        if (first < begin) before.push_back({range.first, std::min(end, begin) - first});
        if (end > begin)
            here.push_back({Seq{std::max(first, begin)}, end - std::max(first, begin)});
    }
    contents.settled = merged(std::move(before));
    contents.events = std::move(scan.events);
    // Both are in ascending order.
    auto range = here.begin();
    std::erase_if(contents.events, [&](const IndexedEvent& event) {
        while (range != here.end() &&
               to_number(range->first) + range->count <= to_number(event.seq)) {
            ++range;
        }
        return range != here.end() && range->first <= event.seq;
    });
    return contents;
}

std::vector<SeqRange> merged(std::vector<SeqRange> ranges) {
    std::ranges::sort(ranges, {}, &SeqRange::first);
    std::vector<SeqRange> result;
    for (const SeqRange& range : ranges) {
        const std::uint64_t first = to_number(range.first);
        if (!result.empty() && first <= to_number(result.back().first) + result.back().count) {
            const std::uint64_t covered = first - to_number(result.back().first) + range.count;
            result.back().count = std::max(result.back().count, covered);
        } else {
            result.push_back(range);
        }
    }
    return result;
}

}  // namespace flowrelay::storage
