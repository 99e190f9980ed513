#include "model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace flowrelay::test {

void Model::violation(std::string what) {
    violations_.push_back(std::move(what));
}

std::string Model::name(const Event& event) const {
    return fmt::format("event {} (seq {}, slot {}, thread {}, life {})", event.handed.number,
                       to_number(event.seq), event.slot, event.handed.thread, life_);
}

Model::Event& Model::at(std::uint64_t number) {
    const auto found = events_.find(number);
    if (found == events_.end()) {
        violation(fmt::format("event {} was never handed in", number));
        return events_[number];
    }
    return found->second;
}

// ---------------------------------------------------------------- producers

std::vector<std::uint64_t> Model::handed_in(const HandedIn& handed, Now now) {
    std::vector<std::uint64_t> copies;
    for (const std::size_t slot : slots_named(handed.to)) {
        const std::uint64_t number = copies.emplace_back(copy_number(handed.number, slot));
        Event& event = events_[number];
        event.number = number;
        event.slot = slot;
        event.handed = handed;
        copy_handed_in(event, now);
    }
    return copies;
}

void Model::copy_handed_in(Event& event, Now now) {
    const HandedIn& handed = event.handed;
    ++event.times_handed_in;
    event.may_pass |= passes(event.number);
    const bool is_settled = event.accepted && !event.forgotten;
    event.was_in_doubt = event.in_doubt;
    if (is_settled) return;
    event.in_doubt = true;
    event.may_expire.insert(handed.expires_in ? now.wall + *handed.expires_in : WallTime::max());
    event.not_before =
        std::min(event.not_before, now.mono + handed.expires_in.value_or(std::chrono::days(5)));
    if (!event.accepted && !event.was_in_doubt) event.handed_at = now.mono;
}

// Of several copies, the answer does not say which of them were known.
void Model::accepted(const std::vector<Copy>& copies, const std::string& id, bool duplicate) {
    const bool is_one = copies.size() == 1;
    std::size_t stored = 0;
    std::size_t known = 0;
    for (const Copy& copy : copies) {
        Event& event = at(copy.number);
        if (!copy.passes && !is_one) {
            event.change = 0;
            event.in_doubt = event.was_in_doubt;
            continue;
        }
        if (!copy.passes && !duplicate) violation(name(event) + " was stored against the filter");
        ++stored;
        known += copy_accepted(event, id, duplicate || !is_one) ? 1 : 0;
    }
    if (stored == 0 && !duplicate) violation("an event was accepted that no filter lets pass");
    if (stored > 0 && known == stored && !duplicate) {
        violation(name(at(copies.front().number)) + " was accepted twice");
    }
    several_ += stored > 1 ? 1 : 0;
    completed_ += known > 0 && known < stored ? 1 : 0;
}

/// Returns whether the copy had been accepted before.
bool Model::copy_accepted(Event& event, const std::string& id, bool may_be_known) {
    // If the erasure was interrupted, the id may be known for longer than the event was kept.
    if (event.erased && may_be_known) return false;
    if (event.seq == Seq::none) {
        violation(name(event) + " was accepted and is not durable");
    }
    if (!event.id.empty() && event.id != id) violation(name(event) + " has got another id");
    const bool was_accepted = event.accepted;
    if (!was_accepted) ++accepted_;
    event.accepted = true;
    event.in_doubt = false;
    event.id = id;
    return was_accepted;
}

void Model::rejected(std::uint64_t number, core::RejectCode code) {
    Event& event = at(number);
    const Slots::Slot& slot = slots_.at(event.slot);
    const bool by_name = !event.handed.to.name.empty();
    if (code == core::RejectCode::unknown_source && slot.is_source() && by_name) {
        violation(name(event) + " is refused though its source is known");
    }
    if (code == core::RejectCode::token_gone && !slot.gone) {
        violation(name(event) + " is refused though its token is not gone");
    }
    if (code == core::RejectCode::too_many_tokens && (by_name || slot.exists)) {
        violation(name(event) + " is refused though its token is known");
    }
    event.change = 0;
    const bool failed = code == core::RejectCode::storage_failed;
    // After a failed sync the event may be found at the next start.
    if (!failed && event.seq == Seq::none && event.times_handed_in == 1) event.in_doubt = false;
}

