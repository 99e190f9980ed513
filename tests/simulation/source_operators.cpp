// Operators' changes to sources and tokens, as made by `flowrelay source`, and checks that the
// relay reports the same sources as the model.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flowrelay/base/fingerprint.hpp"
#include "flowrelay/base/number.hpp"
#include "flowrelay/runtime/engine_operations.hpp"
#include "relay_process.hpp"

namespace flowrelay::test {

namespace operations = runtime::operations;

namespace {

using Kind = Slots::Kind;
using Origin = core::TokenEntry::Origin;
using State = core::TokenEntry::State;

Kind kind_of(Origin origin) {
    switch (origin) {
        case Origin::configured:
            return Kind::configured;
        case Origin::added:
            return Kind::added;
        case Origin::left:
            return Kind::left;
        default:
            return Kind::direct;
    }
}

/// Returns the flow's description of a token's source; half of the tokens have one.
core::KnownFlowSource flow_source_of(std::size_t token) {
    if (token % 2 == 0) return {};
    core::FlowSource source;
    source.id = std::to_string(token);
    source.flow = "example/main";
    return source;
}

std::optional<std::size_t> lives_as(const core::TokenEntry& entry) {
    if (!entry.flow_source) return std::nullopt;
    return parse_number<std::size_t>(entry.flow_source->id);
}

unsigned filter_in(const core::KnownFilter& filter) {
    for (unsigned number = 0; number <= filters_there_are; ++number) {
        if (filter == filter_number(number)) return number;
    }
    return filters_there_are + 1;
}

}  // namespace

bool holds_what_is_rejected(const std::string& name) {
    return (name.back() - '0') % 2 == 0;
}

std::vector<Slots::Found> slots_on(const storage::Spool& spool, const Setup& setup) {
    std::map<Fingerprint, std::size_t> tokens;
    for (std::size_t token = 0; token < setup.tokens(); ++token) {
        tokens[fingerprint(secret_of(token), spool.salt())] = token;
    }
    std::vector<Slots::Found> slots;
    for (const auto& entry : spool.entries()) {
        Slots::Found& slot = slots.emplace_back();
        slot.id = entry.id;
        slot.removed = entry.state == State::removed || entry.state == State::forgotten;
        slot.erased = entry.state == State::erased;
        slot.gone = slot.removed || slot.erased || entry.state == State::gone;
        slot.paused = entry.state == State::paused;
        slot.lives_as = lives_as(entry);
        const auto token = tokens.find(entry.fingerprint);
        slot.is = {token == tokens.end() ? setup.tokens() : token->second, entry.source,
                   kind_of(entry.origin), !entry.secret.empty(), filter_in(entry.filter)};
    }
    return slots;
}

// ---------------------------------------------------------------- which slot is which

Fingerprint RelayProcess::print_of(std::size_t token) {
    const auto [print, is_new] = prints_.try_emplace(token);
    if (is_new) print->second = fingerprint(secret_of(token), storage_->spool().salt());
    return print->second;
}

// Finds the relay's slot for each slot of the model; there must be one.
void RelayProcess::bind_slots() {
    look_for_forgotten();
    const auto& slots = around_.model.slots().all();
    for (std::size_t number = 0; number < slots.size(); ++number) {
        if (!slots[number].exists || slots[number].id) continue;
        const Fingerprint print = print_of(slots[number].is.token);
        for (const auto& [id, token] : relay_->tokens().all()) {
            if (token.removed() || token.entry.fingerprint != print) continue;
            if (!around_.model.slots().of_id(id)) around_.model.bind(number, id);
        }
        if (slots[number].id) continue;
        around_.model.violation(
            fmt::format("there is no slot {} with token {}", number, slots[number].is.token));
    }
    check_sources();
}

void RelayProcess::look_for_forgotten() {
    const auto& slots = around_.model.slots().all();
    for (std::size_t number = 0; number < slots.size(); ++number) {
        const auto id = slots[number].id;
        if (!slots[number].exists || !id || relay_->tokens().all().contains(*id)) continue;
        for (const auto& [seq, token] : storage_->spool().letters()) {
            if (token != *id) continue;
            around_.model.violation(
                fmt::format("slot {} is forgotten, and has a dead letter", number));
        }
        around_.model.slot_forgotten(number, options_.relay.dedup_window, around_.agenda.now());
    }
}

// Compares the output of `source list` with the model.
void RelayProcess::check_sources() {
    look_for_forgotten();
    const auto& slots = around_.model.slots().all();
    for (std::size_t number = 0; number < slots.size(); ++number) {
        const Slots::Slot& slot = slots[number];
        if (!slot.exists || !slot.id) continue;
        const core::Token& token = relay_->tokens().at(*slot.id);
        const auto complain = [&](std::string_view what) {
            around_.model.violation(fmt::format("slot {} ({}, token {}, {}) {}", number,
                                                core::slot_name(*slot.id), slot.is.token,
                                                slot.is.name, what));
        };
        if (token.removed() != slot.removed) complain("is removed, or is not");
        if (slot.removed || token.removed()) continue;
        if (token.gone() != slot.gone) complain(slot.gone ? "is not gone" : "is gone");
        if (token.entry.fingerprint != print_of(slot.is.token)) complain("has another token");
        if (token.entry.source != slot.is.name) complain("has another name");
        if (kind_of(token.entry.origin) != slot.is.kind) complain("is of another kind");
        const auto lives = lives_as(token.entry);
        if (lives && *lives != slot.is.token) complain("has the source of another token");
        if (!slot.gone && token.filter() != filter_number(around_.model.filter_of(number))) {
            complain("has another filter");
        }
        if (!slot.gone && token.missing() == slot.is.known)
            complain("waits for its token, or does not");
    }
}

// Notes that an event that is not refused creates its slot or brings the token.
void RelayProcess::note_taken(std::uint64_t number) {
    const auto slot = around_.model.slot_of(number);
    if (!slot) return;
    const Slots::Slot& of = around_.model.slots().at(*slot);
    const Fingerprint print = print_of(of.is.token);
    const bool is_taken = std::ranges::any_of(relay_->tokens().all(), [&](const auto& item) {
        const core::Token& token = item.second;
        return !token.gone() && !token.missing() && token.entry.fingerprint == print;
    });
    if (!is_taken) return;
    around_.model.taken(number);
    bind_slots();
}

// ---------------------------------------------------------------- 410s taken back

void RelayProcess::enable(std::size_t slot) {
    run(take_410_back(slot));
}

RelayProcess::Call RelayProcess::take_410_back(std::size_t slot) {
    const auto id = around_.model.slots().at(slot).id;
    if (!id) co_return;
    auto backlog = co_await operations::backlog_to_go_on_with(*engine_, *id);
    if (backlog.has_error()) co_return;
    std::vector<core::TokenLifecycle::StoredBacklog> backlogs;
    backlogs.push_back({*id, backlog->queued, backlog->first, std::move(backlog->replays)});
    auto entries = relay_->lifecycle().enable_source(backlogs, around_.agenda.now());
    if (entries.has_error()) co_return;
    around_.server.restore_token(around_.model.slots().at(slot).is.token);
    around_.model.enabled(slot);
    check_sources();
    const auto saved = co_await operations::save(*engine_, std::move(*entries));
    if (saved.has_value()) around_.model.enable_saved(slot);
}

// ---------------------------------------------------------------- sources

void RelayProcess::add_source(const std::string& name, std::size_t token) {
    run(add(name, token));
}

RelayProcess::Call RelayProcess::add(std::string name, std::size_t token) {
    auto entries = relay_->lifecycle().add_source(name, Secret(secret_of(token)),
                                                  around_.agenda.now(), flow_source_of(token));
    if (entries.has_error()) {
        if (around_.model.slots().may_add(name, token)) {
            around_.model.violation("it is refused to add: " + entries.error().message);
        }
        co_return;
    }
    around_.model.source_added(name, token);
    bind_slots();
    std::vector<TokenId> ids;
    for (const auto& entry : *entries) ids.push_back(entry.id);
    const std::size_t change = around_.model.slots().change();
    const auto saved = co_await operations::save(*engine_, std::move(*entries));
    if (saved.has_error()) co_return;
    around_.model.slots_saved(ids, change);
}

void RelayProcess::rotate_source(std::size_t slot, std::size_t token) {
    run(rotate(slot, token));
}

RelayProcess::Call RelayProcess::rotate(std::size_t slot, std::size_t token) {
    const auto id = around_.model.slots().at(slot).id;
    if (!id) co_return;
    auto entries = relay_->lifecycle().rotate_source(*id, Secret(secret_of(token)),
                                                     around_.agenda.now(), flow_source_of(token));
    if (entries.has_error()) {
        if (around_.model.slots().may_rotate(slot, token)) {
            around_.model.violation("it is refused to rotate: " + entries.error().message);
        }
        co_return;
    }
    around_.model.source_rotated(slot, token);
    bind_slots();
    std::vector<TokenId> ids(1, *id);
    const std::size_t change = around_.model.slots().change();
    const auto saved = co_await operations::save(*engine_, std::move(*entries));
    if (saved.has_error()) co_return;
    around_.model.slots_saved(ids, change);
}

void RelayProcess::filter_source(std::size_t slot, unsigned filter) {
    run(set_filter(slot, filter));
}

RelayProcess::Call RelayProcess::set_filter(std::size_t slot, unsigned filter) {
    const auto id = around_.model.slots().at(slot).id;
    if (!id) co_return;
    auto entries = relay_->lifecycle().set_source_filter(*id, filter_number(filter));
    if (entries.has_error()) {
        if (around_.model.slots().may_filter(slot)) {
            around_.model.violation("a filter is refused: " + entries.error().message);
        }
        co_return;
    }
    around_.model.source_filtered(slot, filter);
    check_sources();
    std::vector<TokenId> ids(1, *id);
    const std::size_t change = around_.model.slots().change();
    const auto saved = co_await operations::save(*engine_, std::move(*entries));
    if (saved.has_error()) co_return;
    around_.model.slots_saved(ids, change);
}

void RelayProcess::remove_source(std::size_t slot) {
    run(remove(slot));
}

RelayProcess::Call RelayProcess::remove(std::size_t slot) {
    const auto id = around_.model.slots().at(slot).id;
    if (!id) co_return;
    auto entries = relay_->lifecycle().remove_source(*id, around_.agenda.now());
    if (entries.has_error()) {
        if (!around_.model.slots().at(slot).removed) {
            around_.model.violation("it is refused to remove: " + entries.error().message);
        }
        co_return;
    }
    around_.model.source_removed(slot, around_.agenda.now());
    check_sources();
    const auto saved = co_await operations::save(*engine_, std::move(*entries));
    if (saved.has_value()) around_.model.removal_saved(slot);
}

}  // namespace flowrelay::test
