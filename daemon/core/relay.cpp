#include "flowrelay/core/relay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "flowrelay/base/http_status.hpp"
#include "flowrelay/core/log_events.hpp"

namespace flowrelay::core {

namespace ev = log_events;

namespace {

constexpr std::size_t most_expired_at_once = 1000;

// What is known without the event itself, which only storage has.
DeadLetter letter_for(const Assignment& assignment, const Completion& completion, Now now) {
    DeadLetter letter;
    letter.seq = assignment.seq;
    letter.event.token = assignment.lane.token;
    letter.event.thread_hash = assignment.lane.thread_hash;
    letter.event.accepted = assignment.accepted;
    letter.outcome = completion.outcome;
    letter.died = now.wall;
    letter.attempts = completion.attempt;
    return letter;
}

}  // namespace

Relay::Relay(RelayOptions options, const Salt& salt, std::vector<TokenEntry> tokens, Random random,
             Log& log)
    : Relay(std::move(options), salt, std::move(tokens),
            Randomness{Random(random.next()), Random(random.next()), Random(random.next())}, log) {}

Relay::Relay(RelayOptions options, const Salt& salt, std::vector<TokenEntry> tokens,
             const Randomness& random, Log& log)
    : options_(std::move(options)),
      log_(log),
      tokens_(salt, std::move(tokens)),
      destination_(options_, tokens_, log_, random.scheduler),
      reporting_(options_, tokens_, destination_, random.checks, log_),
      dedup_(options_.dedup_window, options_.dedup_entries),
      lifecycle_(options_, tokens_, dedup_, destination_, reporting_, log_),
      admission_(options_, tokens_, dedup_, counters_, destination_, lifecycle_, random.ids, log_),
      unused_(options_, tokens_, dedup_, destination_, reporting_, lifecycle_, admission_, log_),
      letter_room_(options_.dead_letters) {}

void Relay::set_options(RelayOptions options) {
    if (options.destination != options_.destination || options.route != options_.route) {
        destination_.change();
        reporting_.destination_changed(options.destination);
    }
    options_ = std::move(options);
    destination_.options_changed();
    trim_at_ = MonoTime{};  // long ago: at once
    dedup_.set_window(options_.dedup_window);
    reporting_.flow().options_changed();
    letter_room_.set_limits(options_.dead_letters);
    release_held_by_letters();
}

std::vector<TokenEntry> Relay::configure(std::vector<ConfiguredSource> sources, Now now) {
    const auto holding = holding_tokens();
    auto changed = lifecycle_.configure(std::move(sources), now);
    for (const TokenId id : holding) {
        const Token& token = tokens_.at(id);
        if (token.is_source() && !token.rules.hold_rejected) release_held(id);
    }
    return changed;
}

void Relay::restore(const Hold& hold, Now now) {
    if (destination_.restore(hold, now)) reporting_.waits_since_before(hold.token);
}

std::optional<Assignment> Relay::next(Now now) {
    auto assignment = scheduler_.next(now);
    if (assignment) assignment->with = destination_.sent_with_now(assignment->lane.token);
    return assignment;
}

Effects Relay::attempted(const Assignment& assignment, const EventRecord& record,
                         const AttemptResult& result, Now now) {
    ++counters_.attempts;
    if (destination_.is_outdated(assignment)) {
        return answered_to_former(assignment, record, result, now);
    }
    if (is_success(result.status)) reporting_.liveness().heard(assignment.lane.token, now);
    // What another life of the daemon accepted may have been sent by it.
    const bool is_own = destination_.is_own(assignment.seq);
    Judgement judgement = judge(result, options_.retry_after_cap, assignment.sent || !is_own);
    Effects effects;
    const std::string widened = widen_refusal(assignment, judgement, effects);
    if (widened.empty()) return conclude(assignment, record, result, judgement, effects, now);
    AttemptResult told = result;
    told.detail = told.detail.empty() ? widened : told.detail + "; " + widened;
    return conclude(assignment, record, told, judgement, effects, now);
}

Effects Relay::conclude(const Assignment& assignment, const EventRecord& record,
                        const AttemptResult& result, Judgement judgement, Effects& effects,
                        Now now) {
    const bool for_operator = tokens_.at(assignment.lane.token).rules.hold_rejected;
    judgement.hold_lane = for_operator || !letter_room_.has_room();
    held_by_letters_.erase(assignment.seq);
    const Completion completion = scheduler_.complete(assignment.seq, judgement, now);
    if (judgement.ambiguous) ++counters_.ambiguous;

    switch (completion.action) {
        case Completion::Action::settle:
            // Erased: its token has gone meanwhile, and the erasure settles all of that token.
            if (completion.outcome == Outcome::delivered) {
                settle_delivered(assignment, effects);
            } else if (completion.outcome == Outcome::dead) {
                active_.left(assignment.lane);
                bury(assignment, record, result, completion, effects, now);
            }
            break;
        case Completion::Action::retry:
            ++counters_.retried;
            break;
        case Completion::Action::hold:
            if (for_operator) {
                reporting_.held(assignment, record, result, completion);
            } else {
                held_by_letters_.insert(assignment.seq);
            }
            break;
        case Completion::Action::disable_token:
            effects.tokens = lifecycle_.disable(assignment.lane.token, now);
            break;
    }
    effects.hold = destination_.hold_to_remember(assignment.lane.token, judgement,
                                                 completion.asked_to_wait, now);
    reporting_.attempted(assignment, record, result, completion, now);
    return std::move(effects);
}

void Relay::settle_delivered(const Assignment& assignment, Effects& effects) {
    active_.left(assignment.lane);
    const TokenId token = assignment.lane.token;
    if (tokens_.at(token).gone()) lifecycle_.delivered_too_late(token);
    ++counters_.delivered;
    effects.settle = Settlement{assignment.seq, Outcome::delivered};
}

// What is known of its size is an estimate until the store has it.
void Relay::bury(DeadLetter letter, std::uint64_t event_bytes, Effects& effects) {
    ++counters_.dead;
    if (letter.outcome == Outcome::expired) ++counters_.expired;
    letter_room_.bury(letter_size(event_bytes, letter));
    // A crash before its letter is on the disk has it posted again. What is too old is not posted.
    if (letter.outcome == Outcome::dead) {
        const LaneId lane{letter.event.token, letter.event.thread_hash};
        if (unwritten_.emplace(letter.seq, lane).second) scheduler_.block_lane(lane, true);
    }
    effects.bury.push_back(std::move(letter));
}

void Relay::bury(const Assignment& assignment, const EventRecord& record,
                 const AttemptResult& result, const Completion& completion, Effects& effects,
                 Now now) {
    DeadLetter letter = letter_for(assignment, completion, now);
    letter.status = result.status;
    letter.reason = result.detail;
    letter.server_errors = result.server_errors;
    reporting_.died(assignment, record, result, completion, now);
    bury(std::move(letter), record.body.size() + record.thread.size(), effects);
    note_letter_room(now);
}

Effects Relay::unreadable(const Assignment& assignment, std::string_view reason, bool damaged,
                          Now now) {
    log_.write(ev::spool_read_failed, {{"source", tokens_.at(assignment.lane.token).label()},
                                       {"seq", to_number(assignment.seq)},
                                       {"reason", reason}});
    const bool lost = damaged && letter_room_.has_room();
    const Completion completion = scheduler_.unreadable(assignment.seq, lost, now);
    Effects effects;
    if (completion.action != Completion::Action::settle) return effects;
    if (completion.outcome != Outcome::dead) return effects;
    active_.left(assignment.lane);
    DeadLetter letter = letter_for(assignment, completion, now);
    letter.reason = reason;
    reporting_.died(letter, Problem::lost, now);
    bury(std::move(letter), 0, effects);
    note_letter_room(now);
    return effects;
}

Relay::CheckEnd Relay::end_check(const SourceCheck& check, const AttemptResult& result,
                                 bool has_source, Now now) {
    CheckEnd end{reporting_.liveness().end_check(check, result, has_source, now), {}};
    if (end.life == SourceLife::gone) end.effects.tokens = lifecycle_.disable(check.token, now);
    return end;
}

Effects Relay::expire(Now now) {
    Effects effects;
    destination_.retry_loads(now);
    note_letter_room(now);
    WallTime oldest = now.wall;
    while (effects.bury.size() < most_expired_at_once && letter_room_.has_room()) {
        const auto expired = scheduler_.take_expired(now, 1);
        if (expired.empty()) break;
        const QueuedEvent& event = expired.front();
        active_.left(event.lane);
        DeadLetter letter;
        letter.seq = event.seq;
        letter.event.token = event.lane.token;
        letter.event.thread_hash = event.lane.thread_hash;
        letter.event.accepted = event.accepted;
        letter.outcome = Outcome::expired;
        letter.died = now.wall;
        letter.reason = event.expires <= now.wall ? "older than its own expires_in"
                                                  : "older than retry.max_age";
        reporting_.died(letter, Problem::expired, now);
        oldest = std::min(oldest, event.accepted);
        bury(std::move(letter), event.bytes, effects);
    }
    if (!effects.bury.empty()) {
        note_letter_room(now);
        log_.write(ev::delivery_expired, {{"events", effects.bury.size()},
                                          {"oldest", format_time(oldest)},
                                          {"reason", effects.bury.front().reason}});
    }
    return effects;
}

std::optional<MonoTime> Relay::next_wakeup(Now now) const {
    auto wakeup = destination_.next_wakeup(now);
    if (trim_at_ != MonoTime::min() && (!wakeup || trim_at_ < *wakeup)) wakeup = trim_at_;
    if (tell_letters_full_at_ && (!wakeup || *tell_letters_full_at_ < *wakeup)) {
        wakeup = tell_letters_full_at_;
    }
    const auto tokens = lifecycle_.next_wakeup(now);
    if (tokens && (!wakeup || *tokens < *wakeup)) wakeup = tokens;
    const auto unused = unused_.next_wakeup();
    if (unused && (!wakeup || *unused < *wakeup)) wakeup = unused;
    const auto report = reporting_.flow().next_wakeup();
    if (report && (!wakeup || *report < *wakeup)) wakeup = report;
    const auto check = reporting_.liveness().next_wakeup();
    if (check && (!wakeup || *check < *wakeup)) wakeup = check;
    return wakeup;
}

}  // namespace flowrelay::core
