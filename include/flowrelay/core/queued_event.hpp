// What the relay keeps in memory of an event that lies in the spool.
#pragma once

#include <cstdint>
#include <string_view>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::core {

struct QueuedEvent {
    Seq seq = Seq::none;
    LaneId lane;
    WallTime accepted;
    WallTime expires;  ///< accepted + the event's own expires_in; WallTime::max() without one
    std::uint32_t bytes = 0;  ///< of its record on disk
    bool sent = false;        ///< it may have been sent before: it is a dead letter
};

/// What finally becomes of an event: the columns of the ledger.
enum class Outcome : std::uint8_t {
    delivered = 1,
    dead = 2,     ///< in the dead letters: refused by the destination
    expired = 3,  ///< in the dead letters: too old
    erased = 4,   ///< with its token
    dropped = 5,  ///< by an operator
};

/// "delivered", "dead", ...
std::string_view to_string(Outcome outcome) noexcept;

}  // namespace flowrelay::core