bool Model::passes(std::uint64_t number) const {
    const auto slot = slot_of(number);
    return !slot || lets_pass(filter_of(*slot), event_number(number));
}

// It was answered at once, and what was said of it before stays as it was.
void Model::filtered(const Copy& copy) {
    ++filtered_;
    Event& event = at(copy.number);
    if (copy.passes) violation(name(event) + " is filtered, and there is no such filter");
    const bool is_known =
        event.accepted && !event.handed.uuid.empty() && !event.id_lost && !event.forgotten;
    if (is_known && !event.erased) violation(name(event) + " is filtered, and was accepted before");
    event.in_doubt = event.was_in_doubt;
}

void Model::set_expiry(Event& event, WallTime when) {
    if (!event.may_expire.contains(when)) {
        violation(name(event) + " expires " + format_time(when) + ", which nobody asked for");
    }
    event.expires = when;
}

void Model::expires(Seq seq, Now now) {
    const Event* event = find(seq);
    if (event == nullptr || event->not_before <= now.mono + Milliseconds(1)) return;
    violation(name(*event) + " expires before its time has passed");
}

void Model::durable(std::uint64_t number, Seq seq, WallTime expires) {
    Event& event = at(number);
    set_expiry(event, expires);
    if (std::exchange(event.forgotten, false)) {
        event.seq = Seq::none;
        event.accepted = false;
        event.last = Last::none;
    }
    if (event.seq != Seq::none) violation(name(event) + " was stored twice");
    if (!event.may_pass) violation(name(event) + " was stored against the filter");
    event.seq = seq;
    event.erased = false;
    const bool wakes = slots_.durable(event.slot, event.change);
    if (wakes && !is_paused(event.slot)) waits_.resumed(event.slot);
    if (const auto id = slots_.at(event.slot).id) slots_.brought(*id, event.change);
    event.change = 0;
    if (!is_erased(event)) pending_[lane_of(event)][seq] = number;
}

// ---------------------------------------------------------------- the server

void Model::check_order(const Event& event, Now now) {
    const auto& lane = pending_[lane_of(event)];
    if (!lane.contains(event.seq)) violation(name(event) + " is posted though it is settled");
    for (const auto& [seq, number] : lane) {
        if (seq >= event.seq) break;
        if (events_.at(number).may_be_overtaken_by == event.seq) continue;
        if (events_.at(number).dropping) continue;
        // Over its age: it may have become a dead letter.
        if (events_.at(number).expires > now.wall) {
            violation(name(event) + " overtakes " + name(events_.at(number)) + ", which expires " +
                      format_time(events_.at(number).expires));
        }
    }
}

// An event that was refused permanently must not return after later events of its lane were posted.
void Model::note_overtaken(const Event& by) {
    for (const std::uint64_t number : died_[lane_of(by)]) {
        Event& event = events_.at(number);
        if (event.seq < by.seq && event.last == Last::rejected) event.overtaken = true;
    }
}

std::vector<Model::Head> Model::heads(Now now) const {
    std::vector<Head> heads;
    for (const auto& [lane, events] : pending_) {
        const auto head = std::ranges::find_if(events, [&](const auto& item) {
            const Event& event = events_.at(item.second);
            return !event.dropping && event.expires > now.wall + Milliseconds(1);
        });
        if (head == events.end() || in_flight_.contains(lane)) continue;
        heads.push_back({head->first, lane.first});
    }
    return heads;
}

void Model::assigned(Seq seq, Now now) {
    const Event* event = find(seq);
    if (event == nullptr) return;
    assigned_[lane_of(*event)] = seq;
    waits_.began(seq, lane_of(*event), now);
}

void Model::unassigned(Seq seq) {
    if (const Event* event = find(seq)) assigned_.erase(lane_of(*event));
}

void Model::not_posted(Seq seq, Now now) {
    if (const Event* event = find(seq)) waits_.cancelled(seq, lane_of(*event), now);
}

void Model::withdrawn(Seq seq) {
    if (const Event* event = find(seq)) waits_.withdrawn(seq, lane_of(*event));
}

