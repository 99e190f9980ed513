#include "core/rate_limiter.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "flowrelay/base/random.hpp"

namespace flowrelay::core {
namespace {

using namespace std::chrono_literals;

class RateLimiterTest : public testing::Test {
protected:
    /// How many go at once now.
    std::size_t take_all(RateLimiter& limiter, std::size_t limit = 1'000'000) {
        std::size_t taken = 0;
        while (taken < limit && limiter.take(now)) ++taken;
        return taken;
    }

    MonoTime now{std::chrono::hours(1)};
};

TEST_F(RateLimiterTest, ARateOfZeroIsNoLimit) {
    for (auto limiter : {RateLimiter(), RateLimiter(0), RateLimiter(-1)}) {
        EXPECT_FALSE(limiter.is_limited());
        EXPECT_EQ(take_all(limiter, 10'000), 10'000U);
        EXPECT_EQ(limiter.available_from(), MonoTime::min());
    }
}

TEST_F(RateLimiterTest, TheFirstBurstIsOneSecondsWorth) {
    RateLimiter limiter(50);
    EXPECT_EQ(take_all(limiter), 50U);
}

TEST_F(RateLimiterTest, ASlowOneLetsOneGoAtATime) {
    RateLimiter limiter(0.5);
    EXPECT_EQ(take_all(limiter), 1U);
    EXPECT_EQ(limiter.available_from(), now + 2s);
    now += 2s - 1ns;
    EXPECT_FALSE(limiter.take(now));
    now += 1ns;
    EXPECT_TRUE(limiter.take(now));
}

TEST_F(RateLimiterTest, TheBurstCanBeTold) {
    RateLimiter limiter(100, 3);
    EXPECT_EQ(take_all(limiter), 3U);
    EXPECT_EQ(limiter.available_from(), now + 10ms);
    RateLimiter usual(100, 0);
    EXPECT_EQ(take_all(usual), 100U);
    RateLimiter part(100, 0.5);
    EXPECT_EQ(take_all(part), 1U) << "less than one event would be none ever";
}

TEST_F(RateLimiterTest, PartsOfABurstCount) {
    RateLimiter limiter(2.5);
    EXPECT_EQ(take_all(limiter), 2U);
    EXPECT_EQ(limiter.available_from(), now + 200ms) << "half an event was left";
}

TEST_F(RateLimiterTest, ItFillsUpAgainButNotOver) {
    RateLimiter limiter(10);
    take_all(limiter);
    now += 500ms;
    EXPECT_EQ(take_all(limiter), 5U);
    now += 24h;
    EXPECT_EQ(take_all(limiter), 10U);
}

TEST_F(RateLimiterTest, ARefusalTakesNothing) {
    RateLimiter limiter(1);
    limiter.take(now);
    for (int i = 0; i < 1000; ++i) EXPECT_FALSE(limiter.take(now + 1s - 1ns));
    EXPECT_TRUE(limiter.take(now + 1s));
}

TEST_F(RateLimiterTest, TwoDaysOfThirdsDoNotDrift) {
    // 333333333.33 ns each: in whole nanoseconds each would be a third of one off.
    RateLimiter limiter(3);
    const MonoTime start = now;
    limiter.take(now);
    constexpr std::int64_t taken = 600'000;
    for (std::int64_t i = 1; i <= taken; ++i) {
        now = std::max(now, limiter.available_from());
        ASSERT_TRUE(limiter.take(now));
    }
    // Three go at once, and then one in each third of a second.
    const auto exact = std::chrono::nanoseconds((taken + 1 - 3) * 1'000'000'000 / 3);
    EXPECT_GE(now - start, exact);
    EXPECT_LE(now - start, exact + 2ns);
}

TEST_F(RateLimiterTest, TheLowestRateIsNoOverflow) {
    RateLimiter limiter(1e-300);
    EXPECT_TRUE(limiter.take(now));
    EXPECT_GT(limiter.available_from(), now + std::chrono::hours(24 * 365));
    EXPECT_FALSE(limiter.take(now + std::chrono::hours(24 * 365)));
}

TEST_F(RateLimiterTest, AFasterRateIsNoSecondBurst) {
    RateLimiter limiter(10);
    take_all(limiter);
    limiter.set_rate(100);
    EXPECT_EQ(take_all(limiter), 0U);
    EXPECT_EQ(limiter.available_from(), now + 10ms);
    now += 10s;
    EXPECT_EQ(take_all(limiter), 100U);
}

TEST_F(RateLimiterTest, ASlowerRateKeepsWhatItHasRoomFor) {
    RateLimiter limiter(100);
    for (int i = 0; i < 30; ++i) limiter.take(now);
    limiter.set_rate(10);
    EXPECT_EQ(take_all(limiter), 10U) << "70 were left";
    limiter.set_rate(4);
    EXPECT_EQ(take_all(limiter), 0U);
    EXPECT_EQ(limiter.available_from(), now + 250ms);
}

TEST_F(RateLimiterTest, HalfAnEventSurvivesAChange) {
    RateLimiter limiter(2.5);
    take_all(limiter);
    limiter.set_rate(10);
    EXPECT_EQ(limiter.available_from(), now + 50ms);
}

TEST_F(RateLimiterTest, SettingTheSameRateChangesNothing) {
    RateLimiter limiter(10);
    take_all(limiter);
    now += 50ms;
    for (int i = 0; i < 10; ++i) limiter.set_rate(10);
    EXPECT_FALSE(limiter.take(now));
    EXPECT_TRUE(limiter.take(now + 50ms));
}

TEST_F(RateLimiterTest, ALimitCanBeLiftedAndSetAnew) {
    RateLimiter limiter(1);
    take_all(limiter);
    limiter.set_rate(0);
    EXPECT_EQ(take_all(limiter, 100), 100U);
    limiter.set_rate(5);
    EXPECT_EQ(take_all(limiter), 5U);
}

// In any stretch of time at most burst + rate * time, and all of that when it is asked for.
TEST_F(RateLimiterTest, NoWindowHoldsMoreThanItMayInRandomRuns) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        const double rate = static_cast<double>(1 + random.below(100'000)) / 997.0;
        const double burst = std::max(rate, 1.0);
        RateLimiter limiter(rate);
        std::deque<MonoTime> taken;
        for (int i = 0; i < 400; ++i) {
            if (random.chance(0.7)) {
                now = std::max(now, limiter.available_from());
                ASSERT_TRUE(limiter.take(now)) << "exactly then";
                taken.push_back(now);
            } else {
                now += std::chrono::nanoseconds(random.below(3'000'000'000));
                const bool may = limiter.available_from() <= now;
                EXPECT_EQ(limiter.take(now), may);
                if (may) taken.push_back(now);
            }
        }
        for (std::size_t first = 0; first < taken.size(); ++first) {
            for (std::size_t last = first; last < taken.size(); ++last) {
                const std::chrono::duration<double> window = taken[last] - taken[first];
                ASSERT_LE(static_cast<double>(last - first + 1),
                          burst + rate * window.count() + 1e-6);
            }
        }
    }
}

}  // namespace
}  // namespace flowrelay::core
