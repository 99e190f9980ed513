// The model's view of operators' actions, and of problem reports to the flow.
#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "model.hpp"

namespace flowrelay::test {

const Model::Event* Model::find(Seq seq) const {
    for (const auto& [number, event] : events_) {
        if (event.seq == seq) return &event;
    }
    return nullptr;
}

Model::Event* Model::find(Seq seq) {
    return const_cast<Event*>(std::as_const(*this).find(seq));
}

void Model::queue_again(Event& event) {
    event.last = Last::none;
    event.expires = WallTime::max();
    if (!is_erased(event)) pending_[lane_of(event)][event.seq] = event.number;
}

void Model::may_be_replayed(const std::vector<Seq>& letters) {
    asked_to_replay_.insert(letters.begin(), letters.end());
}

void Model::replayed(Seq seq) {
    Event* event = find(seq);
    if (event == nullptr) return;
    has_to_go_back_.erase(seq);
    event->dropping_letter = false;  // it still existed, so the drop failed
    queue_again(*event);
    waits_.replayed(seq, lane_of(*event));
    const auto turn = assigned_.find(lane_of(*event));
    if (turn != assigned_.end()) event->may_be_overtaken_by = turn->second;
}

// ---------------------------------------------------------------- drop

bool Model::drop_begins(Seq seq, bool is_letter) {
    Event* event = find(seq);
    if (event == nullptr || event->dropping) return false;
    has_to_go_back_.erase(seq);
    (is_letter ? event->dropping_letter : event->dropping) = true;
    if (!is_letter) waits_.dropped(seq, lane_of(*event));
    return true;
}

void Model::drop_ends(Seq seq, Drop how, Now now) {
    Event* event = find(seq);
    if (event == nullptr || how == Drop::failed) return;
    // Its death may not be in the log, which has failed; then a start queues it again.
    if (event->dropping_letter && how == Drop::done && disk_in_trouble_) return;
    event->dropping = event->dropping_letter = false;
    if (how == Drop::refused) return;
    event->last = Last::dropped;
    event->told_at = now.mono;
    pending_[lane_of(*event)].erase(seq);
    waits_.dropped(seq, lane_of(*event));
    ++dropped_;
}

// Determines at a start whether an event that was being dropped still exists.
void Model::settle_drop(Event& event, bool is_there) {
    const bool dropping = event.dropping || event.dropping_letter;
    event.dropping = event.dropping_letter = false;
    // An event that was delivered before, perhaps after a replay, could not be dropped.
    if (!dropping || is_there || event.last == Last::delivered) return;
    event.last = Last::dropped;
    ++(is_erased(event) ? dropped_or_erased_ : dropped_);
}

bool Model::is_unsure_of_a_drop() const {
    return std::ranges::any_of(events_, [](const auto& item) {
        return item.second.dropping || item.second.dropping_letter;
    });
}

// ---------------------------------------------------------------- hold

void Model::retried(Seq seq, Now now) {
    const Event* of = find(seq);
    if (of == nullptr) return;
    waits_.tried_now(lane_of(*of), assigned_.contains(lane_of(*of)), now);
    for (const auto& [other, number] : pending_[lane_of(*of)]) {
        Event& event = events_.at(number);
        if (event.last == Last::held) event.last = Last::unsettled;
    }
}

bool Model::is_held(const Event& event) const {
    return event.last == Last::held && event.last_life == life_;
}

bool Model::has_died(const Head& head) const {
    const auto event = std::ranges::find_if(died_, [&](const auto& lane) {
        return find(head.seq) && lane.first == lane_of(*find(head.seq));
    });
    return event != died_.end() && !event->second.empty();
}

bool Model::has_held(const Head& head) const {
    for (const auto& [lane, events] : pending_) {
        if (!events.contains(head.seq)) continue;
        return std::ranges::any_of(events, [&](const auto& item) {
            const Event& event = events_.at(item.second);
            return is_held(event) || event.last == Last::no_room;
        });
    }
    return false;
}

bool Model::may_wait(const Head& head, MonoTime until) const {
    const Event* event = find(head.seq);
    return event != nullptr && waits_.may_wait(lane_of(*event), until);
}

std::vector<Seq> Model::held() const {
    std::vector<Seq> held;
    for (const Seq seq : queued()) {
        const auto is_it = [&](const auto& item) {
            return item.second.seq == seq && is_held(item.second);
        };
        if (std::ranges::any_of(events_, is_it)) held.push_back(seq);
    }
    return held;
}

std::vector<Seq> Model::queued() const {
    std::vector<Seq> seqs;
    for (const auto& [lane, events] : pending_) {
        for (const auto& [seq, number] : events) seqs.push_back(seq);
    }
    return seqs;
}

std::vector<Seq> Model::under_way() const {
    std::vector<Seq> seqs;
    for (const auto& [lane, seq] : assigned_) seqs.push_back(seq);
    return seqs;
}

// ---------------------------------------------------------------- pause, 410 taken back

void Model::reloaded(Now now) {
    waits_.destination_tried_now(now);
    rows_.forget_all();
    for (std::size_t slot = 0; slot < slots_.all().size(); ++slot) {
        if (is_paused(slot) || is_gone(slot) || !slots_.at(slot).is.known) continue;
        slots_.resumed(slot);
        waits_.resumed(slot);
    }
}

// ---------------------------------------------------------------- another token, another URL

void Model::moved() {
    reported_at_.clear();
    rows_.forget_all();
    waits_.redirected();
}

bool Model::is_outdated(std::uint64_t number) {
    const Event& event = at(number);
    return event.token != slots_.at(event.slot).is.token || event.moves != setup_.moves();
}

// Only a 2xx counts: other answers cause no wait, no refusal and no gone token.
void Model::answered_to_former(Event& event, const core::AttemptResult& result) {
    ++outdated_;
    waits_.withdrawn(event.seq, lane_of(event));
    event.last = Last::unsettled;
    if (core::judge(result, Seconds(1)).verdict != core::Verdict::delivered) return;
    event.last = Last::delivered;
    pending_[lane_of(event)].erase(event.seq);
}

std::uint64_t Model::pause_begins(std::size_t slot, bool paused) {
    pauses_[slot] = Pause{paused, std::nullopt, ++pause_changes_};
    if (!paused) {
        rows_.forget(slot);
        slots_.resumed(slot);
        waits_.resumed(slot);
    }
    return pause_changes_;
}

// The pause no longer exists if the token is gone, and is a different one if it was changed again.
void Model::pause_saved(std::size_t slot, std::uint64_t change) {
    const auto pause = pauses_.find(slot);
    if (pause == pauses_.end() || pause->second.change != change) return;
    pause->second.saved = pause->second.now;
}

bool Model::is_paused(std::size_t slot) const {
    const auto pause = pauses_.find(slot);
    return pause != pauses_.end() && pause->second.now;
}

void Model::check_paused(const FoundStates& found) {
    for (const auto& [slot, pause] : std::exchange(pauses_, {})) {
        if (found.gone.contains(slot) || !pause.saved) continue;
        if (*pause.saved != found.paused.contains(slot)) {
            violation(fmt::format("slot {} is {} after a start", slot,
                                  *pause.saved ? "not paused any more" : "paused again"));
        }
    }
    for (const std::size_t slot : found.paused) pauses_[slot] = Pause{true, true};
}

void Model::enabled(std::size_t slot) {
    const auto gone = told_gone_.find(slot);
    if (gone == told_gone_.end() || gone->second.removed) {
        violation(fmt::format("slot {} could be enabled without a 410", slot));
        return;
    }
    slots_.set_gone(slot, false);
    ++enables_;
    enabled_[slot] = gone->second;
    told_gone_.erase(gone);
    durably_gone_.erase(slot);
    pauses_[slot] = Pause{false, std::nullopt};
    for (auto& [number, event] : events_) {
        if (event.slot != slot || event.seq == Seq::none || is_final(event)) continue;
        event.last = Last::unsettled;
        event.dropping = false;  // the drop failed: the event is on the disk and queued again
        pending_[lane_of(event)][event.seq] = number;
    }
}

void Model::gone(std::size_t slot, Now now) {
    const auto before = enabled_.find(slot);
    const Now on_disk_since = before == enabled_.end() ? now : before->second.on_disk_since;
    told_gone_.try_emplace(slot, Gone{life_, now, on_disk_since});
    enabled_.erase(slot);
    slots_.set_gone(slot, true);
    leave(slot);
}

// No event of the slot is posted any more.
void Model::leave(std::size_t slot) {
    pauses_.erase(slot);
    rows_.forget(slot);
    std::erase_if(pending_, [&](const auto& lane) { return lane.first.first == slot; });
}

void Model::check_gone(std::size_t slot, const std::string& what) {
    const auto gone = told_gone_.find(slot);
    if (durably_gone_.contains(slot) || (gone != told_gone_.end() && gone->second.life == life_)) {
        violation(what + " is posted though its token is gone");
    }
}

// ---------------------------------------------------------------- the flow

std::size_t Model::reported(std::string_view body, Now now) {
    constexpr std::string_view before = R"({"flow_token":"s3cret-)";
    std::size_t token = 0;
    ++reports_;
    if (!body.starts_with(before)) violation("a report without a token");
    std::from_chars(body.data() + before.size(), body.data() + body.size(), token);
    const auto slot = slots_.of_token(token);
    // A source's problem is cleared also after the source was removed from the configuration and
    // added by an operator.
    const bool takes_back = body.find(R"("error_message":"")") != std::string_view::npos;
    if (!slot || !slots_.at(*slot).is_source() ||
        (slots_.at(*slot).is.kind != Slots::Kind::configured && !takes_back)) {
        violation(fmt::format("a report with token {}, which no source has: {}", token, body));
        return token;
    }
    check_gone(*slot, "a report");
    if (waits_.destination_closed())
        violation("a report while the destination is to be left alone");
    if (is_paused(*slot)) violation(fmt::format("a report of slot {}, which is paused", *slot));
    const auto message = body.substr(body.find("error_message"));
    for (const std::string_view secret : {"s3cret", "mark-of", "Validation", "is bad"}) {
        if (message.find(secret) == std::string_view::npos) continue;
        violation(fmt::format("a report says too much: {}", message));
    }
    const auto [last, first] = reported_at_.try_emplace(*slot, now.wall);
    if (!first && now.wall - last->second < Seconds(60)) {
        violation(fmt::format("two reports of slot {} within a minute", *slot));
    }
    last->second = now.wall;
    return token;
}

std::optional<std::size_t> Model::asked_for(std::size_t token) {
    ++checks_;
    const auto slot = slots_.of_token(token);
    if (!slot || !slots_.at(*slot).is_source()) {
        violation(fmt::format("token {}, which no source has, is asked for", token));
        return std::nullopt;
    }
    check_gone(*slot, "a question");
    if (waits_.destination_closed())
        violation("a question while the destination is to be left alone");
    if (is_paused(*slot)) violation(fmt::format("slot {}, which is paused, is asked for", *slot));
    return slot;
}

void Model::found_gone(std::size_t slot, Now now) {
    ++found_gone_;
    gone(slot, now);
    waits_.removed(slot);
}

}  // namespace flowrelay::test
