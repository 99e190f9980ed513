#include "waits.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace flowrelay::test {
namespace {

using core::DestinationState;
using core::TokenState;
using core::Verdict;

// Of docs/protocol.md and docs/architecture.md, once more.
constexpr std::size_t first_allowance = 2;
constexpr unsigned answers_to_recover = 32;
constexpr Seconds shortest_remembered{10};
constexpr Seconds durable_after{2};
constexpr Milliseconds wall_clock_tick{1};

// As of a destination that is well.
bool is_healthy(Verdict verdict) {
    return verdict != Verdict::retry && verdict != Verdict::park_destination;
}

std::string in(MonoTime time, Now now) {
    const auto left = std::chrono::duration<double>(time - now.mono).count();
    return fmt::format("{:+.3f} s", left);
}

}  // namespace

// ---------------------------------------------------------------- doors

void Waits::Door::close(MonoTime from, MonoTime to) {
    if (!closed) {
        inside.clear();
        earliest = from;
        latest = to;
    } else {
        // A time that was named while it was being tried counts however that ended.
        earliest = std::max(earliest, from);
        latest = std::max(latest, to);
    }
    closed = true;
}

void Waits::Door::extend(MonoTime until) {
    earliest = std::max(earliest, until);
    latest = std::max(latest, until);
}

void Waits::Door::hurry(MonoTime now) {
    earliest = std::min(earliest, now);
    latest = std::min(latest, now);
    for (Ask& ask : asks) ask.is_over = true;
}

Waits::Waits(core::SchedulerOptions options, Milliseconds cap, Complain complain)
    : options_(options), cap_(cap), complain_(std::move(complain)) {
    destination_.allowance = options_.max_in_flight;
}

// ---------------------------------------------------------------- attempts

Waits::Head& Waits::head_of(Seq seq, const Lane& lane) {
    Head& head = heads_[lane];
    if (head.seq == seq) return head;
    const bool in_front = head.seq != Seq::none && seq < head.seq;  // replayed
    head = Head();
    head.seq = seq;
    head.unsure = in_front;
    return head;
}

void Waits::begin(Door& door, const std::string& whose, std::size_t allowance, Seq seq, Now now) {
    const auto complain = [&](const std::string& why) {
        if (door.unsure) return;
        complain_(fmt::format("seq {} has its turn {}", to_number(seq), why));
    };
    if (door.closed && now.mono < door.earliest) {
        complain(fmt::format("though {} is to be left alone, {}", whose, in(door.earliest, now)));
    } else if (door.closed && !door.inside.empty()) {
        complain(fmt::format("while {} is being tried", whose));
    } else if (!door.closed && door.inside.size() >= allowance) {
        complain(fmt::format("where {} may have no more than {}", whose, allowance));
    }
    door.earliest = std::min(door.earliest, now.mono);
    door.latest = std::min(door.latest, now.mono);
    door.inside.insert(seq);
}

void Waits::began(Seq seq, const Lane& lane, Now now) {
    const Head& head = heads_[lane];
    if (head.seq == seq && now.mono < head.earliest) {
        complain_(fmt::format("seq {} has its turn too early, {}", to_number(seq),
                              in(head.earliest, now)));
    }
    begin(destination_, "the destination",
          destination_.allowance < options_.max_in_flight ? destination_.allowance : SIZE_MAX, seq,
          now);
    begin(tokens_[lane.first], fmt::format("token {}", lane.first), SIZE_MAX, seq, now);
}

void Waits::cancelled(Seq seq, const Lane& lane, Now now) {
    destination_.inside.erase(seq);
    tokens_[lane.first].inside.erase(seq);
    // The disk may have failed.
    head_of(seq, lane).latest = now.mono + options_.lane_backoff.max;
}

