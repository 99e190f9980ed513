// Rate limits: of the destination and of single tokens.
#include <gmock/gmock.h>

#include "flowrelay/core/scheduler.hpp"
#include "unit/core/scheduler_fixture.hpp"

namespace flowrelay::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class SchedulerRateTest : public SchedulerTest {
protected:
    void limit_destination(double rate, double burst = 0) {
        options.rate_limit = rate;
        options.rate_burst = burst;
        scheduler.set_options(options);
    }
    void limit(std::uint64_t token, double rate) { scheduler.set_token_rate(TokenId(token), rate); }

    /// Gives and delivers all that may go now.
    std::vector<std::uint64_t> deliver_all() {
        std::vector<std::uint64_t> delivered;
        while (const auto seq = next()) {
            complete(seq, answers::ok());
            delivered.push_back(seq);
        }
        return delivered;
    }
    Scheduler::TokenStatus status_of(std::uint64_t token) const {
        return scheduler.token_status(TokenId(token));
    }
};

TEST_F(SchedulerRateTest, ATokenGoesAtItsRate) {
    limit(1, 2);
    for (std::uint64_t i = 1; i <= 6; ++i) enqueue(i, lane_of(1, i));
    EXPECT_THAT(deliver_all(), ElementsAre(1U, 2U)) << "the burst";
    EXPECT_EQ(wakeup_in(), 500ms);
    pass(499ms);
    EXPECT_EQ(next(), 0U);
    EXPECT_EQ(wakeup_in(), 1ms);
    pass(1ms);
    EXPECT_THAT(deliver_all(), ElementsAre(3U));
    pass(10s);
    EXPECT_THAT(deliver_all(), ElementsAre(4U, 5U));
}

TEST_F(SchedulerRateTest, ATokenThatWaitsDelaysNoOther) {
    limit(1, 1);
    for (std::uint64_t i = 1; i <= 10; ++i) enqueue(i, lane_of(1 + i % 2, i));
    EXPECT_THAT(deliver_all(), ElementsAre(1U, 2U, 3U, 5U, 7U, 9U));
}

TEST_F(SchedulerRateTest, TheOrderOfALaneHolds) {
    limit(1, 10);
    for (std::uint64_t i = 1; i <= 30; ++i) enqueue(i, lane_of(1, 1));
    std::uint64_t expected = 0;
    for (int round = 0; round < 1000 && expected < 30; ++round) {
        for (const auto seq : deliver_all()) EXPECT_EQ(seq, ++expected);
        if (expected < 30) pass(wakeup_in());
    }
    EXPECT_EQ(expected, 30U);
    EXPECT_EQ(now.wall - start_of_time, 2s) << "ten at once, twenty more at ten a second";
}

TEST_F(SchedulerRateTest, TheStatusSaysThatItIsTheRateLimitAndUntilWhen) {
    limit(1, 0.1);
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 2));
    EXPECT_FALSE(status_of(1).rate_limited_until);
    deliver_all();
    EXPECT_EQ(status_of(1).rate_limited_until, now.mono + 10s);
    EXPECT_EQ(status_of(1).state, TokenState::active);
    EXPECT_FALSE(status_of(1).until);
    const auto reason = scheduler.why(Seq(2));
    ASSERT_TRUE(reason);
    EXPECT_EQ(reason->token.rate_limited_until, now.mono + 10s);
    EXPECT_FALSE(reason->destination_rate_limited_until);
    EXPECT_FALSE(reason->destination_full);
}

TEST_F(SchedulerRateTest, ARateSurvivesATokenWithoutEvents) {
    limit(1, 1);
    enqueue(1, lane_of(1, 1));
    deliver_all();
    enqueue(2, lane_of(1, 1));
    EXPECT_EQ(next(), 0U);
    pass(1s);
    EXPECT_THAT(deliver_all(), ElementsAre(2U));
    enqueue(3, lane_of(1, 1));
    EXPECT_EQ(next(), 0U);
}

TEST_F(SchedulerRateTest, ARateSurvivesTheRemovalOfItsToken) {
    limit(1, 1);
    enqueue(1, lane_of(1, 1));
    EXPECT_EQ(next(), 1U);
    EXPECT_EQ(complete(1, answers::gone()).action, Completion::Action::disable_token);
    EXPECT_EQ(token(1), TokenState::active) << "nothing of it is in flight";
    enqueue(2, lane_of(1, 1));
    EXPECT_EQ(next(), 0U);
    EXPECT_EQ(wakeup_in(), 1s);
}

