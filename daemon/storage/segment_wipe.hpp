// Overwrites what a segment holds of a token.
#pragma once

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/ids.hpp"
#include "segment.hpp"

namespace flowrelay::storage {

/// Overwrites with zeros the payloads of a token, all bytes that no record accounts for, and what
/// lies behind the end: it may have been in them. Durable when it returns.
Result<void> wipe_token(Segment& segment, TokenId token);

/// The same, of what lies behind the end alone.
Result<void> wipe_tail(Segment& segment);

}  // namespace flowrelay::storage
