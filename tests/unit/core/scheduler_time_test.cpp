// When events expire, and when the scheduler wants to be asked again.
#include <gmock/gmock.h>

#include "flowrelay/core/scheduler.hpp"
#include "unit/core/scheduler_fixture.hpp"

namespace flowrelay::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// ---- expiry

TEST_F(SchedulerTest, AnEventExpiresAtMaxAge) {
    enqueue(1, lane_of(1, 1));
    pass(options.max_age - 1ms);
    EXPECT_THAT(take_expired(), IsEmpty());
    pass(1ms);
    EXPECT_EQ(next(), 0U) << "over age, never given";
    EXPECT_THAT(take_expired(), ElementsAre(1U));
    EXPECT_EQ(scheduler.status().queued, 0U);
}

TEST_F(SchedulerTest, AnEventExpiresAtItsOwnTimeIfThatIsEarlier) {
    auto mine = event(1, lane_of(1, 1));
    mine.expires = now.wall + 2s;
    scheduler.enqueue(mine);
    auto far = event(2, lane_of(1, 2));
    far.expires = now.wall + options.max_age + 1h;
    scheduler.enqueue(far);
    EXPECT_EQ(wakeup_in(), 2s);
    pass(2s);
    EXPECT_EQ(wakeup_in(), 0ms);
    EXPECT_THAT(take_expired(), ElementsAre(1U));
    pass(options.max_age);
    EXPECT_THAT(take_expired(), ElementsAre(2U));
}

TEST_F(SchedulerTest, ExpiredEventsComeWithAllThatIsKnownOfThem) {
    auto mine = event(4, lane_of(3, 2));
    mine.expires = now.wall + 1s;
    scheduler.enqueue(mine);
    pass(1s);
    const auto taken = scheduler.take_expired(now, 10);
    ASSERT_EQ(taken.size(), 1U);
    EXPECT_EQ(taken[0].seq, mine.seq);
    EXPECT_EQ(taken[0].lane, mine.lane);
    EXPECT_EQ(taken[0].accepted, mine.accepted);
    EXPECT_EQ(taken[0].expires, mine.expires);
    EXPECT_EQ(taken[0].bytes, mine.bytes);
}

TEST_F(SchedulerTest, TakesNoMoreExpiredEventsThanAsked) {
    for (std::uint64_t seq = 1; seq <= 5; ++seq) enqueue(seq, lane_of(1, seq));
    pass(options.max_age);
    EXPECT_THAT(take_expired(3), SizeIs(3));
    EXPECT_EQ(wakeup_in(), 0ms) << "there is more";
    EXPECT_THAT(take_expired(3), SizeIs(2));
    EXPECT_EQ(wakeup_in(), -1ms);
}

TEST_F(SchedulerTest, TheLaneOfAnExpiredHeadGoesOnAtOnce) {
    auto old = event(1, lane_of(1, 1));
    old.expires = now.wall + 10ms;
    scheduler.enqueue(old);
    enqueue(2, lane_of(1, 1));
    next();
    EXPECT_GT(complete(1, answers::try_again()).wait, 10ms);
    pass(10ms);
    EXPECT_EQ(next(), 0U) << "the lane waits";
    EXPECT_THAT(take_expired(), ElementsAre(1U));
    const auto given = scheduler.next(now);
    ASSERT_TRUE(given);
    EXPECT_EQ(given->seq, Seq(2));
    EXPECT_EQ(given->attempt, 1U);
}

TEST_F(SchedulerTest, WhatIsBehindAnExpiredHeadWaitsUntilItIsTaken) {
    auto old = event(1, lane_of(1, 1));
    old.expires = now.wall + 10ms;
    scheduler.enqueue(old);
    enqueue(2, lane_of(1, 1));
    enqueue(3, lane_of(1, 2));
    pass(10ms);
    EXPECT_THAT(next_all(), ElementsAre(3U));
    EXPECT_THAT(take_expired(), ElementsAre(1U));
    EXPECT_THAT(next_all(), ElementsAre(2U));
}

TEST_F(SchedulerTest, AnExpiredEventLeavesFromTheMiddleOfItsLane) {
    enqueue(1, lane_of(1, 1));
    auto old = event(2, lane_of(1, 1));
    old.expires = now.wall + 10ms;
    scheduler.enqueue(old);
    enqueue(3, lane_of(1, 1));
    pass(10ms);
    EXPECT_THAT(take_expired(), ElementsAre(2U));
    EXPECT_EQ(next(), 1U);
    complete(1, answers::ok());
    EXPECT_EQ(next(), 3U);
}

