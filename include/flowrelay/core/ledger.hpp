// The books: accepted = delivered + queued + dead + expired + erased + dropped + lost.
#pragma once

#include <cstdint>

#include "flowrelay/base/time.hpp"
#include "flowrelay/core/queued_event.hpp"

namespace flowrelay::core {

/// What is not there any more, and can be booked as lost.
struct Loss {
    std::uint64_t unaccounted = 0;  ///< events of which the books say no more than "accepted"
    std::uint64_t dead = 0;         ///< events that died, whose letters are missing
    std::uint64_t expired = 0;      ///< events that expired, whose letters are missing

    std::uint64_t letters() const noexcept { return dead + expired; }
    std::uint64_t events() const noexcept { return unaccounted + letters(); }

    friend bool operator==(const Loss&, const Loss&) = default;
};

/// Totals since the spool was made. `queued` is not among them: it is counted from what is there,
/// so that unaccounted() is a check and not a tautology.
struct Ledger {
    std::uint64_t accepted = 0;
    std::uint64_t delivered = 0;
    std::uint64_t dead = 0;
    std::uint64_t expired = 0;
    std::uint64_t erased = 0;
    std::uint64_t dropped = 0;
    std::uint64_t lost = 0;  ///< booked so by an operator; see Loss

    void settle(Outcome outcome, std::uint64_t count = 1) noexcept;

    /// Books all of it as lost. No more is dead or expired in it than in the books.
    void write_off(const Loss& loss) noexcept;

    /// What the books can't explain; must be 0. Negative: more was settled than accepted.
    std::int64_t unaccounted(std::uint64_t queued) const noexcept;

    /// What take_back() has corrected.
    struct Returned {
        std::uint64_t lost = 0;       ///< events that had been booked as lost and are there again
        std::uint64_t settled = 0;    ///< events whose outcomes are not there any more
        std::uint64_t uncounted = 0;  ///< events that the books had never counted as accepted
    };
    /// Corrects the books when more is queued and settled than was accepted, so that unaccounted()
    /// is not below 0. `uncounted`: how many events at most are there that the books never counted,
    /// since the segment with them was away when the books were begun again. They explain the
    /// surplus first. What remains is taken out of the outcomes. Without `damaged` it is first of
    /// all events that had been booked as lost and are there again, those of a segment that
    /// somebody put back, say; with it, events whose outcomes were lost to the damage.
    Returned take_back(std::uint64_t queued, bool damaged, std::uint64_t uncounted = 0) noexcept;

    /// Takes so many outcomes out of the books, deliveries first.
    void take_back_outcomes(std::uint64_t count) noexcept;

    friend bool operator==(const Ledger&, const Ledger&) = default;
};

/// Who booked events as lost, and when.
struct LossBooking {
    WallTime at;
    std::uint32_t uid = 0;

    friend bool operator==(const LossBooking&, const LossBooking&) = default;
};

}  // namespace flowrelay::core
