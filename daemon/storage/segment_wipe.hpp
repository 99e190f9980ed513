// Overwrites what a segment holds of a token.
#pragma once

#include <string>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/ids.hpp"
#include "segment.hpp"

namespace flowrelay::storage {

/// Overwrites with zeros the payloads of a token, all bytes that no record accounts for, and what
/// lies behind the end: it may have been in them. Durable when it returns.
/// Nothing is wiped when a part of it can't be read (QueueErrc::unreadable): that part may be
/// anybody's. `path` is for the message.
Result<void> wipe_token(Segment& segment, TokenId token, const std::string& path);

/// The same, of what lies behind the end alone.
Result<void> wipe_tail(Segment& segment);

}  // namespace flowrelay::storage
