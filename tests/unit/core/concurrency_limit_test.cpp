#include "core/concurrency_limit.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "flowrelay/base/random.hpp"

namespace flowrelay::core {
namespace {

using namespace std::chrono_literals;
using Duration = ConcurrencyLimit::Duration;

/// Attempts under virtual time, as many as the limit allows, against a server whose answers take
/// what `latency` says for a number of attempts under way.
class ConcurrencyLimitTest : public testing::Test {
protected:
    using Latency = std::function<Duration(std::size_t under_way)>;

    struct Flying {
        Duration ends;
        Duration elapsed;
        ConcurrencyLimit::Ticket ticket;
        bool operator>(const Flying& other) const { return ends > other.ends; }
    };

    void fill(ConcurrencyLimit& limit, const Latency& latency, std::size_t demand) {
        while (flying.size() < std::min(limit.allowance(), demand)) {
            const auto ticket = limit.begin(flying.size() + 1);
            const Duration elapsed = latency(flying.size() + 1);
            flying.push({now + elapsed, elapsed, ticket});
        }
        most = std::max(most, flying.size());
    }

    /// So many answers, one in `trouble_every` of them trouble (0: none).
    void run(ConcurrencyLimit& limit, std::size_t answers, const Latency& latency,
             std::size_t demand = 1000, std::size_t trouble_every = 0) {
        for (std::size_t i = 1; i <= answers; ++i) {
            fill(limit, latency, demand);
            const Flying done = flying.top();
            flying.pop();
            now = done.ends;
            if (trouble_every != 0 && i % trouble_every == 0) {
                limit.failed(done.ticket);
            } else {
                limit.answered(done.ticket, done.elapsed);
            }
            ASSERT_GE(limit.allowance(), 1U);
            lowest = std::min(lowest, limit.allowance());
        }
    }

    void drain() { flying = {}; }

    static Latency constant(Duration latency) {
        return [latency](std::size_t) { return latency; };
    }

    /// One request at a time: the others wait in line.
    Latency serial(Duration each) {
        return [this, each](std::size_t) {
            line_ends = std::max(line_ends, now) + each;
            return line_ends - now;
        };
    }

