#include "flowrelay/core/ledger.hpp"

#include <algorithm>
#include <cassert>

namespace flowrelay::core {

std::string_view to_string(Outcome outcome) noexcept {
    switch (outcome) {
        case Outcome::delivered:
            return "delivered";
        case Outcome::dead:
            return "dead";
        case Outcome::expired:
            return "expired";
        case Outcome::erased:
            return "erased";
        case Outcome::dropped:
            return "dropped";
    }
    return "unknown";
}

void Ledger::settle(Outcome outcome, std::uint64_t count) noexcept {
    switch (outcome) {
        case Outcome::delivered:
            delivered += count;
            return;
        case Outcome::dead:
            dead += count;
            return;
        case Outcome::expired:
            expired += count;
            return;
        case Outcome::erased:
            erased += count;
            return;
        case Outcome::dropped:
            dropped += count;
            return;
    }
}

void Ledger::write_off(const Loss& loss) noexcept {
    assert(loss.dead <= dead && loss.expired <= expired);
    dead -= loss.dead;
    expired -= loss.expired;
    lost += loss.events();
}

std::int64_t Ledger::unaccounted(std::uint64_t queued) const noexcept {
    // Unsigned arithmetic wraps, so the difference has the right sign.
    return static_cast<std::int64_t>(accepted - delivered - dead - expired - erased - dropped -
                                     lost - queued);
}

Ledger::Returned Ledger::take_back(std::uint64_t queued, bool damaged,
                                   std::uint64_t uncounted) noexcept {
    const std::int64_t difference = unaccounted(queued);
    if (difference >= 0) return {};
    auto surplus = static_cast<std::uint64_t>(-difference);
    uncounted = std::min(surplus, uncounted);
    accepted += uncounted;
    surplus -= uncounted;
    const std::uint64_t outcomes = surplus;
    const std::uint64_t lost_before = lost;
    if (!damaged) {
        const std::uint64_t again = std::min(surplus, lost);
        lost -= again;
        surplus -= again;
    }
    take_back_outcomes(surplus);
    const std::uint64_t from_lost = lost_before - lost;
    return {from_lost, outcomes - from_lost, uncounted};
}

void Ledger::take_back_outcomes(std::uint64_t count) noexcept {
    for (auto column : {&Ledger::delivered, &Ledger::dead, &Ledger::expired, &Ledger::dropped,
                        &Ledger::erased, &Ledger::lost}) {
        const std::uint64_t taken = std::min(count, this->*column);
        this->*column -= taken;
        count -= taken;
    }
    accepted += count;
}

}  // namespace flowrelay::core