void Model::requested(const PostedEvent& post, Seq seq, Now now) {
    ++requests_;
    const std::uint64_t number = find(seq) == nullptr ? 0 : find(seq)->number;
    Event& event = at(number);
    if (event.handed.number != post.number) violation(name(event) + " is posted as another event");
    const Slots::Slot& slot = slots_.at(event.slot);
    if (!slot.tokens.contains(post.token)) {
        violation(fmt::format("{} is posted with token {}, which nobody has named its successor",
                              name(event), post.token));
    } else if (post.token != slot.is.token) {
        violation(name(event) + " is posted with the token before the rotation");
    }
    if (post.thread != event.handed.thread) {
        violation(name(event) + " is posted with another thread");
    }
    if (seq != event.seq) violation(name(event) + " has got another place");
    if (event.id.empty()) event.id = post.id;  // the producer has no answer yet
    if (post.id != event.id) violation(name(event) + " is posted with another id");

    check_gone(event.slot, name(event));
    if (!slot.is.known) {
        violation(name(event) + " is posted though its source is not configured");
    }
    event.token = post.token;
    event.moves = setup_.moves();
    if (is_paused(event.slot)) {
        violation(name(event) + " is posted though its token is paused");
    }
    if (event.dropping) violation(name(event) + " is posted while it is dropped");
    if (event.last == Last::held && event.last_life == life_) {
        violation(name(event) + " is posted though nobody has decided");
    }
    if (event.processed > 0) ++repeats_;
    if (is_final(event) && event.last_life == life_) {
        violation(name(event) + " is posted again without need");
    }
    const auto [busy, alone] = in_flight_.emplace(lane_of(event), number);
    if (!alone) {
        violation(name(event) + " is posted while " + name(at(busy->second)) + " is in flight");
    }
    check_order(event, now);
    note_overtaken(event);
    event.last = Last::open;
    event.last_life = life_;
}

void Model::answered(std::uint64_t number, const Server::Reply& reply, Seen seen, Now now) {
    Event& event = at(number);
    in_flight_.erase(lane_of(event));
    event.told_at = now.mono;
    if (is_outdated(number)) {
        answered_to_former(event, reply.result);
        return;
    }
    const core::AttemptResult result = seen_in_its_row(event, reply.result, seen);
    waits_.answered(event.seq, lane_of(event), result,
                    {is_erased(event), seen.others_queued, seen.of_all}, now);
    switch (core::judge(result, Seconds(1), true).verdict) {
        case core::Verdict::delivered:
            event.last = Last::delivered;
            pending_[lane_of(event)].erase(event.seq);
            break;
        case core::Verdict::rejected:
            if (is_erased(event)) {  // or it returns if an operator enables the token
                event.last = Last::unsettled;
            } else if (holds(event.slot)) {
                event.last = Last::held;
                ++holds_;
            } else {
                event.last = Last::rejected;
                event.overtaken = false;
                died_[lane_of(event)].insert(number);
                pending_[lane_of(event)].erase(event.seq);
            }
            break;
        case core::Verdict::gone:
            event.last = Last::gone;
            gone(event.slot, now);
            break;
        default:
            event.last = Last::unsettled;
    }
}

core::AttemptResult Model::seen_in_its_row(Event& event, const core::AttemptResult& result,
                                           Seen& seen) {
    const auto verdict = core::judge(result, Seconds(1), true).verdict;
    if (is_erased(event)) return result;
    if (verdict == core::Verdict::delivered) rows_.delivered(event.slot);
    if (verdict != core::Verdict::rejected) return result;
    if (result.status == refuse_all_status) event.refused_with_all = true;
    const auto found = rows_.refused(event.slot, seen.thread, event.seq, seen.threads);
    if (found.whose == RefusedRows::Whose::event) return result;
    for (const Seq seq : found.go_back) {
        Event* before = find(seq);
        if (before == nullptr) continue;
        if (before->last == Last::held || before->last == Last::no_room) {
            before->last = Last::unsettled;
        } else if (before->last == Last::rejected) {
            has_to_go_back_.insert(seq);
        }
    }
    ++refused_rows_;
    seen.of_all = found.whose == RefusedRows::Whose::destination;
    core::AttemptResult as_if = result;
    as_if.status = seen.of_all ? 404 : 401;
    return as_if;
}

