#include "flowrelay/core/source_changes.hpp"

#include <utility>

namespace flowrelay::core {

namespace {

std::vector<std::string> differences(const SourceSlot* before, const SourceSlot& after,
                                     bool settings) {
    if (before == nullptr) return {"is new"};
    if (before->name.empty()) return {"is new, with the events that came with its token"};
    std::vector<std::string> what;
    if (before->configured && !after.configured) {
        return {"is taken out: what is queued waits until it is back, or is removed"};
    }
    if (!before->configured && after.configured) what.emplace_back("is configured again");
    if (before->name != after.name) what.push_back("was called " + before->name);
    if (before->fingerprint != after.fingerprint) {
        what.emplace_back("has another token, with which its queued events are posted");
    }
    if (before->filter != after.filter) what.emplace_back("has another filter");
    if (settings) what.emplace_back("has other settings");
    return what;
}

}  // namespace

SourceSlots source_slots(const TokenTable& tokens) {
    SourceSlots slots;
    for (const auto& [id, token] : tokens.all()) {
        // A slot whose token is gone is none of the configuration's, whatever its name is.
        const bool counts = token.is_source() && !token.gone();
        slots[id] = {token.entry.source, token.entry.fingerprint, counts, token.filter()};
    }
    return slots;
}

std::vector<SourceChange> compare_sources(const SourceSlots& before, const SourceSlots& after,
                                          const std::set<std::string>& settings) {
    std::vector<SourceChange> changes;
    for (const auto& [id, slot] : after) {
        if (slot.name.empty()) continue;
        const auto old = before.find(id);
        const bool differs = slot.configured && settings.contains(slot.name);
        auto what = differences(old == before.end() ? nullptr : &old->second, slot, differs);
        if (!what.empty()) changes.push_back({id, slot.name, std::move(what)});
    }
    return changes;
}

}  // namespace flowrelay::core