TEST_F(SchedulerRateTest, NothingWakesForATokenThatHasNothingToSend) {
    limit(1, 1);
    enqueue(1, lane_of(1, 1));
    EXPECT_EQ(next(), 1U);
    EXPECT_EQ(complete(1, answers::ok()).outcome, Outcome::delivered);
    EXPECT_EQ(wakeup_in(), -1ms);
    enqueue(2, lane_of(1, 1));
    EXPECT_EQ(wakeup_in(), 1s);
    EXPECT_TRUE(scheduler.take(Seq(2)));
    EXPECT_EQ(wakeup_in(), -1ms);
    enqueue(3, lane_of(1, 1));
    scheduler.pause_token(TokenId(1));
    EXPECT_EQ(wakeup_in(), options.max_age);
    scheduler.resume_token(TokenId(1));
    EXPECT_EQ(wakeup_in(), 1s);
}

TEST_F(SchedulerRateTest, ALaneInBackoffAndTheRateLimitBothCount) {
    limit(1, 0.2);
    enqueue(1, lane_of(1, 1));
    EXPECT_EQ(next(), 1U);
    const auto completion = complete(1, answers::try_again());
    EXPECT_EQ(completion.wait, 5s) << "a backoff of at most a second, and the limit";
    std::size_t wakeups = 0;
    while (next() == 0 && wakeups < 10) {
        pass(wakeup_in());
        ++wakeups;
    }
    EXPECT_EQ(now.wall - start_of_time, 5s);
    EXPECT_LE(wakeups, 2U);
}

TEST_F(SchedulerRateTest, AThrottledTokenWithARateWakesOnceForBoth) {
    limit(1, 0.1);
    enqueue(1, lane_of(1, 1));
    EXPECT_EQ(next(), 1U);
    EXPECT_EQ(complete(1, answers::throttled(3s)).wait, 10s);
    EXPECT_EQ(status_of(1).state, TokenState::throttled);
    EXPECT_EQ(status_of(1).until, now.mono + 3s);
    EXPECT_EQ(status_of(1).rate_limited_until, now.mono + 10s);
    EXPECT_EQ(wakeup_in(), 10s);
    pass(10s);
    const auto given = scheduler.next(now);
    ASSERT_TRUE(given);
    EXPECT_TRUE(given->probe);
}

TEST_F(SchedulerRateTest, ALongThrottleIsWhatCounts) {
    limit(1, 1);
    enqueue(1, lane_of(1, 1));
    EXPECT_EQ(next(), 1U);
    EXPECT_EQ(complete(1, answers::throttled(30s)).wait, 30s);
    EXPECT_EQ(wakeup_in(), 30s);
}

TEST_F(SchedulerRateTest, ANewRateCountsForWhatWaits) {
    limit(1, 0.01);
    for (std::uint64_t i = 1; i <= 4; ++i) enqueue(i, lane_of(1, i));
    EXPECT_THAT(deliver_all(), SizeIs(1));
    EXPECT_EQ(wakeup_in(), 100s);
    limit(1, 1);
    EXPECT_EQ(wakeup_in(), 1s);
    limit(1, 0.5);
    EXPECT_EQ(wakeup_in(), 2s);
    limit(1, 0);
    EXPECT_THAT(deliver_all(), SizeIs(3));
}

TEST_F(SchedulerRateTest, ALimitOnATokenThatTakesTurnsCountsAtOnce) {
    for (std::uint64_t i = 1; i <= 4; ++i) enqueue(i, lane_of(1, i));
    limit(1, 2);
    EXPECT_THAT(deliver_all(), ElementsAre(1U, 2U));
    EXPECT_EQ(wakeup_in(), 500ms);
}

TEST_F(SchedulerRateTest, NoRateIsRememberedForATokenThatHasNone) {
    limit(1, 5);
    limit(1, 0);
    limit(2, 0);
    enqueue(1, lane_of(1, 1));
    EXPECT_FALSE(status_of(1).rate_limited_until);
    EXPECT_THAT(deliver_all(), SizeIs(1));
}

TEST_F(SchedulerRateTest, TheBurstOfTheDestinationCanBeTold) {
    limit_destination(4, 1);
    for (std::uint64_t i = 1; i <= 6; ++i) enqueue(i, lane_of(i, 1));
    pass(10s);
    EXPECT_THAT(deliver_all(), SizeIs(1)) << "a pause saves nothing up";
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(wakeup_in(), 250ms);
        pass(250ms);
        EXPECT_THAT(deliver_all(), SizeIs(1));
    }
    limit_destination(4, 2);
    pass(10s);
    EXPECT_THAT(deliver_all(), SizeIs(2)) << "a reload takes another one";
}

