// Overwrites the data of some tokens in a segment with zeros, in bounded steps.
// docs/spool-format.md, "Erasure of a set of tokens".
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/ids.hpp"
#include "segment.hpp"

namespace flowrelay::storage {

using ErasedTokens = std::unordered_set<TokenId>;

/// Wipes about `budget` bytes of records: the payloads of the tokens' events, and bytes that no
/// record accounts for. Begins at `from`: the first record, or where the previous step ended.
/// Returns where it ended: the end of the segment when there is no more. Durable on return. `path`
/// is for messages.
Result<std::uint64_t> wipe_records(Segment& segment, const ErasedTokens& tokens, std::uint64_t from,
                                   std::uint64_t budget, const std::string& path);

/// Wipes at most `budget` bytes after the last record, beginning at `from` or at the end of the
/// last record. Returns where it ended: the size of the segment when there is no more. Durable on
/// return.
Result<std::uint64_t> wipe_tail(Segment& segment, std::uint64_t from, std::uint64_t budget);

}  // namespace flowrelay::storage
