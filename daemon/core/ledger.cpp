#include "flowrelay/core/ledger.hpp"

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
    // Unsigned arithmetic wraps, so the difference comes out right with its sign.
    return static_cast<std::int64_t>(accepted - delivered - dead - expired - erased - dropped -
                                     lost - queued);
}

}  // namespace flowrelay::core
