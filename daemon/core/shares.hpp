// How many of the places that requests may take at a time one token may have. Pure.
#pragma once

#include <cstddef>

namespace flowrelay::core::scheduling {

/// The places and the token that asks for one.
struct PlacesAsked {
    std::size_t all = 0;            ///< requests that may be in flight at a time
    std::size_t in_flight = 0;      ///< of all tokens
    std::size_t unproven = 0;       ///< of these, of tokens that had not been answered well
    std::size_t of_token = 0;       ///< of the token that asks
    bool another_is_ready = false;  ///< another token has an event that may be sent
    bool alone = true;              ///< no other token has begun a request of late
    bool answered = false;          ///< the token was answered well of late
    bool another_is_well = false;   ///< another token was
};

/// Returns how many requests the token may have in flight. Requests of a token may hang, so it
/// leaves places to others: half of them while others are ready, an eighth while others are active
/// or it was not answered well. Those of several tokens may hang at once: of the last eighth a
/// token that was not answered well has one at most, beside one that was, and all such
/// tokens together leave one place.
std::size_t share_of_places(const PlacesAsked& asked) noexcept;

}  // namespace flowrelay::core::scheduling
