// Matches configured sources with slots, at a reload and at a start.
//
// A slot keeps its token. Only two actions change it: an operator rotates the slot, or the
// configuration gives its *name* a new token. So tokens are matched first, and names only if no
// slot has the token:
//
//   1. A source gets the slot with its token, whatever the slot's name: the source was renamed, or
//      an added source was put into the configuration. A slot whose token is gone stays gone.
//   2. A source whose token no slot has gets the slot with its name that no source took in step 1:
//      the token was rotated. It gets a new slot if that slot is gone or missing, or if several
//      slots with the name have all left the configuration, since it is not known which is meant.
//
// docs/sources.md has the cases as a table. Pure.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "flowrelay/core/token_table.hpp"

namespace flowrelay::core::identity {

/// A source of the configuration. `name` must outlive the call.
struct Claim {
    std::string_view name;
    Fingerprint print{};
};

struct Match {
    std::optional<TokenId> slot;  ///< nothing: a new slot
    bool rotates = false;         ///< the slot had a different token
};

/// Returns a match for each claim; each slot is in at most one. The names of the claims must
/// differ. O(slots + claims).
std::vector<Match> match(const std::map<TokenId, Token>& slots, std::span<const Claim> claims);

/// Returns the slot of a name whose token an operator can replace: that of the source, or else the
/// only one that has left. Nothing if none is in use, or if several have left.
std::optional<TokenId> heir_of(const std::map<TokenId, Token>& slots, std::string_view name);

}  // namespace flowrelay::core::identity
