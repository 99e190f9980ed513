// What a new configuration changes for each source. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "flowrelay/core/token_table.hpp"

namespace flowrelay::core {

/// What matters of a slot that belongs to a source.
struct SourceSlot {
    std::string name;  ///< empty: a token that came with events
    Fingerprint fingerprint{};
    bool configured = false;
    KnownFilter filter{};
};
using SourceSlots = std::map<TokenId, SourceSlot>;

/// The slots of a table, to compare with those of another one or of a later time.
SourceSlots source_slots(const TokenTable& tokens);

struct SourceChange {
    TokenId slot = TokenId::none;
    std::string name;
    std::vector<std::string> what;  ///< "has another token", ...; never empty
};

/// Returns the sources that differ, by slot. `settings`: names of the sources of which something
/// else than the token differs.
std::vector<SourceChange> compare_sources(const SourceSlots& before, const SourceSlots& after,
                                          const std::set<std::string>& settings);

}  // namespace flowrelay::core
