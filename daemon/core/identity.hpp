// Decides which slot a configured source is: the matching of a reload and of a start.
//
// A slot keeps its token. Two things alone give it another one: an operator rotates it, or the
// configuration gives its *name* another token. So tokens are matched first, and names only where
// no slot has the token:
//
//   1. A source is the slot that has its very token, whatever that was called: it was renamed, or
//      an added source was put into the configuration. A slot whose token is gone stays gone.
//   2. A source whose token no slot has is the slot of its name that no source took in step 1:
//      its token was rotated. If that one is gone, or there is none, it gets a new slot; so it
//      does if several have the name and have all left the configuration: nobody said which.
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

/// A source of the configuration. `name` outlives the call.
struct Claim {
    std::string_view name;
    Fingerprint print{};
};

struct Match {
    std::optional<TokenId> slot;  ///< nothing: a new one
    bool rotates = false;         ///< the slot had another token
};

/// Returns a match for each claim; no slot is in two of them. The names of the claims differ.
/// O(slots + claims).
std::vector<Match> match(const std::map<TokenId, Token>& slots, std::span<const Claim> claims);

/// The slot of a name whose token an operator can replace: of a source, or else of the one that has
/// left. Nothing when none is in use, or several have left.
std::optional<TokenId> heir_of(const std::map<TokenId, Token>& slots, std::string_view name);

}  // namespace flowrelay::core::identity
