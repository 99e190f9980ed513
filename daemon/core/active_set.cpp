#include "flowrelay/core/active_set.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace flowrelay::core {

// Maximum size of one request, so that no read blocks the storage thread for long.
constexpr std::size_t max_load = 512;

ActiveSet::ActiveSet(Scheduler& scheduler, ActiveSetOptions options)
    : scheduler_(scheduler), options_(options) {}

// Returns how many events of each token with a backlog may be loaded. It does not depend on what
// other tokens use, because a few parked tokens could then use everything.
std::size_t ActiveSet::share() const noexcept {
    return std::max<std::size_t>(1, options_.capacity / std::max<std::size_t>(1, backlogs_.size()));
}

ActiveSet::Backlog& ActiveSet::find_or_add(TokenId token) {
    const auto [place, added] = backlogs_.try_emplace(token);
    if (added) place->second.ticket = ++last_ticket_;
    return place->second;
}

void ActiveSet::restore(TokenId token, std::uint64_t queued, Seq first) {
    if (queued == 0) return;
    Backlog& backlog = find_or_add(token);
    backlog.queued += queued;
    queued_ += queued;
    backlog.more = true;
    backlog.cursor = Seq{to_number(first) - 1};
    look(token, backlog);
}

std::uint64_t ActiveSet::queued(TokenId token) const {
    const auto found = backlogs_.find(token);
    return found == backlogs_.end() ? 0 : found->second.queued;
}

bool ActiveSet::is_reading(TokenId token) const {
    const auto found = backlogs_.find(token);
    return found != backlogs_.end() && found->second.loading;
}

// Gives an event to the scheduler, unless its lane is full: then records the lane in `behind`.
bool ActiveSet::take(Backlog& backlog, const QueuedEvent& event) {
    if (backlog.behind.contains(event.lane.thread_hash)) return false;
    if (scheduler_.lane_size(event.lane) >= options_.lane_capacity) {
        backlog.behind[event.lane.thread_hash].cursor = Seq{to_number(event.seq) - 1};
        return false;
    }
    scheduler_.enqueue(event);
    ++backlog.loaded;
    return true;
}

bool ActiveSet::add(const QueuedEvent& event) {
    Backlog& backlog = find_or_add(event.lane.token);
    ++backlog.queued;
    ++queued_;
    if (backlog.loading) backlog.missed = true;
    if (!backlog.more && !backlog.loading && backlog.loaded >= share()) {
        backlog.more = true;
        // Earlier events were loaded, or settled before there was a backlog. Replayed events belong
        // before this one, and must not wait for it.
        backlog.cursor = Seq{to_number(event.seq) - 1};
    }
    if (backlog.more || backlog.loading) {
        look(event.lane.token, backlog);
        return false;
    }
    backlog.cursor = event.seq;
    const auto behind = backlog.behind.find(event.lane.thread_hash);
    if (behind != backlog.behind.end()) {
        behind->second.missed = true;
        return false;
    }
    return take(backlog, event);
}

bool ActiveSet::is_loaded_up_to(const Backlog& backlog, const QueuedEvent& event) {
    if ((backlog.more || backlog.loading) && event.seq > backlog.cursor) return false;
    const auto behind = backlog.behind.find(event.lane.thread_hash);
    return behind == backlog.behind.end() || event.seq <= behind->second.cursor;
}

void ActiveSet::replay(const QueuedEvent& event) {
    Backlog& backlog = find_or_add(event.lane.token);
    ++backlog.queued;
    ++queued_;
    backlog.replays.push_back(event);
    place_replays(backlog);
}

void ActiveSet::place_replays(Backlog& backlog) {
    std::erase_if(backlog.replays, [&](const QueuedEvent& event) {
        if (!is_loaded_up_to(backlog, event)) return false;
        scheduler_.enqueue(event);
        ++backlog.loaded;
        return true;
    });
}

void ActiveSet::left(const LaneId& lane) {
    const auto found = backlogs_.find(lane.token);
    if (found == backlogs_.end()) return;
    Backlog& backlog = found->second;
    assert(backlog.queued > 0 && backlog.loaded > 0 && queued_ > 0);
    --backlog.queued;
    --backlog.loaded;
    --queued_;
    if (backlog.queued == 0) {
        backlogs_.erase(found);
        return;
    }
    const auto behind = backlog.behind.find(lane.thread_hash);
    if (behind != backlog.behind.end()) look(lane, behind->second);
    look(lane.token, backlog);
}

bool ActiveSet::drop(const QueuedEvent& event) {
    const auto found = backlogs_.find(event.lane.token);
    if (found == backlogs_.end() || dropped_.contains(event.seq)) return false;
    Backlog& backlog = found->second;
    const bool waiting_replay =
        std::erase_if(backlog.replays, [&](const auto& r) { return r.seq == event.seq; }) > 0;
    const auto behind = backlog.behind.find(event.lane.thread_hash);
    const bool behind_lane = behind != backlog.behind.end() && event.seq > behind->second.cursor;
    const bool behind_all = (backlog.more || backlog.loading) && event.seq > backlog.cursor;
    if (!waiting_replay && !behind_lane && !behind_all) return false;
    if (!waiting_replay) dropped_.insert(event.seq);
    --backlog.queued;
    --queued_;
    if (backlog.queued == 0) backlogs_.erase(found);
    return true;
}