// The number of events that were refused, or are old enough to expire, must reach the limit of
// letters.
void Model::found_no_room(std::uint64_t number) {
    Event& event = at(number);
    if (event.last != Last::rejected) return;
    event.last = Last::no_room;
    pending_[lane_of(event)][event.seq] = number;
    ++no_rooms_;
    const auto dead = std::ranges::count_if(events_, [](const auto& item) {
        const Event& other = item.second;
        return is_unacceptable(event_number(item.first)) || other.refused_with_all ||
               other.expires != WallTime::max();
    });
    const bool may_be_full = static_cast<std::uint64_t>(dead) > letter_limits_.max_events ||
                             letter_limits_.max_bytes < 10'000;
    if (!may_be_full) violation(name(event) + " found no room among the dead letters");
}

void Model::processed(std::uint64_t number) {
    ++at(number).processed;
}

void Model::given_up(std::uint64_t number) {
    Event& event = at(number);
    in_flight_.erase(lane_of(event));
    event.last = Last::unsettled;
}

// ---------------------------------------------------------------- processes

void Model::ended(Now now) {
    ended_at_ = now;
    in_flight_.clear();
    died_.clear();
    assigned_.clear();
    reported_at_.clear();
    rows_.forget_all();
    has_to_go_back_.clear();
    waits_.process_ended(now, disk_in_trouble_);
    for (auto& [number, event] : events_) {
        event.may_be_overtaken_by = Seq::none;
        event.change = 0;
    }
}

void Model::started(const Found& found, Now now) {
    ++life_;
    pending_.clear();
    const FoundStates states = slots_found(found);
    gone_found(states);
    check_paused(states);
    std::set<std::uint64_t> there;
    for (const auto& queued : found.queued) {
        const std::uint64_t number = copy_in(queued.number, queued.slot);
        Event& event = at(number);
        there.insert(number);
        if (event.seq != Seq::none && event.seq != queued.seq) {
            violation(name(event) + fmt::format(" came back as {}", to_number(queued.seq)));
        }
        if (!event.accepted && !event.in_doubt) {
            violation(name(event) + " is there though it was refused");
        }
        const bool told_long_ago =
            is_final(event) && !disk_in_trouble_ && event.told_at + durable_after < ended_at_.mono;
        const bool dropped = event.last == Last::dropped;
        if (told_long_ago || dropped) violation(name(event) + " came back though it was settled");
        if (event.last == Last::rejected && event.overtaken) {
            violation(name(event) + " came back behind events of its thread");
        }
        settle_drop(event, true);
        event.seq = queued.seq;
        event.erased = false;
        event.id = queued.id;
        set_expiry(event, queued.expires);
        // Whether or not the producer was told, the event exists and must be settled.
        event.accepted = true;
        event.in_doubt = false;
        event.last = Last::none;
        if (!is_erased(event)) pending_[lane_of(event)][event.seq] = number;
    }
    std::set<Seq> letters;
    for (const auto& letter : found.letters) {
        letters.insert(letter.seq);
        Event* event = find(letter.seq);
        if (event == nullptr || there.contains(event->number)) continue;
        const bool told_long_ago = event->last == Last::delivered && !disk_in_trouble_ &&
                                   event->told_at + durable_after < ended_at_.mono;
        if (told_long_ago || event->last == Last::dropped) {
            violation(name(*event) + " was settled and is a dead letter");
        }
        settle_drop(*event, true);
        if (!letter.replayed) continue;
        if (!asked_to_replay_.contains(letter.seq)) {
            violation(name(*event) + " is replayed without being asked for");
        }
        queue_again(*event);
    }
    for (auto& [number, event] : events_) {
        if (there.contains(number)) continue;
        // A copy of an event that was refused, because another one could not be stored.
        if (event.seq != Seq::none) event.accepted = true;
        if (!event.accepted) continue;
        if (!letters.contains(event.seq)) settle_drop(event, false);
        const bool settled = event.last == Last::delivered || event.last == Last::dropped ||
                             letters.contains(event.seq);
        if (settled) {
            event.forgotten |= !letters.contains(event.seq) && may_be_erased(event);
            continue;
        }
        if (!is_erased(event)) violation(name(event) + " is lost");
        settle_erasure(event);
    }
    check_letters(found, false);

    check_books(found);
    waits_.process_started(states.gone, now);
    configured();
    disk_in_trouble_ = false;
}

// Returns whether the token's grace has passed, so that its events may be erased, partly if the
// erasure was interrupted.
bool Model::may_be_erased(const Event& event) const {
    const auto gone = told_gone_.find(event.slot);
    if (gone == told_gone_.end()) return false;
    if (gone->second.removed) return true;
    return gone->second.on_disk_since.mono + gone_grace_ <= ended_at_.mono + Milliseconds(1);
}

