// The events of a spool, from their commit to their outcome or erasure.
#include <algorithm>
#include <iterator>
#include <utility>

#include "dead_letters.hpp"
#include "flowrelay/core/log_events.hpp"
#include "flowrelay/storage/spool.hpp"
#include "record.hpp"

namespace flowrelay::storage {

namespace ev = core::log_events;

namespace {

// Body size of a typical event, to check whether one would be accepted.
constexpr std::uint64_t usual_body = 1024;

constexpr std::size_t replays_at_once = 4096;  // examined for one load

/// Adds the replayed letters that match a request to what the queue returned. If many letters of
/// other tokens are in between, the slice ends before them.
void add_replays(core::LoadedSlice& slice, const core::LoadRequest& request,
                 const DeadLetters& letters) {
    const auto replays = letters.replays_after(request.after, replays_at_once);
    if (replays.empty()) return;
    if (replays.size() == replays_at_once && (slice.complete || replays.back().seq < slice.end)) {
        slice.end = replays.back().seq;
        slice.complete = false;
        std::erase_if(slice.events, [&](const auto& event) { return event.seq > slice.end; });
    }
    for (const auto& event : replays) {
        const bool wanted =
            event.lane.token == request.token &&
            (!request.thread_hash || event.lane.thread_hash == *request.thread_hash) &&
            (slice.complete || event.seq <= slice.end);
        if (wanted) slice.events.push_back(event);
    }
    std::ranges::sort(slice.events, {}, &core::QueuedEvent::seq);
    if (slice.events.size() <= request.limit) return;
    slice.events.resize(request.limit);
    slice.end = slice.events.back().seq;
    slice.complete = false;
}

}  // namespace

core::QueuedEvent to_queued(Seq seq, const EventRecord& record) {
    core::QueuedEvent event;
    event.seq = seq;
    event.lane = LaneId{record.token, record.thread_hash};
    event.accepted = record.accepted;
    event.expires = record.expires;
    event.bytes = static_cast<std::uint32_t>(event_record_size(record));
    return event;
}

// ---------------------------------------------------------------- commit

Result<Seq> Spool::commit(std::span<const EventRecord> events,
                          std::span<const Settlement> outcomes) {
    const bool refused = token_error_ && !events.empty();
    const Error refusal = token_error_.value_or(Error());
    if (std::exchange(token_error_, std::nullopt)) events = {};
    const bool observed = observer_ && !(events.empty() && outcomes.empty());
    if (observed) observer_->begins();
    const auto of_log = without_replays(outcomes);
    settle_replays(outcomes);
    const Result<Seq> first = queue_->commit(events, of_log);
    if (observed) observer_->ended(events.size());
    note_commit(first, events);
    if (refused) return refusal;
    return first;
}

std::vector<Settlement> Spool::without_replays(std::span<const Settlement> outcomes) const {
    std::vector<Settlement> others;
    others.reserve(outcomes.size());
    std::ranges::copy_if(outcomes, std::back_inserter(others), [this](const Settlement& outcome) {
        return !letters_->is_replayed(outcome.seq);
    });
    return others;
}

/// Settles replayed letters, including outcomes that could not be written before.
void Spool::settle_replays(std::span<const Settlement> outcomes) {
    std::ranges::copy_if(
        outcomes, std::back_inserter(unsettled_),
        [this](const Settlement& outcome) { return letters_->is_replayed(outcome.seq); });
    if (unsettled_.empty()) return;
    const auto settled = letters_->settle(unsettled_);
    note_letters(settled);
    if (settled.has_value()) unsettled_.clear();
}

Result<void> Spool::settle(std::span<const Settlement> outcomes) {
    const auto committed = queue_->commit({}, without_replays(outcomes));
    note_commit(committed, {});
    if (committed.has_error()) return committed.error();
    return letters_->settle(outcomes);
}

Result<void> Spool::flush() {
    const auto written = commit({}, {});
    if (written.has_error()) return written.error();
    if (failed_) {
        return Error{QueueErrc::failed,
                     "the spool has failed, see the log: mend that, start flowrelayd again, and "
                     "try again"};
    }
    if (has_unfinished()) {
        return Error{QueueErrc::full, "the disk does not take outcomes: make room and try again"};
    }
    return {};
}

/// `events`: the events of the commit.
void Spool::note_commit(const Result<Seq>& result, std::span<const EventRecord> events) {
    if (result.has_value()) {
        note_recorded();
        if (!events.empty()) note_room();
        return;
    }
    const Error& error = result.error();
    if (error.code == QueueErrc::full) {
        for (const auto& event : events) {
            const std::uint64_t bytes = std::max<std::uint64_t>(1, event.body.size());
            refused_bytes_ = refused_bytes_ == 0 ? bytes : std::min(refused_bytes_, bytes);
        }
        note_full(error.message);
    } else if (error.code == QueueErrc::failed) {
        note_failed(error.message);
    }
}

/// All pending outcomes were written with a commit.
void Spool::note_recorded() {
    buried_.insert(buried_.end(), unrecorded_.begin(), unrecorded_.end());
    unrecorded_.clear();
}

void Spool::note_failed(const std::string& reason) {
    if (!failed_) log_.write(ev::spool_failed, {{"reason", reason}});
    failed_ = true;
}

void Spool::note_full(const std::string& reason) {
    if (!full_) log_.write(ev::spool_full, {{"reason", reason}});
    full_ = true;
}

void Spool::note_room() {
    if (full_) log_.write(ev::spool_has_room);
    full_ = false;
    refused_bytes_ = 0;
}

void Spool::check_room() {
    refusing_ = queue_->refusing(refused_bytes_ == 0 ? usual_body : refused_bytes_);
    if (!refusing_) {
        note_room();
    } else if (refusing_->code != "storage_failed") {
        note_full(refusing_->reason);
    } else {
        note_failed(refusing_->reason);
    }
}

// ---------------------------------------------------------------- reading

Result<EventRecord> Spool::read(Seq seq) {
    if (!letters_->is_replayed(seq)) return queue_->read(seq);
    auto letter = letters_->read(seq);
    if (letter.has_error()) return letter.error();
    if (!letter->has_event) {
        return Error{QueueErrc::damaged, "its dead letter has no event to deliver"};
    }
    return std::move(letter->event);
}

std::optional<core::QueuedEvent> Spool::find(Seq seq, std::span<const TokenId> tokens) {
    const Seq before{to_number(seq) - 1};
    const auto replays = letters_->replays_after(before, 1);
    if (!replays.empty() && replays.front().seq == seq) return replays.front();
    for (const TokenId token : tokens) {
        core::LoadRequest request;
        request.token = token;
        request.after = before;
        request.limit = 1;
        const auto loaded = queue_->load(request, 0);
        if (loaded.has_error() || loaded->slice.events.empty()) continue;
        if (loaded->slice.events.front().seq == seq) return loaded->slice.events.front();
    }
    return std::nullopt;
}

Result<EventQueue::Loaded> Spool::load(const core::LoadRequest& request,
                                       std::uint64_t record_bytes) {
    if (!request.with_replays) return queue_->load(request, record_bytes);
    auto loaded = queue_->load(request, 0);
    if (loaded.has_error()) return loaded.error();
    core::LoadedSlice& slice = loaded->slice;
    add_replays(slice, request, *letters_);
    if (record_bytes == 0) return loaded;
    std::uint64_t taken = 0;
    for (const auto& event : slice.events) {
        taken += event.bytes;
        if (taken > record_bytes && !loaded->records.empty()) break;
        auto record = read(event.seq);
        if (record.has_error()) break;
        loaded->records.push_back(std::move(*record));
    }
    const std::size_t shown = std::max<std::size_t>(1, loaded->records.size());
    if (shown < slice.events.size()) {
        slice.events.resize(shown);
        slice.end = slice.events.back().seq;
        slice.complete = false;
    }
    return loaded;
}

Result<std::vector<Spool::Backlog>> Spool::backlog() {
    return queue_->backlog();
}

// ---------------------------------------------------------------- erasure

void Spool::begin_erasure(std::span<const TokenId> tokens) {
    erasing_.assign(tokens.begin(), tokens.end());
    erased_.reset();
    queue_->begin_erasure(erasing_);
}

Result<std::optional<Spool::Erased>> Spool::erase_some() {
    if (!erased_) {
        auto done = queue_->erase_some();
        if (done.has_error()) {
            note_commit(done.error(), {});
            return done.error();
        }
        if (!*done) return std::optional<Erased>();
        erased_.emplace();
        count_erased(**done);
        // Letters last: events that were dying when the erasure began may be letters by now.
        letters_->begin_erasure(erasing_);
        return std::optional<Erased>();
    }
    auto letters = letters_->erase_some();
    if (letters.has_error()) {
        erased_.reset();
        return letters.error();
    }
    if (!*letters) return std::optional<Erased>();
    erased_->dead_letters = std::move(**letters);
    for (const TokenId token : erasing_) erased_before_.erase(token);
    return std::exchange(erased_, std::nullopt);
}

/// Adds up the settled events. Those of tokens not being erased now are kept for their turn.
void Spool::count_erased(const EventQueue::ErasedEvents& events) {
    for (const auto& [token, settled] : events) erased_before_[token] += settled;
    for (const TokenId token : erasing_) {
        const auto settled = erased_before_.find(token);
        if (settled != erased_before_.end()) erased_->events.insert(*settled);
    }
}

}  // namespace flowrelay::storage
