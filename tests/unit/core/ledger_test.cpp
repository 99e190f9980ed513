#include "flowrelay/core/ledger.hpp"

#include <gtest/gtest.h>

namespace flowrelay::core {
namespace {

TEST(Ledger, EmptyBooksBalance) {
    EXPECT_EQ(Ledger{}.unaccounted(0), 0);
}

TEST(Ledger, EachOutcomeHasItsColumn) {
    Ledger ledger;
    ledger.settle(Outcome::delivered, 1);
    ledger.settle(Outcome::dead, 2);
    ledger.settle(Outcome::expired, 3);
    ledger.settle(Outcome::erased, 4);
    ledger.settle(Outcome::dropped, 5);
    EXPECT_EQ(
        ledger,
        (Ledger{
            .accepted = 0, .delivered = 1, .dead = 2, .expired = 3, .erased = 4, .dropped = 5}));
}

TEST(Ledger, SettlesOneUnlessTold) {
    Ledger ledger;
    ledger.settle(Outcome::delivered);
    EXPECT_EQ(ledger.delivered, 1U);
}

TEST(Ledger, BalancesWithWhatIsQueued) {
    const Ledger ledger{.accepted = 28,
                        .delivered = 1,
                        .dead = 2,
                        .expired = 3,
                        .erased = 4,
                        .dropped = 5,
                        .lost = 7};
    EXPECT_EQ(ledger.unaccounted(6), 0);
}

TEST(Ledger, LostEventsArePositive) {
    EXPECT_EQ((Ledger{.accepted = 10, .delivered = 7}).unaccounted(1), 2);
}

TEST(Ledger, EventsFromNowhereAreNegative) {
    EXPECT_EQ((Ledger{.accepted = 1, .delivered = 3}).unaccounted(1), -3);
}

}  // namespace
}  // namespace flowrelay::core
