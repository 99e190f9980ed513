#include "flowrelay/core/relay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "flowrelay/base/http_status.hpp"
#include "flowrelay/core/log_events.hpp"

namespace flowrelay::core {

namespace ev = log_events;

namespace {

// So many are looked through for a duplicate, while the disk is in trouble.
constexpr std::size_t most_failed_ids = 4096;

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
      ids_(random.ids),
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

void Relay::remember(TokenId token, std::string_view id, WallTime accepted) {
    dedup_.remember(token, id, accepted);
}

Rejection Relay::rejected(Rejection rejection, std::string_view label,
                          const std::optional<Producer>& by, MonoTime now) {
    ++counters_.rejected;
    refusal_log_.note(rejection, label, by, now);
    return rejection;
}

Rejection Relay::refuse(Rejection rejection, const Submitter& by, Now now) {
    return rejected(std::move(rejection), {}, by.producer, now.mono);
}

void Relay::note_unread(const Submitter& by, std::uint64_t bytes) {
    std::vector<LogField> fields{{"bytes", bytes}};
    add_producer(fields, by.producer);
    log_.write(ev::ingest_unread, fields);
}

Relay::Decision Relay::submit(Submission submission, Now now, const Submitter& by) {
    if (!accepting_) {
        return rejected({RejectCode::shutting_down,
                         "the relay is stopping: hand the event in again in a moment",
                         {},
                         Milliseconds(2000)},
                        {}, by.producer, now.mono);
    }
    const auto found = tokens_.resolve(submission.addressee(), options_.accept_unknown_tokens);
    if (found.has_error()) return rejected(found.error(), {}, by.producer, now.mono);
    TokenId slot = *found;
    // Its slot is made, or gets its token back, when the event is accepted and not before.
    std::optional<Addressee> newcomer;
    if (slot == TokenId::none || tokens_.at(slot).missing()) newcomer = submission.addressee();
    static const Token unknown_token{};
    const Token& token = slot == TokenId::none ? unknown_token : tokens_.at(slot);
    const auto label = [&] { return slot == TokenId::none ? std::string() : token.label(); };
    if (!token.rules.allow.admits(by)) {
        return rejected(
            {RejectCode::not_allowed,
             fmt::format("this user may not use source \"{}\" (sources.allow)", token.label()),
             {},
             {}},
            label(), by.producer, now.mono);
    }
    auto contents = std::move(submission).complete(token.rules.defaults);
    if (contents.has_error()) {
        return rejected(contents.error(), label(), by.producer, now.mono);
    }

    if (options_.max_event_size != 0 && contents->body.size() > options_.max_event_size) {
        return rejected(
            {RejectCode::too_large,
             fmt::format(
                 "with the defaults of source \"{}\" the event has {} bytes, over the {} of "
                 "ingest.max_event_size",
                 token.label(), contents->body.size(), options_.max_event_size),
             {},
             {}},
            label(), by.producer, now.mono);
    }

    Append append;
    EventRecord& record = append.record;
    record.own_id = !contents->uuid.empty();
    if (record.own_id) {
        if (dedup_.contains(slot, contents->uuid, now.wall)) {
            ++counters_.duplicates;
            return Duplicate{slot, std::move(contents->uuid),
                             forgotten_failures_ + failed_ids_.size()};
        }
    }
    if (slot == TokenId::none && tokens_.direct() >= options_.max_unknown_tokens) {
        return refuse_new_token(now, by.producer);
    }
    if (at_quota(slot)) return refuse_over_quota(slot, now, by.producer);
    note_below_quota(slot);
    if (newcomer) slot = tokens_.take(*newcomer, now.wall);
    // From now on, so that the same id later in the same batch is recognised.
    if (record.own_id) dedup_.remember(slot, contents->uuid, now.wall);
    record.token = slot;
    record.thread_hash = hash_thread(contents->thread);
    record.accepted = now.wall;
    if (contents->expires_in) record.expires = now.wall + *contents->expires_in;
    record.id = record.own_id ? std::move(contents->uuid) : ids_.next(now.wall);
    record.thread = std::move(contents->thread);
    record.body = std::move(contents->body);
    record.producer = by.producer;
    if (!tokens_.use(slot).durable) append.new_token = carry_entry(slot, record.id);
    ++uncommitted_[slot];
    return append;
}

bool Relay::at_quota(TokenId token) const {
    return options_.max_events_per_token != 0 &&
           counted_for_quota(token) >= options_.max_events_per_token;
}

std::uint64_t Relay::counted_for_quota(TokenId token) const {
    const auto waiting = uncommitted_.find(token);
    return active_.queued(token) + (waiting == uncommitted_.end() ? 0 : waiting->second);
}

// One line when it begins, and one an hour while it lasts.
Rejection Relay::refuse_over_quota(TokenId token, Now now, const std::optional<Producer>& by) {
    const std::string label = tokens_.at(token).label();
    const auto [reminder, begins] = over_quota_.try_emplace(token, now.mono);
    if (begins || now.mono >= reminder->second) {
        reminder->second = now.mono + Seconds(3600);
        log_.write(ev::token_queue_full, {{"source", label},
                                          {"queued", counted_for_quota(token)},
                                          {"limit", options_.max_events_per_token}});
    }
    return rejected({RejectCode::token_queue_full,
                     "as many events are queued for this token as spool.max_events_per_token "
                     "allows: nothing was lost, hand the event in again later",
                     {},
                     Milliseconds(5000)},
                    label, by, now.mono);
}

void Relay::note_below_quota(TokenId token) {
    if (over_quota_.empty() || over_quota_.erase(token) == 0) return;
    log_.write(ev::token_has_room, {{"source", tokens_.at(token).label()}});
}

void Relay::no_longer_uncommitted(TokenId token) {
    if (uncommitted_.empty()) return;
    const auto waiting = uncommitted_.find(token);
    if (waiting != uncommitted_.end() && --waiting->second == 0) uncommitted_.erase(waiting);
}

/// Of several events that bring the same entry along the first one tells that it is durable.
TokenEntry Relay::carry_entry(TokenId token, const std::string& event_id) {
    TokenEntry entry = tokens_.registry_entry(token);
    const auto [carried, first] = carried_.try_emplace(token, Carried{event_id, entry});
    if (!first && carried->second.entry != entry) carried->second = {event_id, entry};
    return entry;
}

void Relay::entry_arrived(const EventRecord& record) {
    const auto carried = carried_.find(record.token);
    if (carried == carried_.end()) return;
    const std::string& id = carried->second.event_id;
    if (!id.empty() && id != record.id) return;
    const Token& token = tokens_.at(record.token);
    const bool was_durable = token.durable;
    tokens_.mark_durable(carried->second.entry);
    carried_.erase(carried);
    const bool is_direct = token.entry.origin == TokenEntry::Origin::direct;
    if (!was_durable && is_direct) log_.write(ev::token_added, {{"source", token.label()}});
    // Its slot may have been without a token until now. What the server has said of it stays.
    if (scheduler_.token_status(record.token).state == TokenState::paused) {
        lifecycle_.apply_state(record.token);
    }
}

bool Relay::committed(const EventRecord& record, Seq seq) {
    ++counters_.accepted;
    destination_.accepted(seq);
    no_longer_uncommitted(record.token);
    const Token& token = tokens_.at(record.token);
    if (!carried_.empty()) entry_arrived(record);
    // Accepted a moment before its token was gone: it is erased with the others of that token.
    if (token.gone()) {
        lifecycle_.committed_too_late(record.token);
        return false;
    }

    QueuedEvent event;
    event.seq = seq;
    event.lane = LaneId{record.token, record.thread_hash};
    event.accepted = record.accepted;
    event.expires = record.expires;
    event.bytes = static_cast<std::uint32_t>(record.body.size() + record.thread.size());
    return active_.add(event);
}

Rejection Relay::commit_failed(const EventRecord& record, bool full) {
    no_longer_uncommitted(record.token);
    const auto carried = carried_.find(record.token);
    if (carried != carried_.end() && carried->second.event_id == record.id) {
        carried->second.event_id.clear();
    }
    if (record.own_id) {
        dedup_.forget(record.token, record.id);
        failed_ids_.emplace_back(record.token, hash_thread(record.id));
        if (failed_ids_.size() > most_failed_ids) {
            failed_ids_.pop_front();
            ++forgotten_failures_;
        }
    }
    if (full) {
        return rejected({RejectCode::queue_full,
                         "the queue is full: nothing was lost, hand the event in again later",
                         {},
                         Milliseconds(5000)},
                        {}, record.producer, MonoTime::min());
    }
    return rejected({RejectCode::storage_failed,
                     "the event could not be written to disk and was not accepted: see the relay's "
                     "log",
                     {},
                     Milliseconds(30'000)},
                    {}, record.producer, MonoTime::min());
}

// That the id is known is not enough: it may have been handed in once more since the original
// failed, and that one is not durable yet.
bool Relay::confirm(const Duplicate& duplicate, Now now) {
    if (duplicate.failures < forgotten_failures_) return false;
    const auto since = static_cast<std::ptrdiff_t>(duplicate.failures - forgotten_failures_);
    const std::pair id(duplicate.token, hash_thread(duplicate.id));
    const bool failed =
        std::find(failed_ids_.begin() + since, failed_ids_.end(), id) != failed_ids_.end();
    return !failed && dedup_.contains(duplicate.token, duplicate.id, now.wall);
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
    if (!unerased_.empty() && (!wakeup || erase_unused_at_ < *wakeup)) wakeup = erase_unused_at_;
    const auto report = reporting_.flow().next_wakeup();
    if (report && (!wakeup || *report < *wakeup)) wakeup = report;
    const auto check = reporting_.liveness().next_wakeup();
    if (check && (!wakeup || *check < *wakeup)) wakeup = check;
    return wakeup;
}

}  // namespace flowrelay::core