TEST_F(SchedulerRateTest, TheDestinationGoesAtItsRate) {
    limit_destination(4);
    for (std::uint64_t i = 1; i <= 10; ++i) enqueue(i, lane_of(i, 1));
    EXPECT_THAT(deliver_all(), SizeIs(4));
    EXPECT_EQ(scheduler.status().rate_limited_until, now.mono + 250ms);
    const auto reason = scheduler.why(Seq(10));
    ASSERT_TRUE(reason);
    EXPECT_EQ(reason->destination_rate_limited_until, now.mono + 250ms);
    EXPECT_FALSE(reason->token.rate_limited_until);
    EXPECT_EQ(wakeup_in(), 250ms);
    pass(249ms);
    EXPECT_THAT(next_all(), IsEmpty());
    pass(1ms);
    EXPECT_THAT(deliver_all(), ElementsAre(5U));
}

TEST_F(SchedulerRateTest, TokensShareTheRateOfTheDestinationInTurns) {
    limit_destination(2);
    for (std::uint64_t i = 1; i <= 90; ++i) enqueue(i, lane_of(1, i));
    for (std::uint64_t i = 91; i <= 94; ++i) enqueue(i, lane_of(2, i));
    std::vector<std::uint64_t> delivered;
    while (delivered.size() < 8) {
        for (const auto seq : deliver_all()) delivered.push_back(seq);
        pass(wakeup_in());
    }
    EXPECT_THAT(delivered, ElementsAre(1U, 91U, 2U, 92U, 3U, 93U, 4U, 94U));
}

TEST_F(SchedulerRateTest, NothingWakesForTheDestinationsRateWhenNothingIsReady) {
    limit_destination(1);
    enqueue(1, lane_of(1, 1));
    deliver_all();
    EXPECT_EQ(wakeup_in(), -1ms);
}

TEST_F(SchedulerRateTest, ATokenThatWaitsTakesNothingOfTheDestinationsRate) {
    limit_destination(1);
    limit(1, 0.01);
    for (std::uint64_t i = 1; i <= 50; ++i) enqueue(i, lane_of(1, i));
    enqueue(51, lane_of(2, 1));
    enqueue(52, lane_of(2, 2));
    EXPECT_THAT(deliver_all(), ElementsAre(1U));
    pass(wakeup_in());
    EXPECT_THAT(deliver_all(), ElementsAre(51U));
    pass(wakeup_in());
    EXPECT_THAT(deliver_all(), ElementsAre(52U));
    EXPECT_EQ(now.wall - start_of_time, 2s);
}

TEST_F(SchedulerRateTest, ProbesAreHeldToTheRate) {
    limit_destination(0.1);
    enqueue(1, lane_of(1, 1));
    EXPECT_EQ(next(), 1U);
    complete(1, answers::ok());
    enqueue(2, lane_of(1, 1));
    scheduler.hold_destination(now.mono + 1s);
    EXPECT_EQ(destination(), DestinationState::held);
    EXPECT_EQ(wakeup_in(), 10s);
    pass(1s);
    EXPECT_EQ(next(), 0U);
    pass(9s);
    EXPECT_EQ(next(), 2U);
}

TEST_F(SchedulerRateTest, AFullDestinationSaysSo) {
    let_all_places_be_taken();
    options.max_in_flight = 2;
    scheduler.set_options(options);
    for (std::uint64_t i = 1; i <= 3; ++i) enqueue(i, lane_of(1, i));
    EXPECT_THAT(next_all(), SizeIs(2));
    EXPECT_EQ(scheduler.status().allowance, 2U);
    const auto reason = scheduler.why(Seq(3));
    ASSERT_TRUE(reason);
    EXPECT_TRUE(reason->destination_full);
    complete(1, answers::ok());
    EXPECT_FALSE(scheduler.why(Seq(3))->destination_full);
}

// ---- what brings the allowance down, and what does not

TEST_F(SchedulerRateTest, OneThreadThatAlwaysFailsTakesNoPlaceFromOthers) {
    options.lane_backoff = {10ms, 10ms};
    scheduler.set_options(options);
    for (std::uint64_t i = 1; i <= 8; ++i) enqueue(i, lane_of(1, i));  // these fail
    std::uint64_t seq = 100;
    for (int round = 0; round < 300; ++round) {
        for (int i = 0; i < 8; ++i, ++seq) enqueue(seq, lane_of(2, seq));
        for (const auto given : next_all()) {
            complete(given, given <= 8 ? answers::unavailable() : answers::ok());
        }
        pass(10ms);
    }
    EXPECT_EQ(destination(), DestinationState::up);
    EXPECT_EQ(scheduler.status().allowance, options.max_in_flight);
}