void Waits::answered(Seq seq, const Lane& lane, const core::AttemptResult& result, bool removed,
                     Now now) {
    Head& head = head_of(seq, lane);
    Token& token = tokens_[lane.first];
    const bool told_something = destination_.inside.erase(seq) > 0;
    const bool told_of_token = token.inside.erase(seq) > 0;
    const auto judgement = core::judge(result, cap_);
    const auto asked = named_time(token, result, removed, now);
    answer_destination(judgement, asked, told_something, lane, head, now);
    if (removed) {
        heads_.erase(lane);
        return;
    }
    if (judgement.verdict == Verdict::gone) {
        this->removed(lane.first);
        return;
    }
    answer_token(token, judgement, asked, told_of_token, head, now);
    head.earliest = head.latest = MonoTime::min();
    const bool waits = lane_waits(judgement, token, head);
    if (waits) head.earliest = after_backoff(options_.lane_backoff, ++head.failures, now).first;
    if (waits || head.unsure) head.latest = now.mono + options_.lane_backoff.max;
    if (judgement.verdict == Verdict::park_token) head.blamed_token = true;
    if (judgement.verdict == Verdict::park_destination) head.blamed_destination = true;
    // One that is rejected may be held, and tried again.
    if (judgement.verdict == Verdict::delivered) heads_.erase(lane);
}

std::optional<Milliseconds> Waits::named_time(Token& token, const core::AttemptResult& result,
                                              bool removed, Now now) {
    const bool can_ask =
        result.end == core::AttemptEnd::response && (result.status == 429 || result.status == 503);
    const Milliseconds wait = std::min(result.retry_after.value_or(Milliseconds(0)), cap_);
    if (!can_ask || wait <= Milliseconds(0)) return std::nullopt;
    ++asked_;
    Ask ask;
    ask.at = now.wall;
    ask.wait = wait;
    ask.until = now.wall + wait;
    ask.is_over = removed && result.status == 429;
    Door& whose = result.status == 429 ? static_cast<Door&>(token) : destination_;
    whose.asks.push_back(ask);
    return wait;
}

// A failure, or a refusal that others do not get, delays the lane.
bool Waits::lane_waits(const core::Judgement& judgement, const Token& token,
                       const Head& head) const {
    switch (judgement.verdict) {
        case Verdict::retry:
            return !judgement.connection_failure || judgement.after_sending ||
                   destination_.state != DestinationState::down;
        case Verdict::park_token:
            return head.blamed_token && !token.closed;
        case Verdict::park_destination:
            return head.blamed_destination && !destination_.closed;
        default:
            return false;
    }
}

Waits::Range Waits::after_backoff(const core::BackoffOptions& options, unsigned failures,
                                  Now now) const {
    Milliseconds most = options.initial;
    for (unsigned n = 1; n < failures && most < options.max; ++n) most *= 2;
    most = std::min(most, options.max);
    return {now.mono + most / 10, now.mono + most};
}

// ---------------------------------------------------------------- the destination

void Waits::answer_destination(const core::Judgement& judgement, std::optional<Milliseconds> asked,
                               bool current, const Lane& lane, const Head& head, Now now) {
    Destination& to = destination_;
    if (asked && judgement.verdict == Verdict::retry) {
        const MonoTime until = now.mono + *asked;
        if (to.closed && !current) {
            to.extend(until);
        } else {
            close_destination(DestinationState::held, {until, until});
        }
        return;
    }
    if (!current) return;
    if (is_healthy(judgement.verdict)) {
        to.failures = 0;
        to.silent.clear();
        to.failing.clear();
        if (to.closed && now.mono < to.earliest) {
            to.state = DestinationState::held;
        } else if (to.closed) {
            to.closed = false;
            to.state = DestinationState::up;
        } else {
            if (judgement.verdict != Verdict::throttled) ++to.allowance;
            if (++to.good_answers >= answers_to_recover) to.probes_failed = 0;
        }
        return;
    }
    if (judgement.verdict == Verdict::park_destination) {
        to.failures = 0;
        to.silent.clear();
        const MonoTime until = now.mono + options_.destination_probe;
        if (head.blamed_destination && !to.closed) return;
        if (head.unsure && !to.closed) {
            to.unsure = true;
            to.latest = until;
            return;
        }
        close_destination(DestinationState::parked, {until, until});
        return;
    }
    if (to.closed) {
        probe_failed(judgement, lane, now);
        return;
    }
    if (judgement.connection_failure) {
        if (judgement.after_sending) to.silent.insert(lane);
        ++to.failures;
        const bool lanes = !judgement.after_sending || to.silent.size() >= options_.breaker_lanes;
        if (to.failures < options_.breaker_failures || !lanes) return;
    } else {
        to.failures = 0;
        to.silent.clear();
        if (!judgement.server_error) return;
        to.failing.insert(lane);
        if (to.failing.size() < options_.breaker_lanes) return;
    }
    close_destination(DestinationState::down,
                      after_backoff(options_.destination_backoff, ++to.probes_failed, now));
}

