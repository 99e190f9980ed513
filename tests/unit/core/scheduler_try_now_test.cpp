// An operator wants an event tried now.
#include "scheduler_fixture.hpp"

namespace flowrelay::core {
namespace {

class SchedulerTryNowTest : public SchedulerTest {};

TEST_F(SchedulerTryNowTest, EndsTheWaitOfItsLane) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 1));
    ASSERT_EQ(next(), 1U);
    complete(1, answers::unavailable());
    ASSERT_EQ(next(), 0U);
    EXPECT_TRUE(scheduler.try_now(Seq{2}, now)) << "any event of the lane will do";
    EXPECT_EQ(next(), 1U);
}

TEST_F(SchedulerTryNowTest, TheNextWaitIsAsLongAsItWouldHaveBeen) {
    enqueue(1, lane_of(1, 1));
    for (int i = 0; i < 8; ++i) {
        ASSERT_EQ(next(), 1U);
        complete(1, answers::unavailable());
        scheduler.try_now(Seq{1}, now);
    }
    ASSERT_EQ(next(), 1U);
    EXPECT_EQ(complete(1, answers::unavailable()).attempt, 9U);
    EXPECT_GT(wakeup_in(), 5s) << "the backoff goes on where it was";
}

TEST_F(SchedulerTryNowTest, OneProbeOfATokenThatIsParkedMayGo) {
    for (std::uint64_t i = 1; i <= 3; ++i) enqueue(i, lane_of(1, i));
    ASSERT_EQ(next(), 1U);
    complete(1, answers::unauthorized());
    ASSERT_EQ(next(), 2U);
    complete(2, answers::unauthorized());
    ASSERT_EQ(next_all().size(), 0U);
    scheduler.try_now(Seq{2}, now);
    EXPECT_EQ(next_all().size(), 1U);
    EXPECT_EQ(token(1), TokenState::parked);
}

TEST_F(SchedulerTryNowTest, OneProbeOfATokenThatIsThrottledMayGo) {
    for (std::uint64_t i = 1; i <= 3; ++i) enqueue(i, lane_of(1, i));
    ASSERT_EQ(next(), 1U);
    complete(1, answers::throttled(60s));
    ASSERT_EQ(next(), 0U);
    scheduler.try_now(Seq{1}, now);
    EXPECT_EQ(next_all().size(), 1U);
}

TEST_F(SchedulerTryNowTest, OneProbeOfADestinationThatIsDownMayGo) {
    take_down();
    ASSERT_EQ(next(), 0U);
    scheduler.try_now(Seq{9001}, now);
    EXPECT_EQ(next_all().size(), 1U);
    EXPECT_EQ(destination(), DestinationState::down);
}

TEST_F(SchedulerTryNowTest, TheThreadThatParkedTheDestinationNeedNotLetOthersGoFirst) {
    enqueue(1, lane_of(1, 1));
    ASSERT_EQ(next(), 1U);
    complete(1, answers::ok());
    enqueue(2, lane_of(1, 1));
    ASSERT_EQ(next(), 2U);
    complete(2, answers::not_found());
    ASSERT_EQ(destination(), DestinationState::parked);
    ASSERT_EQ(next(), 0U) << "another thread may go, but not this one";
    scheduler.try_destination_now(now);
    EXPECT_EQ(next(), 2U);
}

TEST_F(SchedulerTryNowTest, APauseStays) {
    enqueue(1, lane_of(1, 1));
    scheduler.pause_token(TokenId{1});
    scheduler.try_now(Seq{1}, now);
    EXPECT_EQ(next(), 0U);
}

TEST_F(SchedulerTryNowTest, ARateLimitStaysAlsoWhenItsEventIsUnderWay) {
    scheduler.set_token_rate(TokenId{1}, 1);
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 2));
    ASSERT_EQ(next(), 1U);
    ASSERT_EQ(next(), 0U);
    scheduler.try_now(Seq{1}, now);
    EXPECT_EQ(next(), 0U);
    EXPECT_EQ(wakeup_in(), 1s);
    pass(1s);
    EXPECT_EQ(next(), 2U) << "though nothing came of the first one yet";
}

TEST_F(SchedulerTryNowTest, ARateLimitStays) {
    scheduler.set_token_rate(TokenId{1}, 1);
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 2));
    ASSERT_EQ(next(), 1U);
    scheduler.try_now(Seq{2}, now);
    EXPECT_EQ(next(), 0U);
    pass(1s);
    EXPECT_EQ(next(), 2U);
}

TEST_F(SchedulerTryNowTest, WhatIsInFlightOrNotThereIsLeftAlone) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 1));
    ASSERT_EQ(next(), 1U);
    EXPECT_TRUE(scheduler.try_now(Seq{1}, now));
    EXPECT_EQ(next(), 0U) << "one at a time in a lane";
    complete(1, answers::ok());
    EXPECT_FALSE(scheduler.try_now(Seq{1}, now));
}

TEST_F(SchedulerTryNowTest, WhatHoldsALaneIsKnownWithoutAnEvent) {
    enqueue(1, lane_of(1, 1));
    ASSERT_EQ(next(), 1U);
    const auto known = scheduler.why(lane_of(1, 1));
    EXPECT_EQ(known.lane_next, Seq{1});
    EXPECT_TRUE(known.lane_next_in_flight);
    const auto other = scheduler.why(lane_of(1, 2));
    EXPECT_EQ(other.lane_next, Seq::none);
    EXPECT_EQ(other.token.queued, 1U);
    EXPECT_EQ(scheduler.why(lane_of(2, 2)).token.queued, 0U);
}

}  // namespace
}  // namespace flowrelay::core
