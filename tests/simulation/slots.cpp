#include "slots.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace flowrelay::test {

// ---------------------------------------------------------------- making and changing

Slots::Slot& Slots::make(std::size_t token) {
    Slot& slot = slots_.emplace_back();
    slot.is.token = token;
    slot.tokens.insert(token);
    return slot;
}

void Slots::note(Slot& slot) {
    if (!slot.versions.empty() && slot.versions.back().is == slot.is) return;
    slot.versions.push_back({change_, slot.is});
    ++notes_;
}

// Resets a slot of which nothing has reached the disk.
void Slots::vanish(Slot& slot) {
    slot.is = {slot.is.token, "", Kind::direct, true};
    slot.exists = slot.was_saved = slot.gone = slot.removed = false;
    slot.id.reset();
    slot.versions.clear();
}

// Gives a slot another token. Only an operator who names the successor can do this.
void Slots::succeed(std::size_t slot, std::size_t token) {
    slots_[slot].is.token = token;
    slots_[slot].tokens.insert(token);
}

// ---------------------------------------------------------------- looking up

std::optional<std::size_t> Slots::with_token(std::size_t token) const {
    std::optional<std::size_t> found;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        const Slot& slot = slots_[i];
        if (!slot.exists || slot.removed || slot.is.token != token) continue;
        if (!found || slots_[*found].gone) found = i;
    }
    return found;
}

std::optional<std::size_t> Slots::of_token(std::size_t token) const {
    if (const auto found = with_token(token)) return found;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        if (!slots_[i].exists && slots_[i].is.token == token) return i;
    }
    return std::nullopt;
}

std::optional<std::size_t> Slots::of_name(const std::string& name) const {
    std::optional<std::size_t> found;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        const Slot& slot = slots_[i];
        if (!slot.exists || !slot.is_source() || slot.is.name != name) continue;
        if (!found || slots_[*found].gone) found = i;
    }
    return found;
}

std::vector<std::size_t> Slots::of_event(const std::string& name) const {
    std::set<std::string> names{name};
    for (const Slot& slot : slots_) {
        const bool is_route = slot.is.name.starts_with(name + "/");
        if (slot.exists && slot.is_source() && is_route) names.insert(slot.is.name);
    }
    std::vector<std::size_t> found;
    std::optional<std::size_t> gone;
    for (const std::string& each : names) {
        const auto slot = of_name(each);
        if (!slot) continue;
        if (slots_[*slot].gone) {
            gone = slot;
        } else {
            found.push_back(*slot);
        }
    }
    if (found.empty() && gone) found.push_back(*gone);
    return found;
}

std::optional<std::size_t> Slots::of_id(TokenId id) const {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        if (slots_[i].id == id) return i;
    }
    return std::nullopt;
}

// Returns the slot that gets the new token of a name: that of its source, or the only former one of
// that name.
std::optional<std::size_t> Slots::predecessor(const std::string& name,
                                              const std::set<std::size_t>& taken) const {
    std::vector<std::size_t> left;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        const Slot& slot = slots_[i];
        if (!slot.in_use() || slot.is.name != name || taken.contains(i)) continue;
        if (slot.is_source()) return i;
        left.push_back(i);
    }
    return left.size() == 1 ? std::optional(left.front()) : std::nullopt;
}

// ---------------------------------------------------------------- producers

std::size_t Slots::begin(std::size_t token) {
    make(token).exists = false;
    return slots_.size() - 1;
}

void Slots::taken(std::size_t number) {
    Slot& slot = slots_[number];
    ++change_;
    if (slot.exists && slot.is.known) return;
    slot.waking = slot.exists ? change_ : 0;
    slot.exists = slot.is.known = true;
    note(slot);
}

bool Slots::durable(std::size_t number, std::size_t change) {
    Slot& slot = slots_[number];
    if (slot.waking == 0 || change < slot.waking) return false;
    slot.waking = 0;
    return true;
}

// ---------------------------------------------------------------- operators

