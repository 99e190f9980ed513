// The model's view of names and tokens: the slot of each submitted event, operators' changes to
// slots, and the slots that a start finds.
#include <fmt/format.h>

#include <utility>

#include "model.hpp"

namespace flowrelay::test {

// ---------------------------------------------------------------- producers

// If there is no slot, the relay must refuse the event or create one.
std::vector<std::size_t> Model::slots_named(const Address& to) {
    std::vector<std::size_t> named;
    if (!to.name.empty()) {
        named = slots_.of_event(to.name);
    } else if (const auto slot = slots_.of_token(to.token)) {
        named.push_back(*slot);
    }
    if (named.empty()) named.push_back(slots_.begin(to.token));
    return named;
}

std::vector<std::uint64_t> Model::copies_of(std::uint64_t event) const {
    std::vector<std::uint64_t> copies;
    const auto end = events_.lower_bound(copy_number(event + 1, 0));
    for (auto copy = events_.lower_bound(copy_number(event, 0)); copy != end; ++copy) {
        copies.push_back(copy->first);
    }
    return copies;
}

std::uint64_t Model::copy_in(std::uint64_t event, TokenId slot) const {
    return copy_number(event, slots_.of_id(slot).value_or(slots_.all().size()));
}

void Model::taken(std::uint64_t number) {
    Event& event = at(number);
    if (event.handed.to.name.empty()) slots_.taken(event.slot);
    // A repeated submission does not bring the token while the first one is pending.
    if (event.change == 0) event.change = slots_.change();
}

std::optional<std::size_t> Model::slot_of(std::uint64_t number) const {
    const auto event = events_.find(number);
    return event == events_.end() ? std::nullopt : std::optional(event->second.slot);
}

// ---------------------------------------------------------------- operators

void Model::changed(const Slots::Changes& changes) {
    for (const std::size_t slot : changes.rotated) {
        ++rotations_;
        reported_at_.erase(slot);
        rows_.forget(slot);
        waits_.removed(slot);
    }
    for (const std::size_t slot : changes.sources) reported_at_.erase(slot);
}

bool Model::configured() {
    const std::size_t notes = slots_.notes();
    std::map<std::size_t, std::string> names;
    for (std::size_t slot = 0; slot < slots_.all().size(); ++slot) {
        if (slots_.at(slot).is_source()) names[slot] = slots_.at(slot).is.name;
    }
    changed(slots_.configure(setup_.sources()));
    filters_.clear();
    for (const auto& [source, token] : setup_.sources()) {
        filters_[source] = setup_.filter_of(source);
    }
    for (const auto& [slot, before] : names) {
        if (slots_.at(slot).is.name != before) ++renames_;
    }
    for (std::size_t slot = 0; slot < slots_.all().size(); ++slot) {
        if (slots_.at(slot).is_source() && !holds(slot)) release_held(slot);
    }
    return slots_.notes() != notes;
}

// The slot's source no longer holds rejected events.
void Model::release_held(std::size_t slot) {
    for (auto& [number, event] : events_) {
        if (event.slot == slot && event.last == Last::held) event.last = Last::unsettled;
    }
}

void Model::source_added(const std::string& source, std::size_t token) {
    ++additions_;
    if (!slots_.may_add(source, token)) {
        violation(fmt::format("{} could be added with token {}", source, token));
    }
    const auto changes = slots_.add(source, token);
    changed(changes);
    for (const std::size_t slot : changes.sources) {
        rows_.forget(slot);
        if (!is_paused(slot)) waits_.resumed(slot);
    }
}

void Model::source_rotated(std::size_t slot, std::size_t token) {
    if (!slots_.may_rotate(slot, token)) {
        violation(fmt::format("slot {} could be rotated to token {}", slot, token));
    }
    changed(slots_.rotate(slot, token));
    rows_.forget(slot);
    if (!is_paused(slot)) waits_.resumed(slot);
}

void Model::source_removed(std::size_t slot, Now now) {
    ++removals_;
    Gone& gone = told_gone_.try_emplace(slot, Gone{life_, now, now}).first->second;
    gone.removed = true;
    gone.life = life_;
    enabled_.erase(slot);
    slots_.remove(slot);
    waits_.removed(slot);
    leave(slot);
}

void Model::source_filtered(std::size_t slot, unsigned filter) {
    if (!slots_.may_filter(slot)) violation(fmt::format("slot {} could get a filter", slot));
    slots_.set_filter(slot, filter);
}

unsigned Model::filter_of(std::size_t slot) const {
    const auto& is = slots_.at(slot).is;
    if (is.kind != Slots::Kind::configured) return is.filter;
    const auto found = filters_.find(is.name);
    return found == filters_.end() ? 0 : found->second;
}

void Model::removal_saved(std::size_t slot) {
    const auto gone = told_gone_.find(slot);
    if (gone != told_gone_.end()) gone->second.removal_saved = true;
}

void Model::slots_saved(const std::vector<TokenId>& ids, std::size_t change) {
    for (const TokenId id : ids) slots_.saved(id, change);
}

void Model::ids_lost() {
    for (auto& [number, event] : events_) event.id_lost = true;
}

// Checks what docs/sources.md says about idle slots.
void Model::slot_forgotten(std::size_t number, Milliseconds window, Now now) {
    const Slots::Slot& slot = slots_.at(number);
    ++forgotten_slots_;
    if (slot.is.kind != Slots::Kind::direct || slot.gone || is_paused(number)) {
        violation(fmt::format("slot {} is forgotten, and is not idle", number));
    }
    for (const auto& [of, event] : events_) {
        if (event.slot != number || !event.accepted) continue;
        const auto lane = pending_.find(lane_of(event));
        // An expired event is a dead letter, which may have been dropped since.
        const bool may_be_over = now.mono >= event.not_before;
        if (lane != pending_.end() && lane->second.contains(event.seq) && !may_be_over) {
            violation("the slot is forgotten of " + name(event));
        }
        const bool has_id = !event.handed.uuid.empty() && !event.id_lost && !event.forgotten;
        // An event that was submitted again before its answer counts from the first time.
        if (has_id && event.handed_at + window > now.mono + Seconds(1)) {
            violation("the id is forgotten of " + name(event));
        }
    }
    slots_.forgotten(number);
    rows_.forget(number);
    pauses_.erase(number);
    waits_.forgotten(number);
}

// ---------------------------------------------------------------- a start

Model::FoundStates Model::slots_found(const Found& found) {
    for (auto& wrong : slots_.started(found.slots)) violation(std::move(wrong));
    FoundStates states;
    for (const Slots::Found& slot : found.slots) {
        const auto number = slots_.of_id(slot.id);
        if (!number) continue;
        if (slot.gone) states.gone.insert(*number);
        if (slot.paused) states.paused.insert(*number);
    }
    return states;
}

void Model::gone_found(const FoundStates& found) {
    for (const auto& [slot, gone] : std::exchange(enabled_, {})) {
        if (found.gone.contains(slot)) told_gone_.try_emplace(slot, gone);
    }
    for (auto& [slot, gone] : told_gone_) {
        const bool is_removed = slots_.at(slot).removed;
        if (gone.removal_saved && !is_removed) {
            violation(fmt::format("slot {} was removed, and is back", slot));
        }
        const bool long_ago =
            !disk_in_trouble_ && gone.told_at.mono + durable_after < ended_at_.mono;
        if (long_ago && !found.gone.contains(slot)) {
            violation(fmt::format("slot {} is not gone any more", slot));
        }
        gone.removed = is_removed;
        if (found.gone.contains(slot)) durably_gone_.insert(slot);
    }
    for (const std::size_t slot : found.gone) {
        if (!told_gone_.contains(slot)) {
            violation(fmt::format("slot {} is gone without a 410", slot));
        }
    }
    // Without its entry the token is not known to be gone; the server will answer 410 again.
    std::erase_if(told_gone_, [&](const auto& item) { return !found.gone.contains(item.first); });
}

}  // namespace flowrelay::test
