#include "waits.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace flowrelay::test {
namespace {

using core::DestinationState;
using core::TokenState;
using core::Verdict;

// From docs/protocol.md and docs/architecture.md, deliberately repeated here.
constexpr Seconds active_after_success{60};
constexpr std::size_t most_suspects = 8;
constexpr unsigned most_passes = 16;  // probes that are refused as their events were before
constexpr Seconds well_for{2};
constexpr unsigned threads_that_ask = 2;
constexpr Seconds pace_lasts{600};

// Returns whether the answer shows a healthy destination.
bool is_healthy(Verdict verdict) {
    return verdict != Verdict::retry && verdict != Verdict::park_destination;
}

std::string in(MonoTime time, Now now) {
    const auto left = std::chrono::duration<double>(time - now.mono).count();
    return fmt::format("{:+.3f} s", left);
}

}  // namespace

// ---------------------------------------------------------------- evidence

Waits::Evidence::Kind Waits::kind_of(const core::Judgement& judgement) {
    if (judgement.verdict == Verdict::park_destination) return Evidence::wrong_url;
    if (judgement.verdict != Verdict::retry) return Evidence::none;
    if (judgement.hold.value_or(Milliseconds(0)) > Milliseconds(0)) return Evidence::asked_to_wait;
    if (judgement.connection_failure) {
        return judgement.after_sending ? Evidence::no_answer : Evidence::no_connection;
    }
    return judgement.server_error ? Evidence::server_error : Evidence::none;
}

void Waits::Evidence::note(Kind kind, const Lane& lane) {
    if (kind == none) return;
    ++rows[kind].answers;
    rows[kind].lanes.insert(lane);
    tokens.insert(lane.first);
}

void Waits::Evidence::answered() {
    rows.erase(no_connection);
    rows.erase(no_answer);
}

bool Waits::Evidence::is_wide(Kind kind, const core::SchedulerOptions& options) const {
    const auto answers = [&](Kind of) {
        const auto found = rows.find(of);
        return found == rows.end() ? 0U : found->second.answers;
    };
    const auto found = rows.find(kind);
    const std::size_t lanes = found == rows.end() ? 0 : found->second.lanes.size();
    const unsigned unanswered = answers(no_connection) + answers(no_answer);
    switch (kind) {
        case no_connection:
            return unanswered >= options.breaker_failures;
        case no_answer:
            return unanswered >= options.breaker_failures && lanes >= options.breaker_lanes;
        case server_error:
            return lanes >= options.breaker_lanes;
        case asked_to_wait:
            return lanes >= threads_that_ask;
        case wrong_url:
            return lanes >= 1;
        case none:
            break;
    }
    return false;
}

void Waits::count_failure(const core::BackoffOptions& options, unsigned& failures) {
    Milliseconds longest = options.initial;
    for (unsigned n = 1; n < failures; ++n) longest *= 2;
    if (failures == 0 || longest < options.max) ++failures;
}

// Returns whether no other token has events or has recently had a success.
bool Waits::is_alone(std::size_t token, bool others_queued, Now now) const {
    return !others_queued && std::ranges::none_of(good_at_, [&](const auto& item) {
        return item.first != token && item.second + active_after_success >= now.mono;
    });
}