// Events of a gone token that a start does not find were erased, so the grace must have passed.
// They stay erased even if the grace begins again (the timeline may have gone back) and an operator
// enables the token.
void Model::settle_erasure(Event& event) {
    if (!is_erased(event)) return;
    if (!may_be_erased(event)) {
        violation(name(event) + " was erased before the grace had passed");
    }
    event.erased = true;
    event.seq = Seq::none;
    event.accepted = false;
    event.in_doubt = true;
    event.last = Last::none;
}

void Model::check_letters(const Found& found, bool at_the_end) {
    std::map<Seq, const core::DeadLetter*> letters;
    for (const auto& letter : found.letters) letters[letter.seq] = &letter;
    const auto kept = std::ranges::count(found.letters, false, &core::DeadLetter::replayed);
    if (static_cast<std::uint64_t>(kept) > letter_limits_.max_events) {
        violation(fmt::format("there are {} dead letters", kept));
    }
    std::set<Seq> queued;
    for (const auto& event : found.queued) queued.insert(event.seq);
    for (const auto& [number, event] : events_) {
        const auto letter = letters.find(event.seq);
        if (letter == letters.end()) {
            const bool missing = event.last == Last::rejected && !event.dropping_letter &&
                                 !queued.contains(event.seq);
            if (missing && !is_erased(event)) violation(name(event) + " is in no dead letter");
            continue;
        }
        const core::DeadLetter& found_letter = *letter->second;
        if (found_letter.replayed) {  // its outcome is from before the replay
            if (at_the_end) violation(name(event) + " is replayed and still waits");
            continue;
        }
        if (found_letter.outcome == core::Outcome::expired) {
            if (event.expires > found_letter.died) {
                violation(name(event) + " expired too soon, not after " +
                          format_time(event.expires) + ": " + found_letter.event.id);
            }
        } else if (found_letter.status == refuse_all_status) {
            if (!event.refused_with_all) violation(name(event) + " was not refused like that");
        } else if (!is_unacceptable(event_number(number))) {
            violation(name(event) + " died without reason");
        } else if (found_letter.status != 422 || found_letter.attempts == 0 ||
                   found_letter.reason != "Validation error" ||
                   found_letter.server_errors.empty()) {
            violation(name(event) + " has a dead letter that does not say why");
        }
        if (at_the_end && is_erased(event)) violation(name(event) + " left its dead letter");
    }
}

void Model::check_books(const Found& found) {
    const auto& books = found.ledger;
    if (const auto off = books.unaccounted(found.queued.size()); off != 0) {
        violation(fmt::format("{} events are unaccounted for", off));
    }
    if (books.accepted < accepted_) violation("more was accepted than the books say");
    if (books.dropped < dropped_ || books.dropped > dropped_ + dropped_or_erased_) {
        violation(fmt::format("the books say {} dropped, and it were {} to {}", books.dropped,
                              dropped_, dropped_ + dropped_or_erased_));
    }
}

void Model::finished(const Found& found) {
    if (!found.queued.empty()) {
        violation(
            fmt::format("{} events still wait, the first of them {}", found.queued.size(),
                        name(at(copy_in(found.queued.front().number, found.queued.front().slot)))));
    }
    std::set<Seq> letters;
    for (const auto& letter : found.letters) letters.insert(letter.seq);
    for (const auto& [number, event] : events_) {
        const bool is_stored = event.accepted || event.seq != Seq::none;
        if (!is_stored || is_erased(event)) continue;
        if (event.last == Last::dropped) continue;
        if (event.processed == 0 && !letters.contains(event.seq)) {
            violation(name(event) + " reached neither the server nor the dead letters");
        }
    }
    for (const Seq seq : disk_in_trouble_ ? std::set<Seq>() : has_to_go_back_) {
        const Event* event = find(seq);
        if (event != nullptr && !is_erased(*event)) {
            violation(name(*event) + " is a dead letter though everything was refused");
        }
    }
    check_letters(found, true);
    check_books(found);
    const auto& books = found.ledger;
    if (books.dead + books.expired != found.letters.size()) {
        violation(fmt::format("the books say {} dead and {} expired, and there are {} letters",
                              books.dead, books.expired, found.letters.size()));
    }
}

}  // namespace flowrelay::test