Slots::Changes Slots::configure(const Setup::Sources& sources) {
    ++change_;
    Changes changes;
    std::map<std::string, std::size_t> slot_of;
    std::set<std::size_t> taken;
    for (const auto& [name, token] : sources) {
        if (const auto slot = with_token(token)) {
            slot_of[name] = *slot;
            taken.insert(*slot);
        }
    }
    for (const auto& [name, token] : sources) {
        if (slot_of.contains(name)) continue;
        if (const auto former = predecessor(name, taken)) {
            succeed(*former, token);
            changes.rotated.push_back(*former);
            slot_of[name] = *former;
        } else {
            make(token).is.known = false;
            slot_of[name] = slots_.size() - 1;
        }
        taken.insert(slot_of[name]);
    }
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        Slot& slot = slots_[i];
        if (!slot.exists || slot.removed || taken.contains(i)) continue;
        const bool displaced = slot.is.kind == Kind::added && sources.contains(slot.is.name);
        if (slot.is.kind != Kind::configured && !displaced) continue;
        if (slot.is.kind == Kind::configured) slot.is.known = false;
        slot.is.kind = Kind::left;
        note(slot);
    }
    for (const auto& [name, number] : slot_of) {
        Slot& slot = slots_[number];
        if (!slot.is_source()) changes.sources.push_back(number);
        slot.is.name = name;
        slot.is.kind = Kind::configured;
        slot.is.filter = 0;
        slot.is.known = true;
        slot.waking = 0;
        note(slot);
    }
    return changes;
}

bool Slots::may_add(const std::string& name, std::size_t token) const {
    if (const auto source = of_name(name)) {
        const Slot& slot = slots_[*source];
        if (!slot.gone || slot.is.kind == Kind::configured) return false;
    }
    const auto other = with_token(token);
    if (!other) return true;
    const Slot& slot = slots_[*other];
    if (slot.gone || slot.is_source()) return false;
    return slot.is.kind == Kind::direct || slot.is.name == name || of_name(slot.is.name);
}

Slots::Changes Slots::add(const std::string& name, std::size_t token) {
    ++change_;
    for (Slot& slot : slots_) {
        if (!slot.exists || !slot.is_source() || slot.is.name != name) continue;
        slot.is.kind = Kind::left;
        note(slot);
    }
    Changes changes;
    auto number = with_token(token);
    if (!number) {
        number = predecessor(name, {});
        if (number) {
            succeed(*number, token);
            changes.rotated.push_back(*number);
        } else {
            make(token);
            number = slots_.size() - 1;
        }
    }
    Slot& slot = slots_[*number];
    slot.is.name = name;
    slot.is.kind = Kind::added;
    slot.is.known = true;
    slot.waking = 0;
    note(slot);
    changes.sources.push_back(*number);
    return changes;
}

bool Slots::may_rotate(std::size_t number, std::size_t token) const {
    const Slot& slot = slots_[number];
    if (slot.gone || slot.is.kind != Kind::added) return false;
    return token == slot.is.token || !with_token(token);
}

Slots::Changes Slots::rotate(std::size_t number, std::size_t token) {
    ++change_;
    Changes changes;
    if (slots_[number].is.token != token) changes.rotated.push_back(number);
    succeed(number, token);
    note(slots_[number]);
    return changes;
}

bool Slots::may_filter(std::size_t number) const {
    return !slots_[number].gone && slots_[number].is.kind == Kind::added;
}

void Slots::set_filter(std::size_t number, unsigned filter) {
    ++change_;
    slots_[number].is.filter = filter;
    note(slots_[number]);
}

void Slots::remove(std::size_t slot) {
    ++change_;
    slots_[slot].gone = slots_[slot].removed = true;
}

// ---------------------------------------------------------------- the disk

void Slots::saved(TokenId id, std::size_t change) {
    const auto number = of_id(id);
    if (!number) return;
    Slot& slot = slots_[*number];
    slot.was_saved = true;
    while (slot.versions.size() > 1 && slot.versions[1].change <= change) {
        slot.versions.erase(slot.versions.begin());
    }
}

void Slots::brought(TokenId id, std::size_t change) {
    const auto number = of_id(id);
    if (!number) return;
    Slot& slot = slots_[*number];
    slot.was_saved = true;
    const auto is_more_than_a_filter = [&slot] {
        Identity next = slot.versions[1].is;
        next.filter = slot.versions[0].is.filter;
        return next != slot.versions[0].is;
    };
    while (slot.versions.size() > 1 && slot.versions[1].change <= change &&
           is_more_than_a_filter()) {
        slot.versions.erase(slot.versions.begin());
    }
}

