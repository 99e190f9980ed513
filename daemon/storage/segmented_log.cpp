#include "flowrelay/storage/segmented_log.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "flowrelay/base/random.hpp"
#include "flowrelay/core/log_events.hpp"
#include "flowrelay/storage/record_scanner.hpp"
#include "log_files.hpp"
#include "log_recovery.hpp"
#include "path.hpp"
#include "segment.hpp"

namespace flowrelay::storage {

namespace {

constexpr std::uint64_t min_segment_size = 16 * 1024;
constexpr std::uint64_t max_segment_size = 1ULL << 30;

// Kept free for each queued event: its outcome in a record of its own, at worst.
constexpr std::uint64_t outcome_reserve = settlements_record_size(1);
// Kept free besides, and lost at the end of a segment in which not even one outcome fits.
constexpr std::uint64_t spare_reserve = 4096;
constexpr std::uint64_t segment_waste = outcome_reserve;

// Events that one load() looks at: about a millisecond.
constexpr std::size_t max_looks = 200'000;

bool is_disk_full(const Error& error) {
    return error.code == boost::system::errc::no_space_on_device ||
           error.code == error_code(EDQUOT, boost::system::system_category());
}

Error full_error(std::string message) {
    return {QueueErrc::full, std::move(message)};
}

LogOptions usable(LogOptions options) {
    options.segment_size =
        std::clamp(options.segment_size / segment_header_size * segment_header_size,
                   min_segment_size, max_segment_size);
    options.max_size = std::max(options.max_size, 2 * options.segment_size);
    return options;
}

class SegmentedLog final : public EventQueue {
public:
    SegmentedLog(LogFiles files, std::shared_ptr<void> lock, const LogOptions& options,
                 RecoveredLog recovered)
        : lock_(std::move(lock)),
          files_(std::move(files)),
          options_(options),
          random_(options.salt_seed == 0 ? Random::from_system() : Random(options.salt_seed)),
          segments_(std::move(recovered.segments)),
          unreadable_(std::move(recovered.unreadable)),
          ledger_(recovered.ledger),
          next_seq_(recovered.next_seq),
          next_number_(recovered.next_number) {
        for (const Segment& segment : segments_) queued_ += segment.live.size();
    }

    Result<Seq> commit(std::span<const EventRecord> events,
                       std::span<const Settlement> outcomes) override;
    Result<EventRecord> read(Seq seq) override;
    Result<std::uint64_t> erase(TokenId token) override;
    std::vector<Backlog> backlog() const override;
    Result<core::LoadedSlice> load(const core::LoadRequest& request) override;
    std::vector<KnownId> known_ids(WallTime since) override;
    core::Ledger ledger() const override { return ledger_; }
    QueueUsage usage() const override { return {queued_, disk_bytes()}; }

    /// Makes a new segment the active one.
    Result<void> begin_segment();
    std::size_t segments() const noexcept { return segments_.size(); }

private:
    struct Part {
        std::size_t outcomes = 0;
        std::size_t events = 0;
        std::size_t bytes = 0;
    };

    Segment& active() { return segments_.back(); }
    std::uint64_t active_room() const { return segments_.back().size - segments_.back().end; }
    std::uint64_t fresh_room() const { return options_.segment_size - segment_header_size; }
    std::uint64_t disk_bytes() const;
    Segment* segment_of(Seq seq);

    void keep(std::span<const Settlement> outcomes);
    Result<void> make_room(std::span<const EventRecord> events);
    bool outcomes_fit_after(std::span<const EventRecord> events) const;
    Result<void> add_spare();
    Result<void> write(std::span<const EventRecord> events);
    Part encode(std::span<const EventRecord> events, Seq first);
    Result<void> write_part(const Part& part, bool is_first);
    void apply(const Part& part, std::uint32_t salt);
    void reclaim();
    Result<void> wipe(Segment& segment, TokenId token);
    Error fail(const Error& error);
    Error fail_unless_full(const Error& error);