void Waits::probe_failed(const core::Judgement& judgement, const Lane& lane, Now now) {
    const auto state = judgement.connection_failure ? DestinationState::down : destination_.state;
    const MonoTime parked_until = now.mono + options_.destination_probe;
    if (state == DestinationState::parked) {
        close_destination(state, {parked_until, parked_until});
        return;
    }
    const bool reached = !judgement.connection_failure || judgement.after_sending;
    if (reached) destination_.outage.insert(lane);
    const bool one_event = reached && destination_.outage.size() < options_.breaker_lanes;
    const unsigned failures = one_event ? 1 : ++destination_.probes_failed;
    close_destination(state, after_backoff(options_.destination_backoff, failures, now));
}

void Waits::close_destination(DestinationState state, Range until) {
    if (!destination_.closed) {
        const bool answered = destination_.failing.size() > destination_.silent.size();
        destination_.outage = answered ? destination_.failing : destination_.silent;
    }
    destination_.close(until.first, until.second);
    destination_.state = state;
    destination_.failures = 0;
    destination_.silent.clear();
    destination_.failing.clear();
    destination_.good_answers = 0;
    destination_.allowance = std::min(first_allowance, options_.max_in_flight);
}

// ---------------------------------------------------------------- tokens

void Waits::answer_token(Token& token, const core::Judgement& judgement,
                         std::optional<Milliseconds> asked, bool current, const Head& head,
                         Now now) {
    const MonoTime probe = now.mono + options_.token_probe;
    switch (judgement.verdict) {
        case Verdict::throttled:
            throttle(token, asked, current, now);
            return;
        case Verdict::park_token:
            if (!current) return;
            if (head.blamed_token && token.state != TokenState::parked) break;
            if (head.unsure && token.state != TokenState::parked) {
                token.unsure = token.perhaps_parked = true;
                token.latest = std::max(probe, token.latest);
                return;
            }
            token.close(probe, probe);
            token.state = TokenState::parked;
            return;
        case Verdict::retry:
        case Verdict::park_destination:
            if (current && token.state == TokenState::parked) token.close(probe, probe);
            return;
        default:
            if (!current) return;
    }
    token.throttled_in_a_row = 0;
    token.closed = token.closed && now.mono < token.earliest;
    token.state = token.closed ? TokenState::throttled : TokenState::active;
}

void Waits::throttle(Token& token, std::optional<Milliseconds> asked, bool current, Now now) {
    if (!current && !asked) return;
    if (!current && token.closed) {
        token.extend(now.mono + *asked);
        return;
    }
    ++token.throttled_in_a_row;
    Range until(now.mono, now.mono);
    if (asked) {
        until = {now.mono + *asked, now.mono + *asked};
    } else {
        until = after_backoff(options_.token_backoff, token.throttled_in_a_row, now);
    }
    token.close(until.first, until.second);
    token.state = TokenState::throttled;
}

bool Waits::token_is_tried(std::size_t token) const {
    const auto found = tokens_.find(token);
    return found != tokens_.end() && !found->second.inside.empty();
}

// ---------------------------------------------------------------- operators

void Waits::hurried_destination(Now now) {
    destination_.hurry(now.mono);
}

void Waits::hurried(const Lane& lane, bool under_way, Now now) {
    hurried_destination(now);
    tokens_[lane.first].hurry(now.mono);
    Head& head = heads_[lane];
    if (!under_way) head.earliest = MonoTime::min();
}

void Waits::resumed(std::size_t token) {
    Token& of = tokens_[token];
    if (of.state != TokenState::parked && !of.perhaps_parked) return;
    of.hurry(MonoTime::min());
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
    if (head != heads_.end() && head->second.seq == seq) heads_.erase(head);
}