    std::priority_queue<Flying, std::vector<Flying>, std::greater<>> flying;
    Duration now{0};
    Duration line_ends{0};
    std::size_t lowest = 1'000'000;
    std::size_t most = 0;
};

TEST_F(ConcurrencyLimitTest, BeginsAtTheMaximum) {
    EXPECT_EQ(ConcurrencyLimit(32).allowance(), 32U);
    EXPECT_EQ(ConcurrencyLimit(0).allowance(), 1U);
}

TEST_F(ConcurrencyLimitTest, AHealthyServerKeepsTheMaximum) {
    ConcurrencyLimit limit(32);
    run(limit, 100'000, constant(200us));
    EXPECT_EQ(lowest, 32U);
}

TEST_F(ConcurrencyLimitTest, AFastServerThatGetsBusyKeepsTheMaximum) {
    ConcurrencyLimit limit(32);
    run(limit, 1000, constant(30us), 1);  // what it takes on an idle queue
    run(limit, 100'000, [](std::size_t under_way) { return 30us * (1 + under_way); });
    EXPECT_EQ(lowest, 32U);
}

TEST_F(ConcurrencyLimitTest, ASlowButConstantServerKeepsTheMaximum) {
    for (const auto latency : {200ms, 1000ms, 10'000ms}) {
        ConcurrencyLimit limit(32);
        run(limit, 10'000, constant(latency));
        EXPECT_EQ(lowest, 32U);
        drain();
    }
}

TEST_F(ConcurrencyLimitTest, AServerWithALongTailKeepsTheMaximum) {
    ConcurrencyLimit limit(32);
    Random random(1);
    run(limit, 50'000, [&](std::size_t) -> Duration { return random.chance(0.1) ? 5s : 50ms; });
    EXPECT_EQ(lowest, 32U) << "one in ten takes a hundred times as long, as it always did";
}

TEST_F(ConcurrencyLimitTest, TheSlowStartDoublesWithEachRound) {
    ConcurrencyLimit limit(32);
    limit.restart();
    std::vector<std::size_t> rounds;
    for (int i = 0; i < 6; ++i) {
        fill(limit, constant(1ms), 1000);
        rounds.push_back(flying.size());
        for (; !flying.empty(); flying.pop()) limit.answered(flying.top().ticket, 1ms);
    }
    EXPECT_EQ(rounds, (std::vector<std::size_t>{2, 4, 8, 16, 32, 32}));
}

TEST_F(ConcurrencyLimitTest, ItDoesNotGrowBeyondWhatIsUsed) {
    ConcurrencyLimit limit(32);
    limit.restart();
    run(limit, 10'000, constant(1ms), 3);
    EXPECT_LE(limit.allowance(), 7U);
    EXPECT_GE(limit.allowance(), 6U);
    run(limit, 1000, constant(1ms));
    EXPECT_EQ(limit.allowance(), 32U);
}

TEST_F(ConcurrencyLimitTest, SingleFailuresCutNothing) {
    ConcurrencyLimit limit(32);
    run(limit, 10'000, constant(1ms), 1000, 100);
    EXPECT_EQ(lowest, 32U);
}

TEST_F(ConcurrencyLimitTest, ABurstOfFailuresCutsByHalf) {
    ConcurrencyLimit limit(32);
    fill(limit, constant(1ms), 1000);
    for (int i = 1; i <= 4; ++i, flying.pop()) {
        EXPECT_EQ(limit.allowance(), 32U);
        limit.failed(flying.top().ticket);
    }
    EXPECT_EQ(limit.allowance(), 16U);
}

TEST_F(ConcurrencyLimitTest, WhatWasUnderWayTogetherCutsOnce) {
    ConcurrencyLimit limit(32);
    fill(limit, constant(1ms), 1000);
    for (; !flying.empty(); flying.pop()) limit.failed(flying.top().ticket);
    EXPECT_EQ(limit.allowance(), 16U);
}

TEST_F(ConcurrencyLimitTest, FailuresThatGoOnCutToOneAndNoFurther) {
    ConcurrencyLimit limit(32);
    run(limit, 2000, constant(1ms), 1000, 2);
    EXPECT_EQ(lowest, 1U);
    EXPECT_LE(limit.allowance(), 4U);
}

TEST_F(ConcurrencyLimitTest, AfterACutItGrowsByOneWithEachRound) {
    ConcurrencyLimit limit(32);
    fill(limit, constant(1ms), 1000);
    for (; !flying.empty(); flying.pop()) limit.failed(flying.top().ticket);
    ASSERT_EQ(limit.allowance(), 16U);
    run(limit, 16, constant(1ms));
    EXPECT_EQ(limit.allowance(), 17U);
    run(limit, 16, constant(1ms));
    EXPECT_EQ(limit.allowance(), 17U);
    run(limit, 1, constant(1ms));
    EXPECT_EQ(limit.allowance(), 18U);
}

TEST_F(ConcurrencyLimitTest, FromOneItIsBackAtTheMaximumWithinABoundedNumberOfAnswers) {
    for (const std::size_t max : {1U, 2U, 3U, 8U, 32U, 100U, 1000U}) {
        ConcurrencyLimit limit(max);
        run(limit, 20'000, constant(1ms), max, 2);
        ASSERT_LE(limit.allowance(), 8U);
        drain();
        run(limit, max * (max + 1) / 2, constant(1ms), max);
        EXPECT_EQ(limit.allowance(), max);
        drain();
    }
}

TEST_F(ConcurrencyLimitTest, AServerThatTakesOneAtATimeGetsFew) {
    ConcurrencyLimit limit(32);
    limit.restart();
    run(limit, 5000, serial(200ms));
    most = 0;
    run(limit, 5000, serial(200ms));
    EXPECT_LE(most, 4U) << "the others would only wait in line there";
    EXPECT_GE(now, 1990s) << "it has always had something to do, so nothing is lost";
    EXPECT_LE(now, 2030s);
}

TEST_F(ConcurrencyLimitTest, AServerThatBecomesCongestedIsGivenLess) {
    ConcurrencyLimit limit(32);
    run(limit, 2000, constant(50ms));
    ASSERT_EQ(limit.allowance(), 32U);
    // From now on it can do eight at a time.
    run(limit, 5000, [](std::size_t under_way) -> Duration {
        return 50ms * (under_way <= 8 ? 1 : under_way - 7);
    });
    EXPECT_LE(limit.allowance(), 12U);
    EXPECT_GE(lowest, 4U) << "and no less than it needs";
}

TEST_F(ConcurrencyLimitTest, AServerThatBecomesSlowForGoodIsTakenAsItIs) {
    ConcurrencyLimit limit(32);
    run(limit, 2000, constant(50ms));
    run(limit, 300, constant(2s));
    EXPECT_EQ(lowest, 1U) << "that is tried";
    EXPECT_EQ(limit.allowance(), 32U) << "and found to be no help";
    lowest = 1000;
    run(limit, 10'000, constant(2s));
    EXPECT_EQ(lowest, 32U);
}

TEST_F(ConcurrencyLimitTest, ALittleSlowerForGoodDoesNotHoldItForEver) {
    ConcurrencyLimit limit(32);
    run(limit, 2000, constant(100ms));
    limit.restart();
    drain();
    run(limit, 3000, constant(250ms));  // neither calm nor congested
    EXPECT_EQ(limit.allowance(), 32U);
}

TEST_F(ConcurrencyLimitTest, SlowBecauseOfUsNeverLooksNormal) {
    ConcurrencyLimit limit(32);
    limit.restart();
    for (int i = 0; i < 20; ++i) {
        run(limit, 2000, serial(100ms));
        ASSERT_LE(limit.allowance(), 5U);
    }
}

TEST_F(ConcurrencyLimitTest, AStallIsForgottenSoon) {
    ConcurrencyLimit limit(32);
    run(limit, 1000, constant(1ms));
    run(limit, 64, constant(900ms));
    EXPECT_LT(lowest, 32U);
    run(limit, 600, constant(1ms));
    EXPECT_EQ(limit.allowance(), 32U);
}

TEST_F(ConcurrencyLimitTest, UnmeasuredAnswersNeverCut) {
    ConcurrencyLimit limit(32);
    run(limit, 1000, constant(1ms));
    for (int i = 0; i < 10'000; ++i) limit.answered(limit.begin(32), Duration::zero());
    EXPECT_EQ(limit.allowance(), 32U);
}

TEST_F(ConcurrencyLimitTest, UnmeasuredAnswersDoNotLeaveItAtOne) {
    ConcurrencyLimit limit(32);
    run(limit, 2000, constant(100ms));
    limit.restart();
    drain();
    for (int i = 0; i < 3000 && limit.allowance() > 1; ++i) run(limit, 1, constant(250ms));
    ASSERT_EQ(limit.allowance(), 1U) << "it looks at the base";
    drain();
    for (int i = 0; i < 2000; ++i) {
        limit.answered(limit.begin(limit.allowance()), Duration::zero());
    }
    EXPECT_EQ(limit.allowance(), 32U);
}

TEST_F(ConcurrencyLimitTest, ALittleSlowerForGoodIsNotLookedIntoAtTheMaximum) {
    ConcurrencyLimit limit(32);
    run(limit, 2000, constant(100ms));
    run(limit, 10'000, constant(250ms));
    EXPECT_EQ(lowest, 32U);
}

TEST_F(ConcurrencyLimitTest, WhatIsLearnedInAQuietHourCountsLater) {
    ConcurrencyLimit limit(32);
    run(limit, 2000, serial(200ms));
    EXPECT_EQ(lowest, 32U) << "it has never been seen otherwise";
    drain();
    line_ends = now;
    run(limit, 100, serial(200ms), 1);
    run(limit, 1000, serial(200ms));
    EXPECT_LE(limit.allowance(), 4U);
}

TEST_F(ConcurrencyLimitTest, ALowerMaximumCountsAtOnce) {
    ConcurrencyLimit limit(32);
    limit.set_max(5);
    EXPECT_EQ(limit.allowance(), 5U);
    limit.set_max(0);
    EXPECT_EQ(limit.allowance(), 1U);
}

TEST_F(ConcurrencyLimitTest, AHigherMaximumIsGrownInto) {
    ConcurrencyLimit limit(4);
    run(limit, 100, constant(1ms));
    limit.set_max(32);
    EXPECT_EQ(limit.allowance(), 4U);
    run(limit, 60, constant(1ms));
    EXPECT_EQ(limit.allowance(), 32U);
}

TEST_F(ConcurrencyLimitTest, StaysBetweenOneAndTheMaximumInRandomRunsAndRecovers) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        std::size_t max = 1 + random.below(80);
        ConcurrencyLimit limit(max);
        for (int phase = 0; phase < 20; ++phase) {
            if (random.chance(0.1)) limit.restart();
            if (random.chance(0.1)) limit.set_max(max = 1 + random.below(80));
            const Duration least = std::chrono::microseconds(1 + random.below(2'000'000));
            const std::uint64_t spread = random.below(5);
            most = 0;
            run(
                limit, random.below(400),
                [&](std::size_t) { return least + least * random.below(spread + 1); },
                1 + random.below(100), random.chance(0.5) ? 1 + random.below(20) : 0);
            ASSERT_LE(limit.allowance(), max);
        }
        run(limit, 6000, constant(std::chrono::microseconds(1 + random.below(2'000'000))));
        ASSERT_EQ(limit.allowance(), max);
        drain();
    }
}

}  // namespace
}  // namespace flowrelay::core