    std::shared_ptr<void> lock_;
    LogFiles files_;
    LogOptions options_;
    Random random_;
    std::deque<Segment> segments_;  ///< oldest first; the last one is written to
    std::vector<UnreadableSegment> unreadable_;
    core::Ledger ledger_;
    Seq next_seq_;
    std::uint64_t next_number_;
    std::uint64_t queued_ = 0;
    std::vector<Settlement> pending_;   ///< outcomes that are not written yet
    std::vector<std::uint8_t> buffer_;  ///< the records of one commit
    std::optional<Error> failure_;
};

// --- commit ------------------------------------------------------------------------------------

Result<Seq> SegmentedLog::commit(std::span<const EventRecord> events,
                                 std::span<const Settlement> outcomes) {
    if (failure_) return *failure_;
    keep(outcomes);
    std::optional<Error> refused;
    if (!events.empty()) {
        const auto room = make_room(events);
        if (failure_) return *failure_;
        if (room.has_error()) {
            refused = room.error();
            events = {};  // the outcomes are written all the same: they may make room
        }
    }
    const Seq first = next_seq_;
    if (!events.empty() || !pending_.empty()) {
        const auto written = write(events);
        if (written.has_error()) return refused ? *refused : written.error();
        reclaim();
    }
    if (refused) return *refused;
    return first;
}

void SegmentedLog::keep(std::span<const Settlement> outcomes) {
    for (const Settlement& outcome : outcomes) {
        Segment* segment = segment_of(outcome.seq);
        LiveEvent* event = segment != nullptr ? segment->live.find(outcome.seq) : nullptr;
        if (event == nullptr || event->settling != 0) continue;
        event->settling = 1;
        pending_.push_back(outcome);
    }
}

Result<void> SegmentedLog::make_room(std::span<const EventRecord> events) {
    for (const EventRecord& event : events) {
        if (const std::size_t size = event_record_size(event); size > fresh_room()) {
            return Error{boost::system::errc::make_error_code(boost::system::errc::message_size),
                         fmt::format("an event of {} bytes does not fit into a segment of {} bytes:"
                                     " raise spool.segment_size",
                                     size, options_.segment_size)};
        }
    }
    const std::uint64_t queued = queued_ - pending_.size();
    if (options_.max_events != 0 && queued + events.size() > options_.max_events) {
        return full_error(
            fmt::format("the spool is full: {} events are queued, spool.max_events "
                        "allows {}",
                        queued, options_.max_events));
    }
    while (!outcomes_fit_after(events)) {
        if (disk_bytes() + options_.segment_size > options_.max_size) {
            return full_error(
                fmt::format("the spool is full: it takes {} bytes, spool.max_size "
                            "allows {}",
                            disk_bytes(), options_.max_size));
        }
        if (auto added = add_spare(); added.has_error()) return added;
    }
    return {};
}

/// Whether there is room on the disk, taken already, for the outcomes that wait, these events, and
/// then the outcomes of everything queued.
bool SegmentedLog::outcomes_fit_after(std::span<const EventRecord> events) const {
    std::uint64_t left = active_room();
    std::uint64_t begun = 0;
    const auto begin_next = [&] {
        left = fresh_room();
        ++begun;
    };
    for (std::uint64_t waiting = pending_.size(); waiting > 0;) {
        if (left < outcome_reserve) begin_next();
        const std::uint64_t fitting =
            std::min(waiting, (left - record_header_size) / settlement_size);
        left -= settlements_record_size(fitting);
        waiting -= fitting;
    }
    for (const EventRecord& event : events) {
        const std::uint64_t size = event_record_size(event);
        if (size > left) begin_next();
        left -= size;
    }
    if (begun > files_.spares()) return false;
    const std::uint64_t room = left - std::min(left, segment_waste) +
                               (files_.spares() - begun) * (fresh_room() - segment_waste);
    const std::uint64_t queued = queued_ - pending_.size() + events.size();
    return room >= queued * outcome_reserve + spare_reserve;
}

Result<void> SegmentedLog::add_spare() {
    auto added = files_.add_spare(options_.segment_size);
    if (added.has_error()) return fail_unless_full(added.error());
    return {};
}

Result<void> SegmentedLog::write(std::span<const EventRecord> events) {
    bool is_first = true;
    while (!events.empty() || !pending_.empty()) {
        const Part part = encode(events, next_seq_);
        if (part.bytes == 0) {
            if (auto begun = begin_segment(); begun.has_error()) {
                return is_first ? begun.error() : fail(begun.error());
            }
            continue;
        }
        if (auto written = write_part(part, is_first); written.has_error()) return written;
        events = events.subspan(part.events);
        is_first = is_first && part.events == 0;
    }
    return {};
}

/// As much as fits into the active segment: outcomes, then events.
SegmentedLog::Part SegmentedLog::encode(std::span<const EventRecord> events, Seq first) {
    Segment& segment = active();
    const CommitMark mark{segment.last_commit + 1, static_cast<std::uint32_t>(segment.end)};
    const std::uint64_t room = active_room();
    Part part;
    std::uint64_t bytes = 0;
    if (!pending_.empty() && room >= outcome_reserve) {
        part.outcomes =
            std::min<std::uint64_t>(pending_.size(), (room - record_header_size) / settlement_size);
        bytes += settlements_record_size(part.outcomes);
    }
    if (part.outcomes == pending_.size()) {
        for (const EventRecord& event : events) {
            const std::uint64_t size = event_record_size(event);
            if (bytes + size > room) break;
            bytes += size;
            ++part.events;
        }
    }
    part.bytes = static_cast<std::size_t>(bytes);
    if (buffer_.size() < part.bytes) buffer_.resize(part.bytes);
    std::uint8_t* out = buffer_.data();
    if (part.outcomes > 0) {
        out += write_settlements(out, std::span(pending_).first(part.outcomes), mark,
                                 segment.header.salt);
    }
    std::uint64_t seq = to_number(first);
    for (const EventRecord& event : events.first(part.events)) {
        out += write_event(out, event, Seq{seq++}, mark, segment.header.salt);
    }
    return part;
}

Result<void> SegmentedLog::write_part(const Part& part, bool is_first) {
    Segment& segment = active();
    ++segment.last_commit;  // an attempt that fails keeps its number: what it left is told by it
    segment.dirty_end = std::max(segment.dirty_end, segment.end + part.bytes);
    const auto bytes = std::span<const std::uint8_t>(buffer_).first(part.bytes);
    if (auto written = segment.file->write_at(segment.end, bytes); written.has_error()) {
        if (!is_first || !is_disk_full(written.error())) return fail(written.error());
        // Nobody was told that these events were accepted: they should not come back after a crash.
        const std::vector<std::uint8_t> zeros(record_header_size);
        static_cast<void>(segment.file->write_at(segment.end, zeros));
        return fail_unless_full(written.error());
    }
    if (auto synced = segment.file->sync(); synced.has_error()) return fail(synced.error());
    apply(part, segment.header.salt);
    return {};
}

/// Takes over what is durable now.
void SegmentedLog::apply(const Part& part, std::uint32_t salt) {
    for (const Settlement& outcome : std::span(pending_).first(part.outcomes)) {
        if (!segment_of(outcome.seq)->live.settle(outcome.seq)) continue;
        ledger_.settle(outcome.outcome);
        --queued_;
    }
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(part.outcomes));
    Segment& segment = active();
    std::size_t at = part.outcomes > 0 ? settlements_record_size(part.outcomes) : 0;
    while (at < part.bytes) {
        const auto header = parse_record_header(std::span(buffer_).subspan(at), salt);
        segment.add(*header, segment.end + at);
        at += record_size(*header);
    }
    segment.end += part.bytes;
    ledger_.accepted += part.events;
    queued_ += part.events;
    next_seq_ = Seq{to_number(next_seq_) + part.events};
}

Result<void> SegmentedLog::begin_segment() {
    if (files_.spares() == 0) {
        if (auto added = add_spare(); added.has_error()) return added;
    }
    Segment segment;
    segment.header.number = next_number_;
    segment.header.salt = static_cast<std::uint32_t>(random_.next());
    segment.header.next_seq = next_seq_;
    segment.header.ledger = ledger_;
    if (!segments_.empty() && active().header.number + 1 == next_number_) {
        segment.header.previous_end = active().end;
    }
    auto file = files_.begin_segment(segment.header);
    if (file.has_error()) return fail_unless_full(file.error());
    segment.file = std::move(*file);
    segment.size = options_.segment_size;
    ++next_number_;
    segments_.push_back(std::move(segment));
    return {};
}

/// Removes what is settled. Oldest first, each durably before the next: the outcomes of a segment's
/// events lie behind it, and must not go before it does.
void SegmentedLog::reclaim() {
    while (segments_.size() > 1 && segments_.front().live.empty()) {
        // If it can't be removed, it is tried again after the next commit.
        if (files_.remove_segment(segments_.front().header.number).has_error()) return;
        segments_.pop_front();
        if (auto synced = files_.sync_directory(); synced.has_error()) {
            fail(synced.error());
            return;
        }
        // Half of what is reserved beyond the need may go, so that it is not made again at once.
        const std::uint64_t needed = 2 * (queued_ * outcome_reserve + spare_reserve);
        while (files_.spares() > 1 &&
               (files_.spares() - 1) * (fresh_room() - segment_waste) > needed) {
            if (files_.remove_spare().has_error()) return;
        }
    }
}

Error SegmentedLog::fail(const Error& error) {
    failure_ = Error{QueueErrc::failed,
                     error.message + ": nothing more is accepted until flowrelayd is restarted"};
    return *failure_;
}

Error SegmentedLog::fail_unless_full(const Error& error) {
    if (is_disk_full(error)) return full_error("the disk is full: " + error.message);
    return fail(error);
}

// --- reading -----------------------------------------------------------------------------------

std::uint64_t SegmentedLog::disk_bytes() const {
    std::uint64_t bytes = files_.spares() * options_.segment_size;
    for (const Segment& segment : segments_) bytes += segment.size;
    for (const UnreadableSegment& segment : unreadable_) bytes += segment.size;
    return bytes;
}

Segment* SegmentedLog::segment_of(Seq seq) {
    const auto behind = std::upper_bound(
        segments_.begin(), segments_.end(), seq,
        [](Seq value, const Segment& segment) { return value < segment.header.next_seq; });
    return behind == segments_.begin() ? nullptr : &*std::prev(behind);
}

Result<EventRecord> SegmentedLog::read(Seq seq) {
    Segment* segment = segment_of(seq);
    const LiveEvent* event = segment != nullptr ? segment->live.find(seq) : nullptr;
    if (event == nullptr) {
        return Error{QueueErrc::not_found,
                     fmt::format("event {} is not in the queue", to_number(seq))};
    }
    std::vector<std::uint8_t> bytes(event->bytes);
    const auto got = segment->file->read_at(event->offset, bytes);
    if (got.has_error()) return Error{QueueErrc::damaged, got.error().message};
    const auto header = parse_record_header(bytes, segment->header.salt);
    if (*got == bytes.size() && header && header->seq == seq &&
        record_size(*header) == bytes.size()) {
        const auto payload = std::span<const std::uint8_t>(bytes).subspan(record_header_size,
                                                                          header->payload_length);
        if (payload_intact(*header, payload, segment->header.salt)) {
            if (auto record = read_event(*header, payload)) return std::move(*record);
        }
    }
    return Error{
        QueueErrc::damaged,
        fmt::format("the record of event {} at offset {} of {} is damaged", to_number(seq),
                    std::uint32_t{event->offset}, files_.segment_path(segment->header.number))};
}

std::vector<EventQueue::Backlog> SegmentedLog::backlog() const {
    std::map<TokenId, Backlog> tokens;
    for (const Segment& segment : segments_) {
        segment.live.for_each([&tokens](const LiveEvent& event) {
            if (event.settling != 0) return;
            Backlog& backlog = tokens[event.token];
            if (backlog.events++ == 0) backlog.first = event.seq;
        });
    }
    std::vector<Backlog> all;
    for (auto& [token, backlog] : tokens) {
        backlog.token = token;
        all.push_back(backlog);
    }
    return all;
}

Result<core::LoadedSlice> SegmentedLog::load(const core::LoadRequest& request) {
    core::LoadedSlice slice;
    slice.end = request.after;
    std::size_t looks = 0;
    for (auto segment = segments_.begin(); slice.complete && segment != segments_.end();
         ++segment) {
        const auto next = std::next(segment);
        if (next != segments_.end() && next->header.next_seq <= request.after) continue;
        if (!segment->tokens.contains(request.token)) continue;
        segment->live.for_each_after(request.after, [&](const LiveEvent& event) {
            if (slice.events.size() == request.limit || ++looks > max_looks) {
                slice.complete = false;
                return false;
            }
            slice.end = event.seq;
            const bool wanted = event.token == request.token && event.settling == 0 &&
                                (!request.thread_hash || *request.thread_hash == event.thread_hash);
            if (wanted) {
                slice.events.push_back({event.seq,
                                        {event.token, event.thread_hash},
                                        event.accepted,
                                        event.expires,
                                        std::uint32_t{event.bytes}});
            }
            return true;
        });
    }
    return slice;
}

std::vector<EventQueue::KnownId> SegmentedLog::known_ids(WallTime since) {
    class Sink final : public RecordSink {
    public:
        Sink(WallTime from, std::vector<KnownId>& out) : since_(from), out_(out) {}
        void record(const ScannedRecord& record) override {
            const RecordHeader& header = record.header;
            if (header.type != RecordType::event || !record.intact || header.accepted < since_ ||
                (header.flags & record_flag_own_id) == 0) {
                return;
            }
            if (auto event = read_event(header, record.payload)) {
                out_.push_back({event->token, std::move(event->id), event->accepted});
            }
        }
        void damage(std::uint64_t, std::uint64_t) override {}

    private:
        WallTime since_;
        std::vector<KnownId>& out_;
    };
    std::vector<KnownId> ids;
    Sink sink(since, ids);
    for (const Segment& segment : segments_) {
        if (segment.newest_own_id < since) continue;
        const ScanRange range{segment_header_size, segment.end, ScanRange::Tail::exact};
        scan_records(*segment.file, range, segment.header.salt, sink);
    }
    return ids;
}

// --- erasure -----------------------------------------------------------------------------------

Result<std::uint64_t> SegmentedLog::erase(TokenId token) {
    std::vector<Settlement> outcomes;
    for (const Segment& segment : segments_) {
        segment.live.for_each([&](const LiveEvent& event) {
            if (event.token == token && event.settling == 0) {
                outcomes.push_back({event.seq, core::Outcome::erased});
            }
        });
    }
    // First of all they are settled durably: from then on recovery takes a wrong payload of theirs
    // for wiped, however far the wiping came.
    if (const auto settled = commit({}, outcomes); settled.has_error()) return settled.error();
    while (!unreadable_.empty()) {
        auto removed = files_.remove_segment(unreadable_.back().number);
        if (removed.has_value()) removed = files_.sync_directory();
        if (removed.has_error()) return fail(removed.error());
        unreadable_.pop_back();
    }
    for (Segment& segment : segments_) {
        if (!segment.damaged && !segment.tokens.contains(token) &&
            segment.dirty_end == segment.end) {
            continue;
        }
        if (auto wiped = wipe(segment, token); wiped.has_error()) return wiped.error();
    }
    return outcomes.size();
}

/// Overwrites with zeros the payloads of a token, and all bytes that no record accounts for: it
/// may have been in them.
Result<void> SegmentedLog::wipe(Segment& segment, TokenId token) {
    struct Range {
        std::uint64_t offset;
        std::uint64_t bytes;
    };
    class Sink final : public RecordSink {
    public:
        Sink(TokenId wanted, std::vector<Range>& out) : token_(wanted), out_(out) {}
        void record(const ScannedRecord& record) override {
            if (record.header.type != RecordType::event || record.header.token != token_) return;
            out_.push_back({record.offset + record_header_size,
                            record_size(record.header) - record_header_size});
        }
        void damage(std::uint64_t offset, std::uint64_t bytes) override {
            out_.push_back({offset, bytes});
        }

    private:
        TokenId token_;
        std::vector<Range>& out_;
    };
    std::vector<Range> ranges;
    Sink sink(token, ranges);
    const ScanRange range{segment_header_size, segment.end, ScanRange::Tail::exact};
    scan_records(*segment.file, range, segment.header.salt, sink);
    ranges.push_back({segment.end, segment.dirty_end - segment.end});

    std::vector<std::uint8_t> zeros;
    for (const Range& part : ranges) {
        if (zeros.size() < part.bytes) zeros.resize(static_cast<std::size_t>(part.bytes));
        const auto bytes =
            std::span<const std::uint8_t>(zeros).first(static_cast<std::size_t>(part.bytes));
        if (auto done = segment.file->write_at(part.offset, bytes); done.has_error()) {
            return fail_unless_full(done.error());
        }
    }
    if (auto synced = segment.file->sync(); synced.has_error()) return fail(synced.error());
    segment.dirty_end = segment.end;
    return {};
}

}  // namespace