TEST_F(SchedulerRateTest, AThreadThatIsAlwaysAnswered503IsNoLimit) {
    options.lane_backoff = {10ms, 10ms};
    scheduler.set_options(options);
    enqueue(1, lane_of(1, 1));
    std::uint64_t seq = 100;
    for (int round = 0; round < 100; ++round) {
        for (int i = 0; i < 4; ++i, ++seq) enqueue(seq, lane_of(1, seq));
        for (const auto given : next_all()) {
            complete(given, given == 1 ? answers::busy() : answers::ok());
        }
        EXPECT_EQ(scheduler.status().allowance, options.max_in_flight);
        EXPECT_FALSE(scheduler.why(Seq(1))->destination_paced_until);
        pass(10ms);
    }
}

// Its pace has slowed down for it already.
TEST_F(SchedulerRateTest, ATokenThatPassesAKnownLimitByAStepWaitsTheShortestTime) {
    std::uint64_t seq = 1;
    const auto send_one = [&](const Judgement& answer) {
        enqueue(seq, lane_of(1, seq));
        ++seq;
        for (int i = 0; i < 10'000; ++i, pass(1ms)) {
            const auto given = next_all();
            for (const auto number : given) complete(number, answer);
            if (!given.empty()) return;
        }
        FAIL() << "nothing was sent";
    };
    for (int i = 0; i < 10; ++i) send_one(answers::ok());
    send_one(answers::throttled());
    for (int round = 0; round < 20; ++round) {
        for (int i = 0; i < 10; ++i) send_one(answers::ok());
        const auto shortest = options.token_backoff.initial / 10;
        send_one(answers::throttled());
        const auto until = scheduler.token_status(TokenId(1)).until;
        ASSERT_TRUE(until);
        EXPECT_EQ(*until - now.mono, shortest);
    }
}

TEST_F(SchedulerRateTest, ATokenThatIsThrottledTakesNoPlaceFromOthers) {
    for (std::uint64_t i = 1; i <= 20; ++i) enqueue(i, lane_of(1, i));
    for (const auto seq : next_all()) complete(seq, answers::throttled(10ms));
    for (int i = 0; i < 100; ++i) {
        pass(10ms);
        for (const auto seq : next_all()) complete(seq, answers::throttled(10ms));
    }
    EXPECT_EQ(scheduler.status().allowance, options.max_in_flight);
}

TEST_F(SchedulerRateTest, TokensThatAreThrottledTogetherGoInStepAndOthersAsBefore) {
    for (std::uint64_t i = 1; i <= 20; ++i) enqueue(i, lane_of(i, 1));
    for (const auto seq : next_all()) {
        complete(seq, seq % 2 == 0 ? answers::throttled(10ms) : answers::ok());
    }
    EXPECT_EQ(scheduler.status().allowance, options.max_in_flight);
    for (std::uint64_t i = 1; i <= 20; ++i) enqueue(20 + i, lane_of(i, 2));
    pass(10ms);
    std::size_t throttled = 0;
    std::size_t others = 0;
    for (const auto seq : next_all()) ++(seq % 2 == 0 ? throttled : others);
    EXPECT_EQ(others, 10U);
    EXPECT_LT(throttled, 10U);
}

TEST_F(SchedulerRateTest, ATokenLeavesTheStepWhenItWasNotRefusedForTenMinutes) {
    std::uint64_t seq = 0;
    const auto send_all = [&](std::uint64_t lanes, const Judgement& answer) {
        for (std::uint64_t lane = 1; lane <= lanes; ++lane) enqueue(++seq, lane_of(1, lane));
        const auto given = next_all();
        for (const auto each : given) complete(each, answer);
        return given.size();
    };
    send_all(20, answers::ok());
    send_all(1, answers::throttled(10ms));
    pass(10ms);
    EXPECT_LT(send_all(20, answers::ok()), 20U);
    while (scheduler.status().queued > 0) {
        pass(100ms);
        for (const auto each : next_all()) complete(each, answers::ok());
    }
    pass(601s);
    send_all(1, answers::ok());
    EXPECT_EQ(send_all(20, answers::ok()), 20U);
}

TEST_F(SchedulerRateTest, ManyLanesThatAreShedBringItDown) {
    for (std::uint64_t i = 1; i <= 32; ++i) enqueue(i, lane_of(1, i));
    std::uint64_t count = 0;
    for (const auto seq : next_all()) {
        complete(seq, ++count % 2 == 0 ? answers::ok() : answers::unavailable());
    }
    EXPECT_EQ(destination(), DestinationState::up);
    EXPECT_EQ(scheduler.status().allowance, options.max_in_flight / 2);
}

}  // namespace
}  // namespace flowrelay::core
