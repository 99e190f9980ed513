#include "flowrelay/storage/segmented_log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <span>
#include <unordered_set>
#include <utility>

#include "block_reader.hpp"
#include "commit_buffer.hpp"
#include "damage_report.hpp"
#include "flowrelay/base/random.hpp"
#include "flowrelay/core/log_events.hpp"
#include "flowrelay/storage/path.hpp"
#include "high_water.hpp"
#include "known_ids.hpp"
#include "log_compaction.hpp"
#include "log_erasure.hpp"
#include "log_failure.hpp"
#include "log_files.hpp"
#include "log_recovery.hpp"
#include "log_room.hpp"
#include "log_segments.hpp"
#include "quarantine.hpp"
#include "read_failures.hpp"
#include "segment_scan.hpp"
#include "write_zeros.hpp"

namespace flowrelay::storage {

namespace {

// Spares that are kept although nothing is reserved in them: a busy log reuses them all the time.
constexpr std::size_t kept_spares = 2;

class SegmentedLog final : public EventQueue {
public:
    SegmentedLog(std::unique_ptr<LogFiles> files, std::shared_ptr<void> lock,
                 const LogOptions& options, RecoveredLog recovered, Log& log)
        : lock_(std::move(lock)),
          files_(std::move(files)),
          log_(log),
          options_(options),
          random_(options.salt_seed == 0 ? Random::from_system()
                                         : Random(options.salt_seed + recovered.next_number)),
          segments_(std::move(recovered.segments)),
          known_ids_(files_->file_system(), files_->directory(), options.dedup_window,
                     options.dedup_entries, log),
          compaction_(*files_, segments_, known_ids_, random_, log, options.segment_size),
          erasure_(*files_, segments_, known_ids_, options.segment_size),
          high_water_(files_->file_system(), options.high_water),
          ledger_(recovered.ledger),
          skipped_seqs_(recovered.skipped_seqs),
          next_seq_(recovered.next_seq),
          next_number_(recovered.next_number),
          log_id_(recovered.log_id != 0 ? recovered.log_id : random_.next() | 1),
          has_other_books_(recovered.has_other_books),
          told_damaged_(std::move(recovered.told_damaged)) {}

    Result<Seq> commit(std::span<const EventRecord> events,
                       std::span<const Settlement> outcomes) override;
    std::optional<RefusingBecause> refusing(std::uint64_t bytes) override;
    Result<bool> maintain() override;
    Result<EventRecord> read(Seq seq) override;
    void begin_erasure(std::span<const TokenId> tokens) override;
    Result<std::optional<ErasedEvents>> erase_some() override;
    Result<std::vector<Backlog>> backlog() override { return segments_.backlog(); }
    Result<Loaded> load(const core::LoadRequest& request, std::uint64_t record_bytes) override;
    void known_ids(WallTime since, std::size_t limit,
                   const std::function<void(const KnownId&)>& use) override {
        known_ids_.find(segments_, since, limit, use);
    }
    void reserve(Seq highest) override {
        next_seq_ = std::max(next_seq_, Seq{to_number(highest) + 1});
    }
    void set_limits(const QueueLimits& limits) override {
        options_.max_size = limits.max_size;
        options_.max_events = limits.max_events;
        options_ = usable(options_);
        known_ids_.set_window(limits.dedup_window);
    }
    Result<void> confirm() override;
    void note_progress() override {
        if (has_other_books_) return;
        high_water_.note({log_id_, active().header.number, next_seq_, segments_.queued(),
                          active().queued(), ledger_});
    }
    Result<void> book_lost(const core::Loss& loss, const core::LossBooking& booking) override;
    std::optional<core::LossBooking> last_loss() const override { return segments_.last_loss(); }
    core::Ledger ledger() const override { return ledger_; }
    QueueUsage usage() const override {
        const std::uint64_t spares = files_->spares() * options_.segment_size;
        const Segment* newest = segments_.all().empty() ? nullptr : &segments_.all().back();
        const std::uint64_t rest = newest == nullptr ? 0 : newest->size - newest->end;
        return {segments_.queued(), disk_bytes(), spares + rest};
    }

