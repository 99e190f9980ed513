// The ledger of a spool: accepted = delivered + queued + dead + expired + erased + dropped + lost.
#pragma once

#include <cstdint>

#include "flowrelay/base/time.hpp"
#include "flowrelay/core/queued_event.hpp"

namespace flowrelay::core {

/// Events that are missing and can be booked as lost.
struct Loss {
    std::uint64_t unaccounted = 0;  ///< accepted events without an outcome that are not queued
    std::uint64_t dead = 0;         ///< dead events whose letters are missing
    std::uint64_t expired = 0;      ///< expired events whose letters are missing

    std::uint64_t letters() const noexcept { return dead + expired; }
    std::uint64_t events() const noexcept { return unaccounted + letters(); }

    friend bool operator==(const Loss&, const Loss&) = default;
};

/// Totals since the spool was created. `queued` is not stored but counted from the events that
/// exist, so that unaccounted() is a real check.
struct Ledger {
    std::uint64_t accepted = 0;
    std::uint64_t delivered = 0;
    std::uint64_t dead = 0;
    std::uint64_t expired = 0;
    std::uint64_t erased = 0;
    std::uint64_t dropped = 0;
    std::uint64_t lost = 0;  ///< booked by an operator; see Loss

    void settle(Outcome outcome, std::uint64_t count = 1) noexcept;

    /// Books a loss. Precondition: its `dead` and `expired` do not exceed those of the ledger.
    void write_off(const Loss& loss) noexcept;

    /// Returns the number of events that the ledger can't explain; must be 0. Negative: more events
    /// were settled than accepted.
    std::int64_t unaccounted(std::uint64_t queued) const noexcept;

    /// The corrections of take_back().
    struct Returned {
        std::uint64_t lost = 0;       ///< events booked as lost that exist again
        std::uint64_t settled = 0;    ///< events whose outcomes are missing now
        std::uint64_t uncounted = 0;  ///< events never counted as accepted
    };
    /// Corrects the ledger if more events are queued and settled than were accepted, so that
    /// unaccounted() is not negative. `uncounted` is the maximum number of existing events that the
    /// ledger never counted, because their segment was missing when the ledger was started again.
    /// They explain the surplus first. The rest is subtracted from the outcomes. Without `damaged`,
    /// it first consists of events booked as lost that exist again, for example after a segment was
    /// put back; with `damaged`, of events whose outcomes the damage has destroyed.
    Returned take_back(std::uint64_t queued, bool damaged, std::uint64_t uncounted = 0) noexcept;

    /// Subtracts `count` outcomes from the ledger, deliveries first.
    void take_back_outcomes(std::uint64_t count) noexcept;

    friend bool operator==(const Ledger&, const Ledger&) = default;
};

/// The user who booked events as lost, and the time.
struct LossBooking {
    WallTime at;
    std::uint32_t uid = 0;

    friend bool operator==(const LossBooking&, const LossBooking&) = default;
};

}  // namespace flowrelay::core
