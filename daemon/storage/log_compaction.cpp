#include "log_compaction.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "flowrelay/core/log_events.hpp"
#include "segment_scan.hpp"

namespace flowrelay::storage {

namespace {

namespace ev = core::log_events;

constexpr std::uint64_t compaction_step = 1024 * 1024;

// At most one in this many bytes of a run may still be queued.
constexpr std::uint64_t least_gain = 4;

// At least this many small neighbours are merged, however much is queued in them: each segment
// costs an open file.
constexpr std::size_t many_small = 8;
constexpr std::uint64_t small_part = 8;  ///< segments up to segment_size / small_part are small

/// Error of the records to be copied, not of the disk: the run is left as it is.
Error cannot_copy() {
    return {QueueErrc::damaged, "a record can't be copied"};
}

std::uint64_t live_bytes(const Segment& segment) {
    const SealedEvents& events = *segment.sealed;
    if (events.live == 0) return 0;
    return events.index.event_bytes() * events.live / events.index.size();
}

}  // namespace

bool LogCompaction::eligible(const Segment& segment) const {
    return segment.sealed && !segment.damaged && (segment.sealed->cold || pressed_);
}

/// Chooses the oldest run that is worth compacting.
bool LogCompaction::choose() {
    const auto& all = segments_.all();
    for (std::size_t first = 0; first < all.size(); ++first) {
        std::uint64_t total = 0;
        std::uint64_t live = 0;
        std::size_t small = 0;
        std::size_t best = 0;
        for (std::size_t i = first; i < all.size() && eligible(all[i]); ++i) {
            total += all[i].size;
            live += live_bytes(all[i]);
            if (all[i].size <= size_ / small_part) ++small;
            const std::size_t count = i - first + 1;
            if (live > size_ / 2) break;
            const bool gains = live <= total / least_gain && total >= size_;
            if (gains || (count >= many_small && small == count)) best = count;
        }
        if (best > 0) return begin(first, best);
    }
    return false;
}

bool LogCompaction::begin(std::size_t first, std::size_t count) {
    const auto& all = segments_.all();
    const SegmentHeader& from = all[first].header;
    Job job;
    job.first_number = from.number;
    job.count = count;
    job.header = from;
    job.header.version = segment_format_version;
    job.header.number = all[first + count - 1].header.number;
    job.header.salt = static_cast<std::uint32_t>(random_.next());
    job.header.replaces_from = from.replaces_from != 0 ? from.replaces_from : from.number;
    auto file = files_.create_compacted(job.header.number);
    if (file.has_error()) return false;
    job.file = std::move(*file);
    job_ = std::move(job);
    return true;
}

/// Returns the current position of the run: segments may have moved up. Nothing if its first
/// segment has left the log.
std::optional<std::size_t> LogCompaction::place_of_run() const {
    const auto& all = segments_.all();
    const auto found = std::ranges::find(
        all, job_->first_number, [](const Segment& segment) { return segment.header.number; });
    if (found == all.end()) return std::nullopt;
    return static_cast<std::size_t>(found - all.begin());
}

Result<bool> LogCompaction::step() {
    if (!job_) {
        if (awake_ && choose()) return true;
        awake_ = pressed_ = false;
        return false;
    }
    const auto first = place_of_run();
    if (!first) {
        abandon();
        return true;
    }
    if (job_->next.segment < job_->count) {
        if (auto copied = copy_some(*first); copied.has_error()) return give_up(copied.error());
        return true;
    }
    auto sealed = write_settled(*first);
    if (sealed.has_value()) sealed = seal();
    if (sealed.has_error()) return give_up(sealed.error());
    if (auto published = publish(*first); published.has_error()) return published.error();
    return true;
}

void LogCompaction::abandon() {
    if (!job_) return;
    job_->file.reset();
    files_.discard_compacted(job_->header.number);
    job_.reset();
}

/// Abandons the run after a full disk or an unreadable part; it is tried again after the next
/// segment is sealed.
Result<bool> LogCompaction::give_up(const Error& error) {
    log_.write(ev::spool_compaction_failed, {{"reason", error.message}});
    abandon();
    awake_ = pressed_ = false;
    return false;
}

Result<void> LogCompaction::copy_some(std::size_t first) {
    std::vector<std::uint8_t> buffer;
    ++job_->commit;
    while (job_->next.segment < job_->count && buffer.size() < compaction_step) {
        Segment& segment = segments_.all()[first + job_->next.segment];
        if (job_->next.place == segment.sealed->index.size()) {
            job_->next = {job_->next.segment + 1, 0};
            continue;
        }
        const std::size_t place = job_->next.place++;
        if (segment.sealed->settled.test(place)) continue;
        const auto event = segments_.with_index(
            segment, [place](const SealedEvents& events) { return events.index.at(place); });
        if (event.has_error()) return event.error();
        if (auto copied = copy(segment, *event, buffer); copied.has_error()) return copied;
        job_->origins.push_back({job_->next.segment, place});
    }
    if (buffer.empty()) return {};
    auto written = job_->file->write_at(job_->end, buffer);
    job_->end += buffer.size();
    return written;
}

Result<void> LogCompaction::copy(Segment& segment, const IndexedEvent& event,
                                 std::vector<std::uint8_t>& buffer) {
    const std::size_t at = buffer.size();
    buffer.resize(at + event.bytes);
    const auto record = std::span(buffer).subspan(at);
    const auto got = segment.file->read_at(event.offset, record);
    if (got.has_error()) return got.error();
    auto header = parse_record_header(record, segment.header.salt);
    const bool whole =
        *got == record.size() && header && header->seq == event.seq &&
        record_size(*header) == record.size() &&
        payload_intact(*header, record.subspan(record_header_size, header->payload_length),
                       segment.header.salt);
    if (!whole) {
        segment.damaged = true;  // skipped from now on; reported when it is read
        return cannot_copy();
    }
    const std::uint64_t offset = job_->end + at;
    header->commit = {job_->commit, static_cast<std::uint32_t>(job_->end)};
    seal_record(record.data(), *header, header->payload_length, job_->header.salt);
    IndexedEvent moved = event;
    moved.offset = static_cast<std::uint32_t>(offset);
    job_->contents.events.push_back(moved);
    if ((header->flags & record_flag_own_id) != 0) {
        job_->contents.newest_own_id = std::max(job_->contents.newest_own_id, header->accepted);
    }
    return {};
}

/// Writes the run's outcomes of events that precede it.
Result<void> LogCompaction::write_settled(std::size_t first) {
    const auto& all = segments_.all();
    std::vector<SeqRange> ranges;
    for (std::size_t i = first; i < first + job_->count; ++i) {
        Segment& segment = segments_.all()[i];
        const auto done =
            segments_.with_index(segment, [&](const SealedEvents& events) -> Result<std::size_t> {
                for (std::size_t at = 0; at < events.index.settled_ranges(); ++at) {
                    const auto range = events.index.settled_at(at);
                    if (range.has_error()) return range.error();
                    const std::uint64_t end = std::min(to_number(range->first) + range->count,
                                                       to_number(job_->header.next_seq));
                    const std::uint64_t begin =
                        std::max(to_number(range->first), to_number(all.front().header.next_seq));
                    if (begin < end) ranges.push_back({Seq{begin}, end - begin});
                }
                return ranges.size();
            });
        if (done.has_error()) return done.error();
    }
    job_->contents.settled = merged(std::move(ranges));
    if (job_->contents.settled.empty()) return {};
    std::vector<std::uint8_t> record(settled_before_record_size(job_->contents.settled.size()));
    const CommitMark mark{++job_->commit, static_cast<std::uint32_t>(job_->end)};
    write_settled_before(record.data(), job_->contents.settled, mark, job_->header.salt);
    auto written = job_->file->write_at(job_->end, record);
    job_->end += record.size();
    return written;
}

/// Writes the header last: only with a header is the file a segment.
Result<void> LogCompaction::seal() {
    job_->header.own_end = job_->header.size = job_->end;
    std::vector<std::uint8_t> block(segment_header_size);
    write_segment_header(block.data(), job_->header);
    auto done = job_->file->write_at(0, block);
    if (done.has_value()) done = job_->file->sync();
    return done;
}

/// Checks that each event queued in the segments is in the copy.
Result<void> LogCompaction::check_complete(const Job& job, std::size_t first) const {
    const auto& all = segments_.all();
    std::uint64_t queued = 0;
    for (std::size_t i = first; i < first + job.count; ++i) queued += all[i].queued();
    const auto copied = std::ranges::count_if(job.origins, [&](const auto& origin) {
        return !all[first + origin.segment].sealed->settled.test(origin.place);
    });
    if (static_cast<std::uint64_t>(copied) == queued) return {};
    return Error{boost::system::errc::make_error_code(boost::system::errc::state_not_recoverable),
                 fmt::format("the copy of {} segments from {} on has {} of their {} queued events: "
                             "this is a fault of flowrelay, please report it. The segments were "
                             "left as they are",
                             job.count, all[first].header.number, copied, queued)};
}

Result<void> LogCompaction::publish(std::size_t first) {
    Job job = std::move(*job_);
    job_.reset();
    auto& all = segments_.all();
    if (auto complete = check_complete(job, first); complete.has_error()) return complete;
    for (std::size_t i = first; i < first + job.count; ++i) known_ids_.keep(all[i]);
    auto done = files_.publish_compacted(job.header.number);
    std::uint64_t freed = 0;
    for (std::size_t i = first; done.has_value() && i < first + job.count; ++i) {
        freed += all[i].size;
        if (i + 1 < first + job.count) done = files_.remove_replaced(all[i].header.number);
    }
    // Must be durable before the new segment can leave the log: the segments it replaces must not
    // come back after that.
    if (done.has_value()) done = files_.sync_directory();
    if (done.has_error()) return done;

    IndexContents& contents = job.contents;
    contents.number = job.header.number;
    contents.salt = job.header.salt;
    contents.end = job.end;
    if (!contents.events.empty()) contents.highest_seq = contents.events.back().seq;
    for (const IndexedEvent& event : contents.events) contents.tokens.push_back(event.token);
    std::ranges::sort(contents.tokens);
    const auto same = std::ranges::unique(contents.tokens);
    contents.tokens.erase(same.begin(), same.end());

    Segment segment;
    segment.header = job.header;
    segment.file = std::move(job.file);
    segment.size = segment.end = job.end;
    segment.last_commit = job.commit;
    segment.highest_seq = contents.highest_seq;
    segment.newest_own_id = contents.newest_own_id;
    segment.tail_dirty = false;
    segment.sealed.emplace(files_.write_index(job.header.number, encode_index(contents)));
    // Events settled while they were copied.
    for (std::size_t place = 0; place < job.origins.size(); ++place) {
        const SealedEvents& old = *all[first + job.origins[place].segment].sealed;
        if (!old.settled.test(job.origins[place].place)) continue;
        segment.sealed->settle(place);
        if (!old.fresh.test(job.origins[place].place)) segment.sealed->fresh.reset(place);
    }
    log_.write(ev::spool_compacted, {{"segments", job.count},
                                     {"events", segment.sealed->live},
                                     {"freed", freed - segment.size},
                                     {"written", segment.size}});
    segments_.replace(first, job.count, std::move(segment));
    return {};
}

}  // namespace flowrelay::storage