bool Waits::admits_early(std::size_t token) const {
    return destination_.closed && destination_.may_be_theirs &&
           destination_.suspects.size() <= most_suspects && !destination_.suspects.contains(token);
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

void Waits::begin(Door& door, const std::string& whose, std::size_t allowance, std::size_t token,
                  Seq seq, Now now) {
    const auto complain = [&](const std::string& why) {
        if (door.unsure) return;
        complain_(fmt::format("seq {} has its turn {}", to_number(seq), why));
    };
    const bool early =
        &door == &destination_ && (destination_.suspects_unsure || admits_early(token));
    if (door.closed && now.mono < door.earliest && !early) {
        complain(fmt::format("though {} is to be left alone, {}", whose, in(door.earliest, now)));
    } else if (door.closed && !door.inside.empty() &&
               !(&door == &destination_ && may_go_beside(token))) {
        complain(fmt::format("while {} is being tried", whose));
    } else if (!door.closed && door.inside.size() >= allowance) {
        complain(fmt::format("where {} may have no more than {}", whose, allowance));
    }
    if (!early) {
        door.earliest = std::min(door.earliest, now.mono);
        door.latest = std::min(door.latest, now.mono);
    }
    door.inside.insert(seq);
    if (&door == &destination_ && door.closed) destination_.probe_token = token;
}

// A probe may hang. One may go beside it if that of a suspect hangs, or by the token with the last
// good answer.
bool Waits::may_go_beside(std::size_t token) const {
    const Destination& to = destination_;
    return to.inside.size() < 2 && (to.suspects_unsure || admits_early(token)) &&
           (to.suspects.contains(to.probe_token) || token == to.good_token);
}

void Waits::began(Seq seq, const Lane& lane, Now now) {
    const Head& head = heads_[lane];
    if (head.seq == seq && now.mono < head.earliest) {
        complain_(fmt::format("seq {} has its turn too early, {}", to_number(seq),
                              in(head.earliest, now)));
    }
    begin(destination_, "the destination",
          destination_.allowance < options_.max_in_flight ? destination_.allowance : SIZE_MAX,
          lane.first, seq, now);
    begin(tokens_[lane.first], fmt::format("token {}", lane.first), SIZE_MAX, lane.first, seq, now);
}

void Waits::withdrawn(Seq seq, const Lane& lane) {
    destination_.inside.erase(seq);
    tokens_[lane.first].inside.erase(seq);
}

void Waits::cancelled(Seq seq, const Lane& lane, Now now) {
    destination_.inside.erase(seq);
    tokens_[lane.first].inside.erase(seq);
    // The cause may be a failed disk.
    head_of(seq, lane).latest = now.mono + options_.lane_backoff.max;
}

void Waits::answered(Seq seq, const Lane& lane, const core::AttemptResult& result,
                     Situation situation, Now now) {
    Head& head = head_of(seq, lane);
    Token& token = tokens_[lane.first];
    Answer answer;
    answer.judgement = core::judge(result, cap_, true);
    answer.judgement.of_everybody = situation.of_all;
    answer.kind = kind_of(answer.judgement);
    answer.asked = named_time(result);
    answer.current = destination_.inside.erase(seq) > 0;
    answer.lane = lane;
    answer.blamed_url = head.blamed_destination;
    answer.unsure = head.unsure;
    const bool may_be_limit =
        result.end == core::AttemptEnd::response && (result.status == 429 || result.status == 503);
    answer.limits = may_be_limit && !answer.asked && answer.judgement.verdict == Verdict::retry;
    if (may_be_limit) refused_at_ = now.mono;
    answer.token_waits = token.state == TokenState::failing;
    answer.alone = situation.of_all || is_alone(lane.first, situation.others_queued, now);
    const bool told_of_token = token.inside.erase(seq) > 0;
    answer_destination(answer, now);
    if (is_healthy(answer.judgement.verdict)) good_at_[lane.first] = now.mono;
    if (!situation.removed && answer.judgement.verdict == Verdict::gone) {
        this->removed(lane.first);
        return;
    }
    answer.current = told_of_token;
    if (!situation.removed) answer_token(token, answer, head, now);
    if (answer.asked) {
        note_ask(token, answer.judgement, *answer.asked, situation.removed, now);
    }
    if (situation.removed) {
        heads_.erase(lane);
        return;
    }
    head.earliest = head.latest = MonoTime::min();
    const bool waits = lane_waits(answer.judgement, token, head);
    MonoTime asked_until = MonoTime::min();
    if (answer.judgement.verdict == Verdict::retry) {
        asked_until = now.mono + answer.asked.value_or(time_of_event(result));
    }
    if (waits) {
        head.earliest =
            std::max(after_backoff(options_.lane_backoff, ++head.failures, now).first, asked_until);
    }
    if (waits || head.unsure) {
        head.latest = std::max(now.mono + options_.lane_backoff.max, asked_until);
    }
    // If the cause may be this event, others go first.
    const bool parks = answer.judgement.verdict == Verdict::park_token ||
                       answer.judgement.verdict == Verdict::park_destination;
    if (!waits && parks) head.latest = now.mono + options_.token_probe;
    if (answer.judgement.verdict == Verdict::park_token) head.blamed_token = true;
    if (answer.judgement.verdict == Verdict::park_destination) head.blamed_destination = true;
    // A rejected event may be held, and retried.
    if (answer.judgement.verdict == Verdict::delivered) heads_.erase(lane);
}

std::optional<Milliseconds> Waits::named_time(const core::AttemptResult& result) const {
    const bool can_ask =
        result.end == core::AttemptEnd::response && (result.status == 429 || result.status == 503);
    const Milliseconds wait = std::min(result.retry_after.value_or(Milliseconds(0)), cap_);
    if (!can_ask || wait <= Milliseconds(0)) return std::nullopt;
    return wait;
}

// Returns the wait requested for this event only: it is being processed, or too large for now.
Milliseconds Waits::time_of_event(const core::AttemptResult& result) const {
    const bool can_ask =
        result.end == core::AttemptEnd::response && (result.status == 409 || result.status == 413);
    return can_ask ? std::min(result.retry_after.value_or(Milliseconds(0)), cap_) : Milliseconds(0);
}

// Returns whether the lane is delayed: after a failure, or a refusal that others do not get.
bool Waits::lane_waits(const core::Judgement& judgement, const Token& token,
                       const Head& head) const {
    switch (judgement.verdict) {
        case Verdict::retry:
            return !judgement.connection_failure || judgement.after_sending ||
                   destination_.state != DestinationState::down;
        case Verdict::park_token:
            return head.blamed_token && !token.closed;
        case Verdict::park_destination:
            return head.blamed_destination && !destination_.closed && !token.closed;
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

void Waits::answer_destination(const Answer& answer, Now now) {
    Destination& to = destination_;
    if (answer.asked && answer.judgement.verdict == Verdict::retry) {
        const MonoTime until = now.mono + *answer.asked;
        if (to.closed && !to.suspects.empty()) to.suspects.insert(answer.lane.first);
        if (to.closed && !answer.current) {
            to.extend(until);
        } else if (to.closed) {
            close_destination(DestinationState::held, {until, until});
        } else {
            to.evidence.answered();
            blame_destination(answer, now);
        }
        return;
    }
    if (!answer.current) return;
    if (is_healthy(answer.judgement.verdict)) {
        to.evidence = Evidence();
        to.good_at = now.mono;
        to.good_token = answer.lane.first;
        if (to.probes_failed > 0) --to.probes_failed;
        const bool theirs = admits_early(answer.lane.first);
        if (!to.closed) {
            if (answer.judgement.verdict != Verdict::throttled) ++to.allowance;
        } else if (now.mono < to.earliest && !theirs) {
            to.state = DestinationState::held;
        } else {
            if (theirs) to.allowance = std::max(to.allowance, to.allowance_before);
            to.closed = false;
            to.state = DestinationState::up;
            for (auto& [number, token] : tokens_) {
                if (token.state == TokenState::failing) token.end_soon(now.mono);
            }
        }
        return;
    }
    if (!answer.judgement.connection_failure) to.evidence.answered();
    if (to.closed) {
        probe_failed(answer, now);
    } else {
        blame_destination(answer, now);
    }
}

// Only failures that can't be caused by one token count for the destination.
void Waits::blame_destination(const Answer& answer, Now now) {
    Destination& to = destination_;
    if (answer.kind == Evidence::wrong_url && answer.blamed_url) return;
    const bool after_good =
        to.good_at != MonoTime::min() && now.mono - to.good_at <= limits_after_good;
    if (answer.limits && after_good) return;
    if (answer.kind == Evidence::wrong_url && answer.unsure) to.evidence.maybe = true;
    if (!answer.token_waits || answer.kind == Evidence::no_connection) {
        to.evidence.note(answer.kind, answer.lane);
    }
    if (!to.evidence.is_wide(answer.kind, options_)) return;
    const bool any_token = answer.kind == Evidence::no_connection || answer.alone;
    const bool another_is_well = to.good_at != MonoTime::min() &&
                                 now.mono - to.good_at <= well_for &&
                                 !to.evidence.tokens.contains(to.good_token);
    if (!any_token && (to.evidence.tokens.size() < 2 || another_is_well)) return;
    auto state = DestinationState::down;
    unsigned passes = 0;
    Range until;
    if (answer.kind == Evidence::asked_to_wait) {
        state = DestinationState::held;
        until = {now.mono + *answer.asked, now.mono + *answer.asked};
    } else if (answer.kind == Evidence::wrong_url) {
        // One that was well may be tried by another thread at once.
        const bool was_well = to.good_at != MonoTime::min() && !answer.judgement.of_everybody;
        const MonoTime probe = was_well ? now.mono : now.mono + options_.destination_probe;
        passes = was_well ? most_passes : 0;
        state = DestinationState::parked;
        until = {probe, probe};
    } else {
        count_failure(options_.destination_backoff, to.probes_failed);
        until = after_backoff(options_.destination_backoff, to.probes_failed, now);
    }
    to.passes = passes;
    to.may_be_theirs = answer.kind != Evidence::no_connection;
    to.suspects.clear();
    if (to.may_be_theirs) to.suspects = to.evidence.tokens;
    if (to.evidence.maybe) {
        to.unsure = to.suspects_unsure = true;
        to.latest = until.second;
        return;
    }
    to.suspects_unsure = false;
    close_destination(state, until);
}

void Waits::probe_failed(const Answer& answer, Now now) {
    const bool reached = answer.kind != Evidence::no_connection;
    const bool answered = !answer.judgement.connection_failure;
    if (!reached) destination_.may_be_theirs = destination_.suspects_unsure = false;
    if (reached && destination_.may_be_theirs) destination_.suspects.insert(answer.lane.first);
    auto state = answered ? destination_.state : DestinationState::down;
    if (answer.kind == Evidence::wrong_url) state = DestinationState::parked;
    // The answer to a token that was tried early: the others wait for as long as before.
    if (reached && now.mono < destination_.earliest) {
        close_destination(state, {destination_.earliest, destination_.latest});
        return;
    }
    if (state == DestinationState::parked) {
        const MonoTime wait = now.mono + options_.destination_probe;
        unsigned& passes = destination_.passes;
        passes = answer.blamed_url && passes > 0 ? passes - 1 : 0;
        const Range known = passes > 0 ? Range(now.mono, now.mono) : Range(wait, wait);
        close_destination(state, answer.unsure ? Range(now.mono, wait) : known);
        return;
    }
    if (reached) destination_.outage.insert(answer.lane);
    const bool one_event = reached && destination_.outage.size() < options_.breaker_lanes;
    unsigned failures = 1;
    if (!one_event) {
        count_failure(options_.destination_backoff, destination_.probes_failed);
        failures = destination_.probes_failed;
    }
    close_destination(state, after_backoff(options_.destination_backoff, failures, now));
}

void Waits::close_destination(DestinationState state, Range until) {
    if (!destination_.closed) {
        const auto& failing = destination_.evidence.rows[Evidence::server_error].lanes;
        const auto& silent = destination_.evidence.rows[Evidence::no_answer].lanes;
        destination_.outage = failing.size() > silent.size() ? failing : silent;
    }
    if (!destination_.closed) destination_.allowance_before = destination_.allowance;
    destination_.close(until.first, until.second);
    destination_.state = state;
    destination_.evidence = Evidence();
    destination_.allowance = std::min(first_allowance, options_.max_in_flight);
}

// ---------------------------------------------------------------- what the relay says

void Waits::check_told(Door& door, const std::string& whose, bool same_state,
                       std::optional<MonoTime> until, Now now) {
    const bool same = same_state && until.has_value() == door.closed;
    // A probe that is due may have any time in the past.
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
    // The relay forgets a token that has no events and no longer waits.
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

bool Waits::may_be_paced(Now now) const {
    return refused_at_ && now.mono - *refused_at_ <= pace_lasts + longest_pace;
}

bool Waits::may_wait(const Lane& lane, MonoTime until) const {
    const auto head = heads_.find(lane);
    return head != heads_.end() && until <= head->second.latest;
}

}  // namespace flowrelay::test