void ActiveSet::forget(TokenId token) {
    const auto found = backlogs_.find(token);
    if (found == backlogs_.end()) return;
    assert(queued_ >= found->second.queued);
    queued_ -= found->second.queued;
    backlogs_.erase(found);
}

// Waits until half of the room is free: reading many events at once is cheaper.
void ActiveSet::look(TokenId token, Backlog& backlog) {
    if (!backlog.more || backlog.loading || backlog.loaded > share() / 2) return;
    backlog.loading = true;
    hungry_.emplace_back(token, std::nullopt);
}

void ActiveSet::look(const LaneId& lane, LaneBehind& behind) {
    if (behind.loading || scheduler_.lane_size(lane) > options_.lane_capacity / 2) return;
    behind.loading = true;
    hungry_.emplace_back(lane.token, lane.thread_hash);
}

std::optional<LoadRequest> ActiveSet::next_load() {
    while (!hungry_.empty()) {
        const Place place = hungry_.front();
        hungry_.pop_front();
        if (auto request = request_for(place)) return request;
    }
    return std::nullopt;
}

// Returns nothing if the token or lane no longer needs a read.
std::optional<LoadRequest> ActiveSet::request_for(const Place& place) {
    const auto found = backlogs_.find(place.first);
    if (found == backlogs_.end()) return std::nullopt;
    Backlog& backlog = found->second;
    LoadRequest request;
    request.token = place.first;
    request.thread_hash = place.second;
    request.ticket = backlog.ticket;
    if (!place.second) {
        if (!backlog.loading) return std::nullopt;
        const std::size_t room = share() - std::min(share(), backlog.loaded);
        const std::uint64_t left = backlog.queued - backlog.loaded;
        request.after = backlog.cursor;
        request.limit = std::clamp<std::size_t>(std::min<std::uint64_t>(room, left), 1, max_load);
        return request;
    }
    const auto behind = backlog.behind.find(*place.second);
    if (behind == backlog.behind.end() || !behind->second.loading) return std::nullopt;
    const LaneId lane{place.first, *place.second};
    behind->second.missed = false;
    request.after = behind->second.cursor;
    // Replayed events may exceed the capacity.
    const std::size_t size = std::min(options_.lane_capacity - 1, scheduler_.lane_size(lane));
    request.limit = options_.lane_capacity - size;
    return request;
}

void ActiveSet::loaded(const LoadRequest& request, const LoadedSlice& slice) {
    const auto found = backlogs_.find(request.token);
    if (found == backlogs_.end() || found->second.ticket != request.ticket) return;
    Backlog& backlog = found->second;
    if (request.thread_hash) {
        loaded_lane(LaneId{request.token, *request.thread_hash}, backlog, slice);
        place_replays(backlog);
        return;
    }
    for (const auto& event : slice.events) {
        if (dropped_.contains(event.seq)) continue;
        const auto behind = backlog.behind.find(event.lane.thread_hash);
        if (behind != backlog.behind.end()) {
            behind->second.missed = true;
        } else {
            take(backlog, event);
        }
    }
    backlog.cursor = std::max(backlog.cursor, slice.end);
    backlog.more = (!slice.complete || backlog.missed) && backlog.loaded < backlog.queued;
    backlog.missed = false;
    backlog.loading = false;
    place_replays(backlog);
    look(request.token, backlog);
}

void ActiveSet::loaded_lane(const LaneId& lane, Backlog& backlog, const LoadedSlice& slice) {
    const auto found = backlog.behind.find(lane.thread_hash);
    if (found == backlog.behind.end()) return;
    LaneBehind& behind = found->second;
    behind.loading = false;
    for (const auto& event : slice.events) {
        // The token's own reading loads the events after its cursor.
        if (event.seq > backlog.cursor) break;
        if (dropped_.contains(event.seq)) {
            behind.cursor = event.seq;
            continue;
        }
        scheduler_.enqueue(event);
        ++backlog.loaded;
        behind.cursor = event.seq;
    }
    // Everything up to the token's cursor is loaded, unless the cursor has meanwhile passed more
    // events of this lane.
    const bool all = slice.complete || slice.end >= backlog.cursor;
    if (all && !behind.missed) {
        backlog.behind.erase(found);
        return;
    }
    behind.cursor = std::max(behind.cursor, std::min(slice.end, backlog.cursor));
    look(lane, behind);
}

void ActiveSet::load_failed(const LoadRequest& request) {
    failed_.emplace_back(request.token, request.thread_hash);
}

void ActiveSet::retry_failed() {
    for (const auto& place : std::exchange(failed_, {})) hungry_.push_back(place);
}

}  // namespace flowrelay::core