void Waits::removed(std::size_t token) {
    Token& of = tokens_[token];
    auto asks = std::move(of.asks);
    for (Ask& ask : asks) ask.is_over = true;
    of = Token();
    of.asks = std::move(asks);
    std::erase_if(heads_, [&](const auto& item) { return item.first.first == token; });
}

// ---------------------------------------------------------------- processes

void Waits::process_ended(Now now, bool unsafe) {
    const auto look_at = [&](Door& door) {
        std::erase_if(door.asks, [&](const Ask& ask) { return ask.until <= now.wall; });
        for (Ask& ask : door.asks) {
            const bool is_new = !std::exchange(ask.is_old, true);
            if (is_new) ask.is_safe = !unsafe && ask.at + durable_after < now.wall;
        }
    };
    look_at(destination_);
    for (auto& [number, token] : tokens_) look_at(token);
}

// What is left of the times that were named. A tenth of each may be missing: answers to one burst
// say about the same, and only one of them is written.
bool Waits::reopen(Door& door, bool gone, Now now) {
    WallTime earliest = WallTime::min();
    WallTime latest = WallTime::min();
    for (const Ask& ask : door.asks) {
        latest = std::max(latest, ask.until);
        const bool counts = ask.is_safe && !ask.is_over && ask.wait >= shortest_remembered;
        if (counts) earliest = std::max(earliest, ask.until - ask.wait / 10);
    }
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

// ---------------------------------------------------------------- what the relay says

void Waits::check_told(Door& door, const std::string& whose, bool same_state,
                       std::optional<MonoTime> until, Now now) {
    const bool same = same_state && until.has_value() == door.closed;
    // A probe that may begin may have any time that has passed.
    const bool in_time = !until || (*until <= now.mono && door.earliest <= now.mono) ||
                         (door.earliest <= *until && *until <= door.latest);
    if (!same || !in_time) {
        complain_(fmt::format("{} is said to {}, {}, and should {}, {} to {}", whose,
                              until ? "wait" : "be well", until ? in(*until, now) : "now",
                              door.closed ? "wait" : "be well", in(door.earliest, now),
                              in(door.latest, now)));
    }
    if (until && in_time) door.earliest = door.latest = *until;
}

void Waits::told(const core::Scheduler::Status& status, Now now) {
    Destination& to = destination_;
    const bool closed = status.destination != DestinationState::up;
    if (to.unsure && status.destination_until.value_or(MonoTime::min()) <= to.latest) {
        if (closed && !to.closed) close_destination(status.destination, {now.mono, now.mono});
        to.unsure = false;
        to.state = status.destination;
        to.closed = closed;
        to.earliest = to.latest = status.destination_until.value_or(MonoTime::min());
    }
    check_told(to, fmt::format("the destination ({})", to_string(status.destination)),
               status.destination == to.state, status.destination_until, now);
}

void Waits::told(std::size_t number, const core::Scheduler::TokenStatus& status, Now now) {
    Token& token = tokens_[number];
    const bool closed = status.until.has_value();
    const bool named = status.state != TokenState::paused && status.state != TokenState::gone;
    // Of a token without events that waits no more nothing is known.
    const bool forgotten = !closed && token.closed && status.queued == 0 &&
                           token.earliest <= now.mono && token.state == TokenState::throttled;
    if (token.perhaps_parked && !named) {
        token.latest = MonoTime::max();
        return;
    }
    const bool possible = token.unsure && status.until.value_or(MonoTime::min()) <= token.latest;
    if (forgotten || possible) {
        if (closed && !token.closed) token.close(now.mono, now.mono);
        token.unsure = token.perhaps_parked = false;
        token.closed = closed;
        if (!closed) token.throttled_in_a_row = 0;
        token.state = named ? status.state : closed ? TokenState::throttled : TokenState::active;
        token.earliest = token.latest = status.until.value_or(MonoTime::min());
    }
    check_told(token, fmt::format("token {} ({})", number, to_string(status.state)),
               !named || status.state == token.state, status.until, now);
}

bool Waits::may_wait(const Lane& lane, MonoTime until) const {
    const auto head = heads_.find(lane);
    return head != heads_.end() && until <= head->second.latest;
}

}  // namespace flowrelay::test
