#include "flowrelay/core/admission.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <utility>
#include <vector>

#include "flowrelay/core/log_events.hpp"

namespace flowrelay::core {

namespace ev = log_events;

namespace {

// So many are looked through for a duplicate, while the disk is in trouble.
constexpr std::size_t max_failed_ids = 4096;

/// Empty: it is none of a slot yet.
std::string label_of(const Token& token) {
    return token.entry.id == TokenId::none ? std::string() : token.label();
}

Rejection too_large(const Token& token, std::size_t size, std::uint64_t limit) {
    return {RejectCode::too_large,
            fmt::format("with the defaults of source \"{}\" the event has {} bytes, over the {} of "
                        "ingest.max_event_size",
                        token.label(), size, limit),
            {},
            {}};
}

/// Names the route where the event was right for those before it.
Rejection of_copy(Rejection rejection, const Token& token, bool is_first) {
    if (!is_first && rejection.code == RejectCode::invalid_event) {
        rejection.message += fmt::format(" (with the defaults of source \"{}\")", token.label());
    }
    return rejection;
}

}  // namespace

Admission::Admission(const RelayOptions& options, TokenTable& tokens, DedupWindow& known_ids,
                     RelayCounters& counters, Destination& destination, Reporting& reporting,
                     TokenLifecycle& lifecycle, Random random, Log& log)
    : options_(options),
      tokens_(tokens),
      dedup_(known_ids),
      counters_(counters),
      destination_(destination),
      active_(destination.active()),
      reporting_(reporting),
      lifecycle_(lifecycle),
      log_(log),
      refusal_log_(log),
      ids_(random) {}

void Admission::remember(TokenId token, std::string_view id, WallTime accepted) {
    dedup_.remember(token, id, accepted);
}

Rejection Admission::rejected(Rejection rejection, std::string_view label,
                              const std::optional<Producer>& by, MonoTime now) {
    ++counters_.rejected;
    refusal_log_.note(rejection, label, by, now);
    return rejection;
}

Rejection Admission::refuse(Rejection rejection, const Submitter& by, Now now) {
    return rejected(std::move(rejection), {}, by.producer, now.mono);
}

void Admission::note_unread(const Submitter& by, std::uint64_t bytes) {
    std::vector<LogField> fields{{"bytes", bytes}};
    add_producer(fields, by.producer);
    log_.write(ev::ingest_unread, fields);
}

Admission::Decision Admission::submit(Submission submission, Now now, const Submitter& by) {
    if (!accepting_) {
        return rejected({RejectCode::shutting_down,
                         "the relay is stopping: hand the event in again in a moment",
                         {},
                         Milliseconds(2000)},
                        {}, by.producer, now.mono);
    }
    const auto* named = std::get_if<SourceName>(&submission.addressee());
    if (named != nullptr && !tokens_.routes_of(named->name).empty()) {
        return submit_copies(std::move(submission), named->name, now, by);
    }
    const auto found = tokens_.resolve(submission.addressee(), options_.accept_unknown_tokens);
    if (found.has_error()) return rejected(found.error(), {}, by.producer, now.mono);
    TokenId slot = *found;
    // Its slot is made, or gets its token back, when the event is accepted and not before.
    std::optional<Addressee> newcomer;
    if (slot == TokenId::none || tokens_.at(slot).missing()) newcomer = submission.addressee();
    static const Token unknown_token{};
    const Token& token = slot == TokenId::none ? unknown_token : tokens_.at(slot);
    // A route is no way round the rule of its source. Who has a token needs neither.
    if (const Token* above = named != nullptr ? tokens_.source_above(token) : nullptr) {
        if (auto refused = refuse_user(*above, by, now)) return std::move(*refused);
    }
    if (!token.rules.allow.admits(by)) return *refuse_user(token, by, now);
    const EventDefaults& defaults =
        named != nullptr ? tokens_.defaults_of(token) : token.rules.defaults;
    auto contents = std::move(submission).complete(defaults);
    if (auto refused = refuse_contents(contents, token, by, now)) return std::move(*refused);

    const bool own_id = !contents->uuid.empty();
    if (own_id && dedup_.contains(slot, contents->uuid, now.wall)) {
        ++counters_.duplicates;
        return Duplicate{slot, std::move(contents->uuid), forgotten_failures_ + failed_ids_.size()};
    }
    if (const KnownFilter& filter = token.filter()) {
        if (const auto list = refused_by(*filter, contents->body, contents->thread)) {
            Filtered filtered{own_id ? std::move(contents->uuid) : ids_.next(now.wall)};
            filter_out(slot, *list, filtered.id, now);
            return filtered;
        }
    }
    if (slot == TokenId::none && tokens_.direct() >= options_.max_unknown_tokens) {
        return refuse_new_token(now, by.producer);
    }
    if (at_quota(slot)) return refuse_over_quota(slot, now, by.producer);
    if (newcomer) slot = tokens_.take(*newcomer, now.wall);
    std::string id = own_id ? std::move(contents->uuid) : ids_.next(now.wall);
    return make_append(slot, std::move(*contents), std::move(id), own_id, by, now);
}

/// Nothing is changed before it is known that no copy is refused.
Admission::Decision Admission::submit_copies(Submission submission, std::string_view source,
                                             Now now, const Submitter& by) {
    const Token* above = tokens_.source_above(tokens_.at(tokens_.routes_of(source).front()));
    if (above != nullptr) {
        if (auto refused = refuse_user(*above, by, now)) return std::move(*refused);
    }
    const auto slots = tokens_.resolve_routes(source);
    if (slots.has_error()) return rejected(slots.error(), source, by.producer, now.mono);
    for (const TokenId slot : *slots) {
        if (auto refused = refuse_user(tokens_.at(slot), by, now)) return std::move(*refused);
    }

    struct Copy {
        TokenId slot;
        Submission::Contents contents;
        bool is_known = false;
        std::optional<FilterList> filtered{};
    };
    std::vector<Copy> copies;
    for (const TokenId slot : *slots) {
        const Token& token = tokens_.at(slot);
        auto contents = submission.copy().complete(tokens_.defaults_of(token));
        if (auto refused = refuse_contents(contents, token, by, now)) {
            return of_copy(std::move(*refused), token, copies.empty());
        }
        Copy& copy = copies.emplace_back(slot, std::move(*contents));
        const std::string& uuid = copy.contents.uuid;
        copy.is_known = !uuid.empty() && dedup_.contains(slot, uuid, now.wall);
        if (copy.is_known) continue;
        if (const KnownFilter& filter = token.filter()) {
            copy.filtered = refused_by(*filter, copy.contents.body, copy.contents.thread);
        }
        if (!copy.filtered && at_quota(slot)) return refuse_over_quota(slot, now, by.producer);
    }

    const bool own_id = !copies.front().contents.uuid.empty();
    const std::string id = own_id ? std::move(copies.front().contents.uuid) : ids_.next(now.wall);
    Copies left;
    for (Copy& copy : copies) {
        if (copy.is_known) {
            ++counters_.duplicates;
            left.duplicates.push_back({copy.slot, id, forgotten_failures_ + failed_ids_.size()});
        } else if (copy.filtered) {
            filter_out(copy.slot, *copy.filtered, id, now);
        } else {
            left.appends.push_back(
                make_append(copy.slot, std::move(copy.contents), id, own_id, by, now));
        }
    }
    if (left.appends.size() + left.duplicates.size() > 1) return left;
    if (!left.appends.empty()) return std::move(left.appends.front());
    if (!left.duplicates.empty()) return std::move(left.duplicates.front());
    return Filtered{id};
}

std::optional<Rejection> Admission::refuse_user(const Token& token, const Submitter& by, Now now) {
    if (token.rules.allow.admits(by)) return std::nullopt;
    const std::string label = token.label();
    return rejected({RejectCode::not_allowed,
                     fmt::format("this user may not use source \"{}\" (sources.allow)", label),
                     {},
                     {}},
                    label, by.producer, now.mono);
}

std::optional<Rejection> Admission::refuse_contents(
    const boost::system::result<Submission::Contents, Rejection>& contents, const Token& token,
    const Submitter& by, Now now) {
    if (contents.has_error()) {
        return rejected(contents.error(), label_of(token), by.producer, now.mono);
    }
    if (options_.max_event_size != 0 && contents->body.size() > options_.max_event_size) {
        return rejected(too_large(token, contents->body.size(), options_.max_event_size),
                        label_of(token), by.producer, now.mono);
    }
    return std::nullopt;
}

/// `slot`: one that is to take the event. Its id counts as known at once, so that it is recognised
/// later in the same batch.
Admission::Append Admission::make_append(TokenId slot, Submission::Contents&& contents,
                                         std::string id, bool own_id, const Submitter& by,
                                         Now now) {
    note_below_quota(slot);
    Append append;
    EventRecord& record = append.record;
    if (own_id) dedup_.remember(slot, id, now.wall);
    record.own_id = own_id;
    record.token = slot;
    record.thread_hash = hash_thread(contents.thread);
    record.accepted = now.wall;
    if (contents.expires_in) record.expires = now.wall + *contents.expires_in;
    record.id = std::move(id);
    record.thread = std::move(contents.thread);
    record.body = std::move(contents.body);
    record.producer = by.producer;
    if (!tokens_.use(slot).durable) append.new_token = carry_entry(slot, record.id);
    ++uncommitted_[slot];
    return append;
}

// The id is not remembered for deduplication: the filter may be another one when it comes again.
void Admission::filter_out(TokenId token, FilterList list, std::string_view id, Now now) {
    ++counters_.filtered;
    reporting_.filtered(
        {token, History::hash_of(id), now.wall, tokens_.use_filter(token).filter(), list});
}

Rejection Admission::refuse_new_token(Now now, const std::optional<Producer>& by) {
    return rejected({RejectCode::too_many_tokens,
                     fmt::format("{} tokens that belong to no source are in use, as many as "
                                 "ingest.max_unknown_tokens allows, and this one is new: hand the "
                                 "event in again later; an operator can add its token as a source "
                                 "(`flowrelay source add`) or raise that limit",
                                 tokens_.direct()),
                     {},
                     Milliseconds(5000)},
                    {}, by, now.mono);
}

bool Admission::at_quota(TokenId token) const {
    return options_.max_events_per_token != 0 &&
           counted_for_quota(token) >= options_.max_events_per_token;
}

std::uint64_t Admission::counted_for_quota(TokenId token) const {
    const auto waiting = uncommitted_.find(token);
    return active_.queued(token) + (waiting == uncommitted_.end() ? 0 : waiting->second);
}

// One line when it begins, and one an hour while it lasts.
Rejection Admission::refuse_over_quota(TokenId token, Now now, const std::optional<Producer>& by) {
    const std::string label = tokens_.at(token).label();
    const std::string whose = tokens_.at(token).is_source() ? fmt::format("source \"{}\"", label)
                                                            : std::string("this token");
    const auto [reminder, begins] = over_quota_.try_emplace(token, now.mono);
    if (begins || now.mono >= reminder->second) {
        reminder->second = now.mono + Seconds(3600);
        log_.write(ev::token_queue_full, {{"source", label},
                                          {"queued", counted_for_quota(token)},
                                          {"limit", options_.max_events_per_token}});
    }
    return rejected({RejectCode::token_queue_full,
                     fmt::format("as many events are queued for {} as spool.max_events_per_token "
                                 "allows: nothing was lost, hand the event in again later",
                                 whose),
                     {},
                     Milliseconds(5000)},
                    label, by, now.mono);
}

void Admission::note_below_quota(TokenId token) {
    if (over_quota_.empty() || over_quota_.erase(token) == 0) return;
    log_.write(ev::token_has_room, {{"source", tokens_.at(token).label()}});
}

void Admission::forget(TokenId token) {
    assert(!has_uncommitted(token));
    carried_.erase(token);
    over_quota_.erase(token);
}

void Admission::no_longer_uncommitted(TokenId token) {
    if (uncommitted_.empty()) return;
    const auto waiting = uncommitted_.find(token);
    if (waiting != uncommitted_.end() && --waiting->second == 0) uncommitted_.erase(waiting);
}

/// Of several events that bring the same entry along the first one tells that it is durable.
TokenEntry Admission::carry_entry(TokenId token, const std::string& event_id) {
    TokenEntry entry = tokens_.registry_entry(token);
    const auto [carried, first] = carried_.try_emplace(token, Carried{event_id, entry});
    if (!first && carried->second.entry != entry) carried->second = {event_id, entry};
    return entry;
}

void Admission::entry_arrived(const EventRecord& record) {
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
    if (destination_.scheduler().token_status(record.token).state == TokenState::paused) {
        lifecycle_.apply_state(record.token);
    }
}

bool Admission::committed(const EventRecord& record, Seq seq) {
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

void Admission::copy_failed(const EventRecord& record) {
    no_longer_uncommitted(record.token);
    const auto carried = carried_.find(record.token);
    if (carried != carried_.end() && carried->second.event_id == record.id) {
        carried->second.event_id.clear();
    }
    if (!record.own_id) return;
    dedup_.forget(record.token, record.id);
    failed_ids_.emplace_back(record.token, hash_thread(record.id));
    if (failed_ids_.size() > max_failed_ids) {
        failed_ids_.pop_front();
        ++forgotten_failures_;
    }
}

Rejection Admission::commit_failed(const EventRecord& record, bool full) {
    copy_failed(record);
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
bool Admission::confirm(const Duplicate& duplicate, Now now) {
    if (duplicate.failures < forgotten_failures_) return false;
    const auto since = static_cast<std::ptrdiff_t>(duplicate.failures - forgotten_failures_);
    const std::pair id(duplicate.token, hash_thread(duplicate.id));
    const bool failed =
        std::find(failed_ids_.begin() + since, failed_ids_.end(), id) != failed_ids_.end();
    return !failed && dedup_.contains(duplicate.token, duplicate.id, now.wall);
}

}  // namespace flowrelay::core