void Slots::all_saved() {
    for (const Slot& slot : slots_) {
        if (slot.id) saved(*slot.id, change_);
    }
}

void Slots::forgotten(std::size_t number) {
    forgotten_[*slots_[number].id] = number;
    vanish(slots_[number]);
}

// Checks forgotten slots that are still on the disk: they must be unchanged, or removed if a later
// slot has their token. Returns the latter.
std::set<TokenId> Slots::come_back(const std::vector<Found>& all, std::vector<std::string>& wrong) {
    std::set<TokenId> removed;
    for (const Found& found : all) {
        const auto was = forgotten_.find(found.id);
        if (was == forgotten_.end()) continue;
        if (found.removed) {
            removed.insert(found.id);
            continue;
        }
        const std::size_t token = slots_[was->second].is.token;
        if (found.gone || found.is != Identity{token, "", Kind::direct, true}) {
            wrong.push_back(fmt::format("token-{} has come back as another", to_number(found.id)));
        }
        for (const Found& other : all) {
            if (other.id == found.id || other.removed || other.is.token != token) continue;
            wrong.push_back(fmt::format("token-{} and token-{} have one token", to_number(found.id),
                                        to_number(other.id)));
        }
        Slot& slot = slots_[was->second];
        vanish(slot);
        slot.exists = true;
        slot.id = found.id;
        slot.versions = {{change_, slot.is}};
        forgotten_.erase(was);
    }
    return removed;
}

// Finds the slot that an earlier start created before a crash interrupted it.
std::optional<std::size_t> Slots::adopt(const Found& found) {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        Slot& slot = slots_[i];
        if (slot.id || !slot.exists || slot.is.name != found.is.name) continue;
        if (slot.is.token != found.is.token) continue;
        slot.id = found.id;
        return i;
    }
    return std::nullopt;
}

std::vector<std::string> Slots::started(const std::vector<Found>& all) {
    std::vector<std::string> wrong;
    std::set<std::size_t> there;
    const auto forgotten = come_back(all, wrong);
    for (const Found& found : all) {
        if (found.lives_as && (*found.lives_as != found.is.token || found.erased)) {
            wrong.push_back(fmt::format("token-{} has the source of another token, or is erased",
                                        to_number(found.id)));
        }
        if (forgotten.contains(found.id)) continue;
        auto number = of_id(found.id);
        if (!number) number = adopt(found);
        if (!number) {
            wrong.push_back(fmt::format("nobody has made token-{}", to_number(found.id)));
            continue;
        }
        there.insert(*number);
        Slot& slot = slots_[*number];
        slot.gone = found.gone;
        slot.waking = 0;
        slot.was_saved = true;
        if (slot.removed && found.removed) continue;
        slot.removed = found.removed;
        if (found.removed) {
            wrong.push_back(fmt::format("nobody has removed slot {}", *number));
            continue;
        }
        const auto is_it = [&](const Slot::Version& version) {
            Identity is = version.is;
            is.known = found.is.known;
            if (found.erased) is.filter = 0;
            const bool knows =
                found.gone || is.kind == Kind::configured || is.known == version.is.known;
            return knows && is == found.is;
        };
        const auto version = std::ranges::find_if(slot.versions, is_it);
        if (version == slot.versions.end()) {
            wrong.push_back(
                fmt::format("slot {} has come back as token {} of {} ({}{}), not {} of {} ({}{})",
                            *number, found.is.token, found.is.name, static_cast<int>(found.is.kind),
                            found.is.known ? ", known" : "", slot.is.token, slot.is.name,
                            static_cast<int>(slot.is.kind), slot.is.known ? ", known" : ""));
            continue;
        }
        slot.is = version->is;
        slot.is.known = found.is.known;
        slot.is.filter = found.is.filter;
        slot.versions = {{change_, slot.is}};
    }
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        Slot& slot = slots_[i];
        if (there.contains(i) || !slot.exists) continue;
        if (slot.was_saved) wrong.push_back(fmt::format("slot {} has been forgotten", i));
        vanish(slot);
    }
    return wrong;
}

}  // namespace flowrelay::test
