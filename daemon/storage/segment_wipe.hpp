// Overwrites with zeros what a segment holds of some tokens, in bounded steps.
// docs/spool-format.md, "Erasure".
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/ids.hpp"
#include "segment.hpp"

namespace flowrelay::storage {

using ErasedTokens = std::unordered_set<TokenId>;

/// Wipes about `budget` bytes' worth of records: the payloads of the tokens' events, and bytes that
/// no record accounts for. Begins at `from`, which is the first record or where the step before
/// ended. Returns where it ended: the segment's end when there is no more. Durable when it returns.
/// `path` is for messages.
Result<std::uint64_t> wipe_records(Segment& segment, const ErasedTokens& tokens, std::uint64_t from,
                                   std::uint64_t budget, const std::string& path);

/// Wipes at most `budget` bytes behind the last record, from `from` or from there. Returns where it
/// ended: the segment's size when there is no more. Durable when it returns.
Result<std::uint64_t> wipe_tail(Segment& segment, std::uint64_t from, std::uint64_t budget);

}  // namespace flowrelay::storage