TEST_F(SchedulerTest, AnEventInFlightExpiresAfterItsAttemptFailed) {
    enqueue(1, lane_of(1, 1));
    next();
    pass(options.max_age);
    EXPECT_THAT(take_expired(), IsEmpty());
    EXPECT_EQ(wakeup_in(), -1ms);
    complete(1, answers::try_again());
    EXPECT_EQ(wakeup_in(), 0ms);
    EXPECT_THAT(take_expired(), ElementsAre(1U));
}

TEST_F(SchedulerTest, AnEventInFlightIsDeliveredHoweverOldItIs) {
    enqueue(1, lane_of(1, 1));
    next();
    pass(options.max_age);
    EXPECT_EQ(complete(1, answers::ok()).outcome, Outcome::delivered);
}

TEST_F(SchedulerTest, AClockSetBackMakesOverdueEventsYoungAgain) {
    enqueue(1, lane_of(1, 1));
    const Now before = now;
    now.wall += options.max_age;
    EXPECT_EQ(next(), 0U);
    now = before;
    EXPECT_EQ(next(), 1U);
}

TEST_F(SchedulerTest, AnOlderEventIsGivenThoughTheHeadWasOverdue) {
    auto old = event(5, lane_of(1, 1));
    old.expires = now.wall + 10ms;
    scheduler.enqueue(old);
    pass(10ms);
    EXPECT_EQ(next(), 0U);
    enqueue(2, lane_of(1, 1));
    EXPECT_EQ(next(), 2U);
}

TEST_F(SchedulerTest, AChangedMaxAgeHoldsAtOnce) {
    enqueue(1, lane_of(1, 1));
    pass(1h);
    options.max_age = 2h;
    scheduler.set_options(options);
    EXPECT_EQ(wakeup_in(), 1h);
    options.max_age = 30min;
    scheduler.set_options(options);
    EXPECT_EQ(wakeup_in(), 0ms);
    EXPECT_THAT(take_expired(), ElementsAre(1U));
}

TEST_F(SchedulerTest, ALongerMaxAgeMakesOverdueEventsYoungAgain) {
    enqueue(1, lane_of(1, 1));
    pass(options.max_age);
    EXPECT_EQ(next(), 0U);
    options.max_age += 1h;
    scheduler.set_options(options);
    EXPECT_EQ(next(), 1U);
}

TEST_F(SchedulerTest, AMaxAgeWithoutLimitNeverExpires) {
    options.max_age = Milliseconds::max();
    scheduler.set_options(options);
    enqueue(1, lane_of(1, 1));
    EXPECT_EQ(wakeup_in(), -1ms);
    pass(std::chrono::hours(24 * 365 * 10));
    EXPECT_THAT(take_expired(), IsEmpty());
    EXPECT_EQ(next(), 1U);
}

// ---- wake-ups

TEST_F(SchedulerTest, WakesUpWhenALaneHasWaited) {
    enqueue(1, lane_of(1, 1));
    next();
    const auto wait = complete(1, answers::try_again()).wait;
    EXPECT_EQ(wakeup_in(), wait);
}

TEST_F(SchedulerTest, WhatIsReadyAlreadyIsNoReasonToWakeUp) {
    enqueue(1, lane_of(1, 1));
    EXPECT_EQ(wakeup_in(), options.max_age) << "only its expiry";
}

TEST_F(SchedulerTest, AWaitThatIsOverIsNoReasonToWakeUp) {
    enqueue(1, lane_of(1, 1));
    next();
    pass(complete(1, answers::try_again()).wait);
    EXPECT_GT(wakeup_in(), 1h) << "a caller without a free connection would spin";
}

TEST_F(SchedulerTest, ExpiryWakesUpByTheMonotonicClockOfNow) {
    enqueue(1, lane_of(1, 1));
    pass(1h);
    now.wall += 24h;  // the wall clock was set
    EXPECT_EQ(scheduler.next_wakeup(now), now.mono + (options.max_age - 25h));
}

TEST_F(SchedulerTest, AVeryDistantExpiryStaysInRange) {
    auto far = event(1, lane_of(1, 1));
    far.expires = WallTime(Milliseconds::max() - 1ms);
    options.max_age = Milliseconds::max();
    scheduler.set_options(options);
    scheduler.enqueue(far);
    ASSERT_TRUE(scheduler.next_wakeup(now));
    EXPECT_GT(*scheduler.next_wakeup(now), now.mono);
}

}  // namespace
}  // namespace flowrelay::core