    /// Books events as lost in the header of the newest segment, or of a new one.
    Result<void> write_booking(const core::Loss& loss, const core::LossBooking& booking);
    /// Begins a new segment, which becomes the active one. `loss`: a new booking; without it the
    /// last one is kept.
    Result<void> begin_segment(const std::optional<core::LossBooking>& loss = std::nullopt);

    /// Reads the known ids. Errors: they can't be read.
    Result<void> open_known_ids() { return known_ids_.open(); }
    std::size_t segments() const noexcept { return segments_.all().size(); }

private:
    using Part = CommitBuffer::Part;

    Segment& active() { return segments_.newest(); }
    std::uint64_t active_room() { return active().room(); }
    LogRoom room() { return {active_room(), fresh_room(), files_->spares()}; }
    std::uint64_t fresh_room() const { return options_.segment_size - segment_header_size; }
    std::uint64_t disk_bytes() const {
        return files_->spares() * options_.segment_size + segments_.disk_bytes() +
               known_ids_.bytes();
    }

    Result<void> keep(std::span<const Settlement> outcomes);
    Result<void> make_room(std::span<const EventRecord> events);
    Result<void> add_spare();
    Result<void> write(std::span<const EventRecord> events);
    Result<void> write_part(const Part& part, bool is_first);
    Result<void> write_confirmation_record();
    Result<void> update_header(SegmentHeader header);
    Result<void> apply(const Part& part, std::uint32_t salt);
    Result<void> reclaim();
    bool wants_spare() const;
    Error damaged(Seq seq, Segment& segment, const IndexedEvent& event);
    Result<void> settle_some_erased();
    Result<bool> wipe_some();

