// Operators' requests, and waits that are kept from one process of the relay to the next.
#include <algorithm>
#include <utility>

#include "waits.hpp"

namespace flowrelay::test {
namespace {

using core::DestinationState;
using core::TokenState;

// From docs/protocol.md and docs/architecture.md, deliberately repeated here.
constexpr Seconds shortest_remembered{10};
constexpr Milliseconds wall_clock_tick{1};

}  // namespace

// ---------------------------------------------------------------- operators

void Waits::destination_tried_now(Now now) {
    destination_.try_now(now.mono);
}

void Waits::tried_now(const Lane& lane, bool under_way, Now now) {
    destination_tried_now(now);
    tokens_[lane.first].try_now(now.mono);
    Head& head = heads_[lane];
    if (!under_way) head.earliest = MonoTime::min();
}

void Waits::resumed(std::size_t token) {
    Token& of = tokens_[token];
    const bool ends = of.state == TokenState::parked || of.state == TokenState::failing;
    if (!ends && !of.perhaps_parked) return;
    of.try_now(MonoTime::min());
    if (of.perhaps_parked) return;
    of.closed = false;
    of.state = TokenState::active;
    of.throttled_in_a_row = 0;
    for (auto& [lane, head] : heads_) {
        if (lane.first == token) head.blamed_token = false;
    }
}

void Waits::dropped(Seq seq, const Lane& lane) {
    const auto head = heads_.find(lane);
    if (head == heads_.end() || head->second.seq < seq) return;
    head->second.unsure = true;
    head->second.earliest = MonoTime::min();
    head->second.failures = 0;
}

void Waits::replayed(Seq seq, const Lane& lane) {
    const auto head = heads_.find(lane);
    if (head == heads_.end() || head->second.seq != seq) return;
    // A letter that was replayed before this one may have kept the lane, and its wait, meanwhile.
    head->second.unsure = true;
    head->second.earliest = MonoTime::min();
    head->second.failures = 0;
    head->second.blamed_token = head->second.blamed_destination = false;
}

void Waits::removed(std::size_t token) {
    Token& of = tokens_[token];
    auto asks = std::move(of.asks);
    for (Ask& ask : asks) ask.is_over = true;
    of = Token();
    of.asks = std::move(asks);
    std::erase_if(heads_, [&](const auto& item) { return item.first.first == token; });
}

void Waits::forgotten(std::size_t token) {
    removed(token);
    // The relay takes its token for another one when it comes again.
    if (destination_.good_token == token) destination_.good_token = nobody;
    const std::size_t stranger = --last_stranger_;
    if (destination_.probe_token == token) destination_.probe_token = stranger;
    for (auto* tokens : {&destination_.suspects, &destination_.evidence.tokens}) {
        if (tokens->erase(token) > 0) tokens->insert(stranger);
    }
}

void Waits::redirected() {
    auto asks = std::move(destination_.asks);
    for (Ask& ask : asks) ask.is_over = true;
    destination_ = Destination();
    destination_.allowance = std::min(first_allowance, options_.max_in_flight);
    destination_.asks = std::move(asks);
    for (auto& [number, token] : tokens_) removed(number);
    good_at_.clear();
    refused_at_.reset();
}

// ---------------------------------------------------------------- processes

void Waits::process_ended(Now now, bool unsafe) {
    // Keep waits that have ended: the timeline of the next process may begin earlier.
    const auto look_at = [&](Door& door) {
        for (Ask& ask : door.asks) {
            const bool is_new = !std::exchange(ask.is_old, true);
            if (is_new) ask.is_safe = !unsafe && ask.at + durable_after < now.wall;
        }
    };
    look_at(destination_);
    for (auto& [number, token] : tokens_) look_at(token);
}

// Restores the requested waits. Up to a tenth of each may be missing: the answers to one burst have
// similar times, and only one of them is written.
bool Waits::reopen(Door& door, bool gone, Now now) {
    WallTime earliest = WallTime::min();
    WallTime latest = WallTime::min();
    for (const Ask& ask : door.asks) {
        latest = std::max(latest, ask.until);
        const bool counts = ask.is_safe && !ask.is_over && ask.wait >= shortest_remembered;
        if (counts) earliest = std::max(earliest, ask.until - ask.wait / 10);
    }
    // The timeline may have gone back; no wait exceeds the cap.
    latest = std::min(latest, now.wall + cap_);
    earliest = std::min(earliest, now.wall + cap_);
    if (latest <= now.wall) return false;
    if (gone || earliest <= now.wall) {
        door.unsure = true;
        door.latest = now.mono + (latest - now.wall) + wall_clock_tick;
        return false;
    }
    ++remembered_;
    door.close(now.mono + (earliest - now.wall) - wall_clock_tick,
               now.mono + (latest - now.wall) + wall_clock_tick);
    return true;
}

void Waits::process_started(const std::set<std::size_t>& gone, Now now) {
    heads_.clear();
    good_at_.clear();
    refused_at_.reset();
    auto asks = std::move(destination_.asks);
    destination_ = Destination();
    destination_.allowance = options_.max_in_flight;
    destination_.asks = std::move(asks);
    if (reopen(destination_, false, now)) {
        destination_.state = DestinationState::held;
        destination_.allowance = std::min(first_allowance, options_.max_in_flight);
    }
    for (auto& [number, token] : tokens_) {
        asks = std::move(token.asks);
        token = Token();
        token.asks = std::move(asks);
        if (reopen(token, gone.contains(number), now)) token.state = TokenState::throttled;
    }
}

// Records a requested wait. A restart keeps it if it concerned more than a thread.
void Waits::note_ask(Token& token, const core::Judgement& judgement, Milliseconds wait,
                     bool removed, Now now) {
    ++asked_;
    Ask ask;
    ask.at = now.wall;
    ask.wait = wait;
    ask.until = now.wall + wait;
    const MonoTime until = now.mono + wait;
    if (judgement.verdict == core::Verdict::throttled) {
        ask.is_over = removed;
        token.asks.push_back(ask);
        return;
    }
    const auto whose = [&](Door& door) {
        if (!door.unsure && (!door.closed || door.latest < until)) return false;
        ask.is_over = door.unsure || door.earliest < until;  // otherwise the wait may be shorter
        door.asks.push_back(ask);
        return !ask.is_over;
    };
    if (whose(destination_)) return;
    if (!removed) whose(token);
}

}  // namespace flowrelay::test
