#include "lane_table.hpp"

#include <stdexcept>
#include <string>

namespace flowrelay::core::scheduling {

QueuedEvent to_queued_event(const Event& event) noexcept {
    return QueuedEvent{event.seq, event.lane->id(), event.accepted, event.expires, event.bytes};
}

LaneTable::~LaneTable() {
    for (auto& [id, token] : tokens_) {
        for (auto& [hash, lane] : token.lanes) lane.events.clear();
    }
    events_.clear_and_dispose([](Event* event) { delete event; });
}

Event& LaneTable::add(const QueuedEvent& queued) {
    // Almost always the newest of all: then there is no search.
    if (!events_.empty() && !(events_.rbegin()->seq < queued.seq) && find(queued.seq)) {
        throw std::logic_error("event " + std::to_string(to_number(queued.seq)) +
                               " is in the scheduler already");
    }
    Token& token = find_or_add(queued.lane.token);
    const auto [found, is_new] =
        token.lanes.try_emplace(queued.lane.thread_hash, token, queued.lane.thread_hash);
    if (is_new) ++lane_count_;
    Lane& lane = found->second;
    auto* event = new Event(queued, lane);
    events_.insert(events_.end(), *event);
    lane.events.insert(lane.events.end(), *event);
    ++event_count_;
    ++token.queued;
    return *event;
}

void LaneTable::remove(Event& event) noexcept {
    Lane& lane = *event.lane;
    lane.events.erase(EventsBySeq<InLane>::s_iterator_to(event));
    events_.erase(EventsBySeq<InAll>::s_iterator_to(event));
    --event_count_;
    --lane.token->queued;
    delete &event;
}

void LaneTable::remove(Lane& lane) noexcept {
    --lane_count_;
    const std::uint64_t hash = lane.thread_hash;
    lane.token->lanes.erase(hash);
}

void LaneTable::remove(Token& token) noexcept {
    const TokenId id = token.id;
    tokens_.erase(id);
}

Event* LaneTable::find(Seq seq) noexcept {
    const auto found = events_.find(seq, BySeq());
    return found == events_.end() ? nullptr : &*found;
}

const Event* LaneTable::find(Seq seq) const noexcept {
    const auto found = events_.find(seq, BySeq());
    return found == events_.end() ? nullptr : &*found;
}

Token* LaneTable::find(TokenId id) noexcept {
    const auto found = tokens_.find(id);
    return found == tokens_.end() ? nullptr : &found->second;
}

const Token* LaneTable::find(TokenId id) const noexcept {
    const auto found = tokens_.find(id);
    return found == tokens_.end() ? nullptr : &found->second;
}

Token& LaneTable::find_or_add(TokenId id) {
    return tokens_.try_emplace(id, id).first->second;
}

const Event* LaneTable::oldest() const noexcept {
    return events_.empty() ? nullptr : &*events_.begin();
}

}  // namespace flowrelay::core::scheduling
