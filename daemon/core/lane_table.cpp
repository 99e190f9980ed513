#include "lane_table.hpp"

#include <cassert>
#include <memory>
#include <stdexcept>
#include <string>

namespace flowrelay::core::scheduling {

QueuedEvent to_queued_event(const Event& event) noexcept {
    return QueuedEvent{event.seq,     event.lane->id(), event.accepted,
                       event.expires, event.bytes,      event.sent};
}

std::vector<std::uint64_t> threads_of(const TokenQueue& token, std::size_t limit) {
    std::vector<std::uint64_t> threads;
    for (const Lane& lane : token.lanes) {
        if (threads.size() == limit) break;
        threads.push_back(lane.thread_hash);
    }
    return threads;
}

std::vector<Seq> held_events(const TokenQueue& token) {
    std::vector<Seq> seqs;
    for (const Lane& lane : token.lanes) {
        if (lane.held) seqs.push_back(lane.held->seq);
    }
    return seqs;
}

TokenState TokenQueue::state() const noexcept {
    if (removed && queued > 0) return TokenState::gone;
    return paused ? TokenState::paused : gate.state();
}

LaneTable::~LaneTable() {
    for (TokenQueue& token : tokens_) {
        token.lanes.clear_and_dispose([](Lane* lane) {
            lane->events.clear();
            delete lane;
        });
    }
    tokens_.clear_and_dispose(std::default_delete<TokenQueue>());
    events_.clear_and_dispose(std::default_delete<Event>());
}

Event& LaneTable::add(const QueuedEvent& queued) {
    // The event is almost always the newest one, which needs no search.
    if (!events_.empty() && !(events_.rbegin()->seq < queued.seq) && find(queued.seq)) {
        throw std::logic_error("event " + std::to_string(to_number(queued.seq)) +
                               " is in the scheduler already");
    }
    TokenQueue& token = find_or_add(queued.lane.token);
    Lane& lane = find_or_add(token, queued.lane.thread_hash);
    auto* event = new Event(queued, lane);
    events_.insert(events_.end(), *event);
    lane.events.insert(lane.events.end(), *event);
    ++event_count_;
    ++token.queued;
    return *event;
}

void LaneTable::remove(Event& event) noexcept {
    Lane& lane = *event.lane;
    assert(&event != lane.held);
    assert(event_count_ > 0 && lane.token->queued > 0);
    lane.events.erase(EventsBySeq<InLane>::s_iterator_to(event));
    events_.erase(EventsBySeq<InAll>::s_iterator_to(event));
    --event_count_;
    --lane.token->queued;
    delete &event;
}

void LaneTable::remove(Lane& lane) noexcept {
    assert(lane.events.empty() && !lane.is_armed() && !lane.is_listed());
    assert(lane_count_ > 0);
    --lane_count_;
    lane.token->lanes.erase(LanesByThread::s_iterator_to(lane));
    delete &lane;
}

void LaneTable::remove(TokenQueue& token) noexcept {
    assert(token.lanes.empty() && token.queued == 0 && !token.is_armed());
    tokens_.erase(TokensById::s_iterator_to(token));
    delete &token;
}

Event* LaneTable::find(Seq seq) noexcept {
    const auto found = events_.find(seq, BySeq());
    return found == events_.end() ? nullptr : &*found;
}

const Event* LaneTable::find(Seq seq) const noexcept {
    const auto found = events_.find(seq, BySeq());
    return found == events_.end() ? nullptr : &*found;
}

Lane* LaneTable::find(const LaneId& id) noexcept {
    TokenQueue* token = find(id.token);
    if (!token) return nullptr;
    const auto found = token->lanes.find(id.thread_hash);
    return found == token->lanes.end() ? nullptr : &*found;
}

TokenQueue* LaneTable::find(TokenId id) noexcept {
    const auto found = tokens_.find(id);
    return found == tokens_.end() ? nullptr : &*found;
}

const TokenQueue* LaneTable::find(TokenId id) const noexcept {
    const auto found = tokens_.find(id);
    return found == tokens_.end() ? nullptr : &*found;
}

TokenQueue& LaneTable::find_or_add(TokenId id) {
    TokensById::insert_commit_data place;
    const auto [found, is_new] = tokens_.insert_check(id, place);
    if (!is_new) return *found;
    auto* token = new TokenQueue(id);
    return *tokens_.insert_commit(*token, place);
}

const Lane* LaneTable::find(const LaneId& id) const noexcept {
    const TokenQueue* token = find(id.token);
    if (!token) return nullptr;
    const auto found = token->lanes.find(id.thread_hash);
    return found == token->lanes.end() ? nullptr : &*found;
}

Lane& LaneTable::find_or_add(TokenQueue& token, std::uint64_t thread_hash) {
    LanesByThread::insert_commit_data place;
    const auto [found, is_new] = token.lanes.insert_check(thread_hash, place);
    if (!is_new) return *found;
    auto* lane = new Lane(token, thread_hash);
    ++lane_count_;
    return *token.lanes.insert_commit(*lane, place);
}

const Event* LaneTable::oldest() const noexcept {
    return events_.empty() ? nullptr : &*events_.begin();
}

}  // namespace flowrelay::core::scheduling
