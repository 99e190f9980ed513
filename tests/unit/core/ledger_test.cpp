#include "flowrelay/core/ledger.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

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

TEST(Ledger, TakesWhatIsFoundAgainOutOfTheLostOnes) {
    Ledger ledger{.accepted = 10, .delivered = 3, .lost = 4};
    const auto returned = ledger.take_back(6, false);
    EXPECT_EQ(returned.lost, 3U);
    EXPECT_EQ(returned.settled, 0U);
    EXPECT_EQ(ledger, (Ledger{.accepted = 10, .delivered = 3, .lost = 1}));
}

TEST(Ledger, CountsEventsThatItNeverCountedBeforeItTakesAnythingBack) {
    for (const bool damaged : {false, true}) {
        Ledger ledger{.accepted = 10, .delivered = 3, .lost = 4};
        const auto returned = ledger.take_back(8, damaged, 4);
        EXPECT_EQ(returned.uncounted, 4U);
        EXPECT_EQ(returned.lost + returned.settled, 1U);
        EXPECT_EQ(ledger.accepted, 14U);
        EXPECT_EQ(ledger.unaccounted(8), 0);
        Ledger other{.accepted = 10, .delivered = 3, .lost = 4};
        EXPECT_EQ(other.take_back(4, damaged, 9).uncounted, 1U) << "no more than the surplus";
        EXPECT_EQ(other, (Ledger{.accepted = 11, .delivered = 3, .lost = 4}));
        EXPECT_EQ(other.take_back(1, damaged, 9).uncounted, 0U);
    }
}

TEST(Ledger, TakesOutcomesThatAreLostToDamageOutOfTheOthersFirst) {
    Ledger ledger{.accepted = 10, .delivered = 3, .dead = 1, .lost = 4};
    const auto returned = ledger.take_back(7, true);
    EXPECT_EQ(returned.lost, 1U);
    EXPECT_EQ(returned.settled, 4U);
    EXPECT_EQ(ledger, (Ledger{.accepted = 10, .lost = 3}));
}

TEST(Ledger, TakesNothingBackWhileNothingIsTooMuch) {
    const Ledger before{.accepted = 10, .delivered = 3, .lost = 4};
    for (const std::uint64_t queued : {0U, 2U, 3U}) {
        Ledger ledger = before;
        const auto returned = ledger.take_back(queued, queued == 2);
        EXPECT_EQ(returned.lost + returned.settled, 0U);
        EXPECT_EQ(ledger, before);
    }
}

TEST(Ledger, IsNeverBelowZeroAfterTakingBack) {
    for (std::uint64_t queued = 0; queued < 40; ++queued) {
        for (const bool damaged : {false, true}) {
            Ledger ledger{.accepted = 12, .delivered = 3, .dead = 2, .erased = 1, .lost = 4};
            const std::int64_t before = ledger.unaccounted(queued);
            const auto returned = ledger.take_back(queued, damaged);
            EXPECT_EQ(ledger.unaccounted(queued), std::max<std::int64_t>(before, 0));
            EXPECT_EQ(static_cast<std::int64_t>(returned.lost + returned.settled),
                      std::max<std::int64_t>(-before, 0));
        }
    }
}

}  // namespace
}  // namespace flowrelay::core