Result<std::unique_ptr<EventQueue>> open_segmented_log(FileSystem& file_system,
                                                       const std::string& directory,
                                                       const LogOptions& options, Log& log) {
    const LogOptions used = usable(options);
    auto made = file_system.make_directory(directory);
    if (made.has_value()) made = file_system.sync_directory(parent_of(directory));
    if (made.has_error()) return made.error();
    auto lock = file_system.lock(directory + "/lock");
    if (lock.has_error()) return lock.error();
    LogFiles files(file_system, directory);
    const auto numbers = files.scan(used.segment_size);
    if (numbers.has_error()) return numbers.error();
    auto recovered = recover_log(files, *numbers, log);
    if (recovered.has_error()) return recovered.error();

    const bool can_append = recovered->can_append;
    auto queue = std::make_unique<SegmentedLog>(std::move(files), std::move(*lock), used,
                                                std::move(*recovered));
    if (!can_append) {
        if (auto begun = queue->begin_segment(); begun.has_error()) return begun.error();
    }
    log.write(core::log_events::spool_opened, {{"directory", directory},
                                               {"segments", queue->segments()},
                                               {"queued", queue->usage().events},
                                               {"bytes", queue->usage().disk_bytes}});
    return std::unique_ptr<EventQueue>(std::move(queue));
}

}  // namespace flowrelay::storage