    std::shared_ptr<void> lock_;
    std::unique_ptr<LogFiles> files_;
    Log& log_;
    LogOptions options_;
    Random random_;
    LogSegments segments_;  ///< the newest is the active one
    KnownIds known_ids_;
    LogCompaction compaction_;
    LogErasure erasure_;
    ErasedEvents erased_;  ///< not reported yet; also by erasures that failed
    HighWaterFile high_water_;
    core::Ledger ledger_;
    std::uint64_t skipped_seqs_;  ///< right below next_seq_
    Seq next_seq_;
    std::uint64_t next_number_;
    std::uint64_t log_id_;
    bool has_other_books_;             ///< see RecoveredLog; cleared by the next segment
    std::vector<Settlement> pending_;  ///< outcomes that are not written yet
    CommitBuffer buffer_;
    std::unordered_set<Seq> told_damaged_;  ///< reported already
    ReadFailures read_failures_;
    LogFailure failure_;
};

// --- commit ------------------------------------------------------------------------------------

Result<Seq> SegmentedLog::commit(std::span<const EventRecord> events,
                                 std::span<const Settlement> outcomes) {
    if (failure_.error()) return *failure_.error();
    if (auto kept = keep(outcomes); kept.has_error()) return kept.error();
    std::optional<Error> refused;
    if (!events.empty()) {
        const auto room = make_room(events);
        if (failure_.error()) return *failure_.error();
        if (room.has_error()) {
            refused = room.error();
            events = {};  // outcomes are still written: they may make room
        }
    }
    const Seq first = next_seq_;
    if (!events.empty() || !pending_.empty()) {
        const auto written = write(events);
        if (failure_.error()) return *failure_.error();
        if (written.has_error()) return refused ? *refused : written.error();
        if (auto done = reclaim(); done.has_error()) return done.error();
    }
    if (refused) return *refused;
    return first;
}

Result<void> SegmentedLog::keep(std::span<const Settlement> outcomes) {
    for (const Settlement& outcome : outcomes) {
        const auto queued = segments_.begin_settling(outcome.seq);
        if (queued.has_error()) return failure_.fail(queued.error());
        if (*queued) pending_.push_back(outcome);
    }
    return {};
}

Result<void> SegmentedLog::make_room(std::span<const EventRecord> events) {
    if (auto fits = check_sizes(events, fresh_room()); fits.has_error()) return fits;
    if (to_number(next_seq_) + events.size() > to_number(max_seq)) {
        return failure_.full(
            "disk_full",
            "the spool has no sequence numbers left, as only a forged record can bring about: move "
            "spool.directory away once it is drained");
    }
    const std::uint64_t queued = segments_.queued() - pending_.size();
    if (options_.max_events != 0 && queued + events.size() > options_.max_events) {
        return failure_.full(
            "max_events", fmt::format("the spool is full: {} events are queued, spool.max_events "
                                      "allows {}",
                                      queued, options_.max_events));
    }
    while (!has_room(room(), pending_.size(), events, queued)) {
        if (disk_bytes() + options_.segment_size > options_.max_size) {
            compaction_.wake(true);
            return failure_.full("max_size",
                                 fmt::format("the spool is full: it takes {} bytes, spool.max_size "
                                             "allows {}",
                                             disk_bytes(), options_.max_size));
        }
        if (auto added = add_spare(); added.has_error()) return added;
    }
    return {};
}

Result<void> SegmentedLog::add_spare() {
    auto added = files_->add_spare(options_.segment_size);
    if (added.has_error()) return failure_.fail_unless_passing(added.error());
    return {};
}

Result<void> SegmentedLog::write(std::span<const EventRecord> events) {
    bool is_first = true;
    while (!events.empty() || !pending_.empty()) {
        const Part part = buffer_.encode(active(), pending_, events, next_seq_);
        if (part.bytes == 0) {
            if (auto begun = begin_segment(); begun.has_error()) {
                return is_first ? begun.error() : failure_.fail(begun.error());
            }
            continue;
        }
        if (auto written = write_part(part, is_first); written.has_error()) return written;
        events = events.subspan(part.events);
        is_first = is_first && part.events == 0;
    }
    return {};
}

Result<void> SegmentedLog::write_part(const Part& part, bool is_first) {
    Segment& segment = active();
    ++segment.last_commit;  // a failed attempt keeps its number, which identifies its remains
    auto written = segment.file->write_at(segment.end, buffer_.bytes());
    if (written.has_error()) {
        segment.tail_dirty = true;
        if (!is_first || !is_disk_full(written.error().code)) return failure_.fail(written.error());
        // These events were not acknowledged, and should not come back after a crash. They may if
        // the file system has no space for this write either.
        const std::vector<std::uint8_t> zeros(record_header_size);
        if (segment.file->write_at(segment.end, zeros).has_value()) {
            if (auto undone = segment.file->sync(); undone.has_error())
                return failure_.fail(undone.error());
        }
        return failure_.fail_unless_passing(written.error());
    }
    segment.confirmed = false;
    write_ahead(segment, segment.end + part.bytes);
    if (auto synced = segment.file->sync(); synced.has_error())
        return failure_.fail(synced.error());
    return apply(part, segment.header.salt);
}

/// Makes all durable commits distinguishable from a torn tail: by a commit after the last one, and
/// by the header, which damage to the end of the records does not affect.
Result<void> SegmentedLog::confirm() {
    if (failure_.error()) return *failure_.error();
    if (active().sealed) return {};
    if (!active().confirmed) {
        const auto written = write_confirmation_record();
        if (failure_.error()) return *failure_.error();
        if (written.has_error() && written.error().code != QueueErrc::full) return written;
    }
    note_progress();
    return update_header(active().header);
}

/// Writes a commit without contents, if there is room for one.
Result<void> SegmentedLog::write_confirmation_record() {
    Segment& segment = active();
    LogRoom left = room();
    if (left.active < record_header_size) return {};
    left.active -= record_header_size;
    const std::uint64_t queued = segments_.queued() - pending_.size();
    if (!has_room(left, pending_.size(), {}, queued)) {
        if (disk_bytes() + options_.segment_size > options_.max_size) return {};
        if (auto added = add_spare(); added.has_error()) return added;
        ++left.spares;
        if (!has_room(left, pending_.size(), {}, queued)) return {};
    }
    std::vector<std::uint8_t> record(record_header_size);
    const CommitMark mark{++segment.last_commit, static_cast<std::uint32_t>(segment.end)};
    write_confirmation(record.data(), Seq{to_number(next_seq_) - 1}, mark, segment.header.salt);
    auto done = segment.file->write_at(segment.end, record);
    if (done.has_error()) {
        segment.tail_dirty = true;
        return failure_.fail_unless_passing(done.error());
    }
    if (done = segment.file->sync(); done.has_error()) return failure_.fail(done.error());
    segment.end += record.size();
    segment.confirmed = true;
    return {};
}

/// Updates the header: everything committed so far is durable.
Result<void> SegmentedLog::update_header(SegmentHeader header) {
    header.durable_end = active().end;
    header.durable_seq = Seq{to_number(next_seq_) - 1};
    header.ledger.lost = ledger_.lost;
    if (header == active().header) return {};
    if (auto done = rewrite_segment_header(*active().file, header); done.has_error()) {
        return failure_.fail_unless_passing(done.error());
    }
    if (auto synced = active().file->sync(); synced.has_error())
        return failure_.fail(synced.error());
    active().header = header;
    return {};
}

Result<void> SegmentedLog::book_lost(const core::Loss& loss, const core::LossBooking& booking) {
    if (failure_.error()) return *failure_.error();
    const core::Ledger before = ledger_;
    ledger_.write_off(loss);
    auto booked = write_booking(loss, booking);
    if (booked.has_error()) ledger_ = before;
    return booked;
}

/// Writes a booking. Deaths in a segment are counted from its header on, so booking letters as lost
/// requires a new header.
Result<void> SegmentedLog::write_booking(const core::Loss& loss, const core::LossBooking& booking) {
    if (loss.letters() > 0 || segments_.all().empty() || active().sealed) {
        return begin_segment(booking);
    }
    SegmentHeader header = active().header;
    header.last_loss = booking;
    return update_header(header);
}

/// Applies what is durable now to the state in memory.
Result<void> SegmentedLog::apply(const Part& part, std::uint32_t salt) {
    for (const Settlement& outcome : std::span(pending_).first(part.outcomes)) {
        const auto settled = segments_.settle(outcome.seq);
        if (settled.has_error()) return failure_.fail(settled.error());
        if (*settled) ledger_.settle(outcome.outcome);
    }
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(part.outcomes));
    Segment& segment = active();
    std::size_t at = part.outcomes > 0 ? settlements_record_size(part.outcomes) : 0;
    while (at < part.bytes) {
        const auto header = parse_record_header(buffer_.bytes().subspan(at), salt);
        segments_.add(*header, segment.end + at);
        at += record_size(*header);
    }
    segment.end += part.bytes;
    ledger_.accepted += part.events;
    next_seq_ = Seq{to_number(next_seq_) + part.events};
    return {};
}

/// Begins a new segment. The active segment is sealed only once the new file exists with its
/// header; until then it is written to as before, whatever fails. From the renaming on errors are
/// final, since a start would use the new header.
Result<void> SegmentedLog::begin_segment(const std::optional<core::LossBooking>& loss) {
    if (next_number_ > LogFiles::max_number) {
        return failure_.full("disk_full",
                             fmt::format("segments have no number left: move the files away "
                                         "from {} that are none of flowrelayd's",
                                         files_->directory()));
    }
    if (files_->spares() == 0) {
        if (auto added = add_spare(); added.has_error()) return added;
    }
    const bool first = segments_.all().empty();
    Segment segment;
    segment.header.number = next_number_;
    segment.header.salt = static_cast<std::uint32_t>(random_.next());
    segment.header.next_seq = next_seq_;
    segment.header.ledger = ledger_;
    segment.header.last_loss = loss ? loss : segments_.last_loss();
    segment.header.size = options_.segment_size;
    segment.header.log = log_id_;
    segment.header.skipped_seqs = skipped_seqs_;
    if (!first && active().header.number + 1 == next_number_) {
        segment.header.previous_end = active().end;
    }
    if (auto done = files_->prepare_segment(segment.header); done.has_error()) {
        return failure_.fail_unless_passing(done.error());
    }
    auto begun = files_->begin_segment(next_number_);
    if (begun.has_error()) return failure_.fail(begun.error());
    if (!first && !active().sealed) {
        if (auto sealed = segments_.seal_newest(); sealed.has_error())
            return failure_.fail(sealed.error());
        compaction_.wake(false);
    }
    segment.file = std::move(begun->file);
    segment.tail_dirty = begun->tail_dirty;
    segment.wiped_for = begun->wiped_for;
    segment.size = options_.segment_size;
    segment.written = begun->written ? segment.size : segment_header_size;
    ++next_number_;
    skipped_seqs_ = 0;
    has_other_books_ = false;
    segments_.push_back(std::move(segment));
    note_progress();
    return {};
}

/// Removes settled segments from the log. Oldest first, each durably before the next: the outcomes
/// of a segment's events are in it or after it, and must not go first.
Result<void> SegmentedLog::reclaim() {
    while (segments_.all().size() > 1 && segments_.all().front().queued() == 0) {
        Segment& oldest = segments_.all().front();
        const bool recycle = oldest.size == options_.segment_size && wants_spare();
        known_ids_.keep(oldest);
        const auto retired =
            files_->retire_segment(oldest.header.number, oldest.file, recycle, oldest.wiped_for);
        if (retired.has_error()) return failure_.fail(retired.error());
        if (!*retired) break;  // tried again after the next commit
        segments_.pop_front();
    }
    while (files_->spares() > kept_spares && !wants_spare()) {
        if (files_->remove_spare().has_error()) break;  // tried again after the next commit
    }
    return {};
}

/// Whether another spare should be kept. Twice the reserved space is kept, so that spares are not
/// removed and made again at once.
bool SegmentedLog::wants_spare() const {
    const LogRoom spares{0, fresh_room(), files_->spares()};
    return files_->spares() < kept_spares || !has_spares_enough(spares, segments_.queued());
}

Result<bool> SegmentedLog::maintain() {
    // Compaction would copy what an erasure is about to wipe, so it waits.
    if (failure_.error() || erasure_.active() || !compaction_.awake()) return false;
    const auto more = compaction_.step();
    if (more.has_error()) return failure_.fail(more.error());
    if (auto done = reclaim(); done.has_error()) return done.error();
    return *more;
}

std::optional<RefusingBecause> SegmentedLog::refusing(std::uint64_t bytes) {
    if (failure_.error()) return RefusingBecause{"storage_failed", failure_.error()->message};
    EventRecord event;
    event.id.assign(36, 'x');  // a UUID
    event.body.assign(std::min(bytes, fresh_room() / 2), ' ');
    const auto room = make_room(std::span(&event, 1));
    if (room.has_value()) return std::nullopt;
    if (failure_.error()) return RefusingBecause{"storage_failed", failure_.error()->message};
    return RefusingBecause{failure_.full_code(), room.error().message};
}

// --- reading -----------------------------------------------------------------------------------

Result<EventRecord> SegmentedLog::read(Seq seq) {
    const auto event = segments_.find(seq);
    if (event.has_error()) return event.error();
    if (!*event) {
        return Error{QueueErrc::not_found,
                     fmt::format("event {} is not in the queue", to_number(seq))};
    }
    Segment& segment = *segments_.of(seq);
    BlockReader reader;
    const auto bytes = reader.read(segment, **event);
    // A lack of descriptors says nothing about the event.
    if (bytes.has_error() && is_out_of_descriptors(bytes.error().code)) return bytes.error();
    if (bytes.has_error()) {
        return read_failures_.give_up(seq) ? damaged(seq, segment, **event) : bytes.error();
    }
    read_failures_.forget(seq);
    auto record = parse_event(*bytes, seq, segment.header.salt);
    if (!record) return damaged(seq, segment, **event);
    return std::move(*record);
}

Result<EventQueue::Loaded> SegmentedLog::load(const core::LoadRequest& request,
                                              std::uint64_t record_bytes) {
    std::vector<LogSegments::Place> places;
    auto slice = segments_.load(request, places);
    if (slice.has_error()) return slice.error();
    return Loaded{std::move(*slice), read_records(places, record_bytes)};
}

Error SegmentedLog::damaged(Seq seq, Segment& segment, const IndexedEvent& event) {
    if (told_damaged_.insert(seq).second) {
        DamageReport(*files_, log_).damage(segment, {{event.offset, event.bytes, 0}});
    }
    return {QueueErrc::damaged,
            fmt::format("the record of event {} at offset {} of {} is damaged", to_number(seq),
                        event.offset, files_->segment_path(segment.header.number))};
}

// --- erasure -----------------------------------------------------------------------------------

void SegmentedLog::begin_erasure(std::span<const TokenId> tokens) {
    compaction_.abandon();
    erasure_.begin(tokens);
}

Result<std::optional<EventQueue::ErasedEvents>> SegmentedLog::erase_some() {
    using Progress = std::optional<ErasedEvents>;
    if (failure_.error()) return *failure_.error();
    if (!erasure_.active()) return Progress(std::exchange(erased_, {}));
    Result<bool> done = false;
    if (!erasure_.settled()) {
        if (auto settled = settle_some_erased(); settled.has_error()) done = settled.error();
    } else {
        done = wipe_some();
    }
    if (done.has_error()) {
        erasure_.stop();
        return done.error();
    }
    return *done ? Progress(std::exchange(erased_, {})) : Progress();
}

Result<void> SegmentedLog::settle_some_erased() {
    const auto queued = erasure_.next_outcomes();
    if (queued.has_error()) return failure_.fail_unless_passing(queued.error());
    for (const LogErasure::Queued& event : *queued) {
        const auto begun = segments_.begin_settling(event.seq);
        if (begun.has_error()) return failure_.fail(begun.error());
        if (!*begun) continue;
        pending_.push_back({event.seq, core::Outcome::erased});
        ++erased_[event.token];
    }
    // Commit even without events: outcomes that a full disk did not take are still pending.
    if (auto done = commit({}, {}); done.has_error()) return done.error();
    if (queued->empty()) erasure_.all_settled();
    return {};
}

Result<bool> SegmentedLog::wipe_some() {
    const auto clean = erasure_.wipe_segments();
    if (clean.has_error()) return failure_.fail_unless_passing(clean.error());
    if (!*clean) return false;
    // An error with the other files does not affect the log; the erasure is tried again.
    return erasure_.wipe_rest();
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
    auto files = std::make_unique<LogFiles>(file_system, directory, used.max_open_files);
    const auto numbers = files->scan(used.segment_size);
    if (numbers.has_error()) return numbers.error();
    auto recovered = recover_log(*files, *numbers, used, log);
    if (recovered.has_error()) return recovered.error();

    const bool can_append = recovered->can_append;
    const bool damaged = can_append && recovered->segments.newest().damaged;
    const bool has_other_books = recovered->has_other_books;
    const std::vector<std::uint64_t> headerless = recovered->headerless;
    LogFiles& log_files = *files;
    auto queue = std::make_unique<SegmentedLog>(std::move(files), std::move(*lock), used,
                                                std::move(*recovered), log);
    if (auto ids = queue->open_known_ids(); ids.has_error()) return ids.error();
    if (!can_append || damaged || has_other_books) {
        // Begin a new segment: what proves that a segment continues after damage may be overwritten
        // or wiped, while the end of a sealed one is in the next header. The loss of another log is
        // not in any header of this one yet. On a full disk this has to wait.
        const auto begun = queue->begin_segment();
        const bool can_wait =
            can_append && begun.has_error() && begun.error().code == QueueErrc::full;
        if (begun.has_error() && !can_wait) return begun.error();
    }
    // Only now, since the new segment says which seqs must not be assigned again.
    for (const std::uint64_t number : headerless) {
        if (auto done = log_files.quarantine_segment(number); done.has_error()) return done.error();
    }
    // From now on only the last commit before a crash is ambiguous.
    const auto confirmed = queue->confirm();
    if (confirmed.has_error() && confirmed.error().code != QueueErrc::full) {
        return confirmed.error();
    }
    log.write(core::log_events::spool_opened, {{"directory", directory},
                                               {"segments", queue->segments()},
                                               {"queued", queue->usage().events},
                                               {"bytes", queue->usage().disk_bytes}});
    return std::unique_ptr<EventQueue>(std::move(queue));
}

}  // namespace flowrelay::storage
