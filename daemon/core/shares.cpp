#include "shares.hpp"

#include <algorithm>

namespace flowrelay::core::scheduling {

namespace {

// With fewer places than this a token that is alone need not prove itself first.
constexpr std::size_t few_places = 8;

}  // namespace

std::size_t share_of_places(const PlacesAsked& asked) noexcept {
    const std::size_t all = asked.all;
    const std::size_t rest = std::max<std::size_t>(all / 8, 1);
    const bool may_hang = !asked.answered && asked.another_is_well;
    if (may_hang && asked.of_token > 0 && asked.in_flight + rest >= all) return asked.of_token;
    if (may_hang && all > 1 && asked.unproven + 1 >= all) return asked.of_token;
    if (asked.another_is_ready) return (all + 1) / 2;
    if ((asked.alone && (asked.answered || all < few_places)) || all == 1) return all;
    return all - rest;
}

}  // namespace flowrelay::core::scheduling
