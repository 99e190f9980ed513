#include "core/pace.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <vector>

namespace flowrelay::core::scheduling {
namespace {

using namespace std::chrono_literals;

class PaceTest : public testing::Test {
protected:
    /// One request that takes no time.
    bool attempt(bool is_taken, bool explicitly = false, std::size_t under_way = 1) {
        now = std::max(now, pace.available_from());
        const auto ticket = pace.begin(now, under_way);
        if (is_taken) {
            pace.taken(ticket, now);
        } else {
            pace.refused(ticket, now, explicitly);
        }
        return is_taken;
    }

    /// Good answers, so many a second.
    void go_well(int count, MonoTime::duration apart) {
        for (int i = 0; i < count; ++i) {
            now += apart;
            attempt(true);
        }
    }

    /// Requests that go in a second from now on, all taken.
    int in_a_second() {
        const MonoTime end = now + 1s;
        int count = 0;
        while (std::max(now, pace.available_from()) < end && count < 100'000) {
            attempt(true);
            ++count;
        }
        now = end;
        return count;
    }

    Pace pace;
    MonoTime now{std::chrono::hours(1)};
};

TEST_F(PaceTest, LimitsNothingAtFirst) {
    go_well(100, 1ms);
    EXPECT_FALSE(pace.is_limiting());
    EXPECT_EQ(pace.available_from(), MonoTime::min());
    EXPECT_EQ(pace.allowance(), SIZE_MAX);
}

TEST_F(PaceTest, OneRefusalAmongGoodAnswersIsAboutItsEvent) {
    for (int i = 0; i < 10; ++i) {
        go_well(8, 10ms);
        attempt(false);
        EXPECT_FALSE(pace.is_limiting());
    }
}

TEST_F(PaceTest, TwoOfThemAreALimit) {
    go_well(16, 100ms);
    attempt(false);
    go_well(7, 10ms);
    attempt(false);
    EXPECT_TRUE(pace.is_limiting());
    EXPECT_GT(pace.available_from(), now);
}

TEST_F(PaceTest, AnExplicitOneIsALimitAtOnce) {
    go_well(16, 100ms);
    attempt(false, true);
    EXPECT_TRUE(pace.is_limiting());
}

TEST_F(PaceTest, RefusalsOfEverythingAreAnOutage) {
    for (int i = 0; i < 100; ++i) attempt(false, i % 2 == 0);
    EXPECT_FALSE(pace.is_limiting());
    go_well(16, 100ms);
    now += 2s;
    for (int i = 0; i < 100; ++i) attempt(false, i % 2 == 0);
    EXPECT_FALSE(pace.is_limiting());
}

TEST_F(PaceTest, GoesOnAtTheRateThatWasTaken) {
    for (const auto apart : {500ms, 100ms, 10ms}) {
        pace = Pace();
        go_well(32, apart);
        attempt(false, true);
        const auto next = pace.available_from() - now;
        EXPECT_GE(next, apart * 2 / 3);
        EXPECT_LE(next, std::min<MonoTime::duration>(1s, apart * 5 / 4)) << "none is below 1/s";
    }
}

TEST_F(PaceTest, SpacesEvenlyAndSavesNothingUp) {
    go_well(32, 100ms);
    attempt(false, true);
    now += 60s;
    MonoTime last = now;
    attempt(true);
    for (int i = 0; i < 3; ++i) {
        attempt(true);
        EXPECT_GE(now - last, 60ms);
        last = now;
    }
}

TEST_F(PaceTest, ProbesThatDoNotWaitPutNothingOff) {
    go_well(32, 100ms);
    attempt(false, true);
    const auto interval = pace.available_from() - now;
    for (int i = 0; i < 10; ++i) pace.begin(now, 1);
    EXPECT_LE(pace.available_from(), now + interval);
}

TEST_F(PaceTest, WhatBeganBeforeACutTellsNothingAfterIt) {
    go_well(32, 100ms);
    const auto a = pace.begin(now, 2);
    const auto b = pace.begin(now, 3);
    pace.refused(a, now, true);
    const auto next = pace.available_from();
    pace.refused(b, now, true);
    EXPECT_EQ(pace.available_from(), next);
}

TEST_F(PaceTest, GrowsFastUntilItIsRefusedAgainAndSlowlyNearThat) {
    go_well(32, 100ms);
    attempt(false, true);
    in_a_second();
    EXPECT_GT(in_a_second(), 20) << "no limit is known above";
    attempt(false, true);
    const int below = in_a_second();
    EXPECT_LT(in_a_second(), below + below / 4);
}

TEST_F(PaceTest, ALimitThatIsLiftedIsFoundOut) {
    go_well(32, 100ms);
    for (int i = 0; i < 2; ++i) {
        attempt(false, true);
        go_well(8, 100ms);
    }
    for (int i = 0; i < 60; ++i) in_a_second();
    EXPECT_GT(in_a_second(), 100);
}

TEST_F(PaceTest, IsForgottenAfterTenMinutes) {
    go_well(32, 100ms);
    attempt(false, true);
    now += Pace::forgotten_after;
    pace.begin(now, 1);
    EXPECT_TRUE(pace.is_limiting());
    now += 1s;
    pace.begin(now, 1);
    EXPECT_FALSE(pace.is_limiting());
}

TEST_F(PaceTest, AllowsOneFewerAtATimeThanWereRefused) {
    go_well(32, 10ms);
    attempt(false, true, 6);
    EXPECT_EQ(pace.allowance(), 5U);
}

TEST_F(PaceTest, TriesTheSameNumberEverMoreSeldom) {
    go_well(16, 100ms);
    std::vector<MonoTime::duration> rests;
    for (int i = 0; i < 8; ++i) {
        now = std::max(now, pace.available_from()) + 50ms;  // it is not the rate
        attempt(false, true, 5);
        ASSERT_EQ(pace.allowance(), 4U);
        const MonoTime refused = now;
        while (pace.allowance() == 4) {
            now += 50ms;
            attempt(true, false, 4);
        }
        rests.push_back(now - refused);
    }
    EXPECT_LT(rests[0], 4s);
    EXPECT_GT(rests[1], 1.5 * rests[0]);
    EXPECT_GT(rests[2], 1.5 * rests[1]);
    EXPECT_GT(rests[7], 45s);
    EXPECT_LT(rests[7], 61s);
}

TEST_F(PaceTest, LeavesACeilingThatItMetOnceSoonerThanOneThatItMetAgain) {
    const auto time_to_leave = [&](int times) {
        pace = Pace();
        go_well(100, 10ms);
        attempt(false, true);
        int rate = 0;
        for (int i = 0; i < times; ++i) {
            rate = in_a_second();
            attempt(false, true);
        }
        const MonoTime begun = now;
        while (10 * in_a_second() < 13 * rate) {
        }
        return now - begun;
    };
    EXPECT_LT(2 * time_to_leave(1), time_to_leave(2));
}

TEST_F(PaceTest, TriesOneMoreAfterAWhileOfGoodAnswers) {
    go_well(32, 10ms);
    attempt(false, true, 6);
    for (int i = 0; i < 19; ++i) attempt(true, false, 5);
    EXPECT_EQ(pace.allowance(), 5U);
    now += 3s;
    for (int i = 0; i < 2; ++i) attempt(true, false, 5);
    EXPECT_EQ(pace.allowance(), 6U);
}

}  // namespace
}  // namespace flowrelay::core::scheduling
