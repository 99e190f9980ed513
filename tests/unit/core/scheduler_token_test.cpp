// What the answers and the operators do to tokens, and with them to their events.
#include <gmock/gmock.h>

#include <algorithm>

#include "flowrelay/core/scheduler.hpp"
#include "unit/core/scheduler_fixture.hpp"

namespace flowrelay::core {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

// ---- a token asks to wait

TEST_F(SchedulerTest, RetryAfterOn429HoldsItsTokenAlone) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 2));
    enqueue(3, lane_of(2, 1));
    next();
    const auto completion = complete(1, answers::throttled(20s));
    EXPECT_EQ(completion.action, Completion::Action::retry);
    EXPECT_EQ(completion.wait, 20s);
    EXPECT_EQ(completion.token_changed, TokenState::throttled);
    EXPECT_FALSE(completion.destination_changed);
    EXPECT_THAT(next_all(), ElementsAre(3U));
    EXPECT_EQ(wakeup_in(), 20s);
    EXPECT_EQ(scheduler.token_status(TokenId(1)).until, now.mono + 20s);
}

TEST_F(SchedulerTest, A429IsNotCountedAsAnAttempt) {
    enqueue(1, lane_of(1, 1));
    for (int i = 0; i < 5; ++i) {
        const auto given = scheduler.next(now);
        ASSERT_TRUE(given);
        EXPECT_EQ(given->attempt, 1U);
        const auto completion = complete(1, answers::throttled(1s));
        EXPECT_EQ(completion.attempt, 1U);
        pass(1s);
    }
}

TEST_F(SchedulerTest, AfterAThrottleOneAtATimeUntilOneIsTaken) {
    for (std::uint64_t i = 1; i <= 5; ++i) enqueue(i, lane_of(1, i));
    next();
    complete(1, answers::throttled(1s));
    pass(1s);
    const auto given = scheduler.next(now);
    ASSERT_TRUE(given);
    EXPECT_TRUE(given->probe);
    EXPECT_EQ(next(), 0U);
    EXPECT_EQ(complete(to_number(given->seq), answers::ok()).token_changed, TokenState::active);
    EXPECT_THAT(next_all(), SizeIs(4));
}

TEST_F(SchedulerTest, WithoutRetryAfterTheBackoffOfTheTokenGrows) {
    enqueue(1, lane_of(1, 1));
    Milliseconds longest{0};
    for (int i = 0; i < 12; ++i) {
        ASSERT_EQ(next(), 1U);
        const auto wait = complete(1, answers::throttled()).wait;
        EXPECT_GE(wait, 100ms);
        longest = std::max(longest, wait);
        pass(wait);
    }
    EXPECT_GT(longest, 10s);
}

TEST_F(SchedulerTest, Many429AtOnceAreOne) {
    let_all_places_be_taken();
    for (std::uint64_t i = 1; i <= 32; ++i) enqueue(i, lane_of(1, i));
    next_all();
    for (std::uint64_t i = 1; i <= 32; ++i) complete(i, answers::throttled());
    EXPECT_LE(*scheduler.token_status(TokenId(1)).until, now.mono + 1s);
}

TEST_F(SchedulerTest, AThrottledTokenWithoutEventsIsForgottenInTime) {
    enqueue(1, lane_of(1, 1));
    next();
    complete(1, answers::throttled(5s));
    scheduler.take(Seq(1));
    EXPECT_EQ(token(1), TokenState::throttled) << "the server asked to wait";
    enqueue(2, lane_of(1, 1));
    EXPECT_EQ(next(), 0U);
    scheduler.take(Seq(2));
    pass(5s);
    next();
    EXPECT_EQ(token(1), TokenState::active);
    EXPECT_EQ(wakeup_in(), -1ms);
}

// ---- a parked token

TEST_F(SchedulerTest, A401ParksTheTokenAndKeepsItsEvents) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 2));
    enqueue(3, lane_of(2, 1));
    next();
    const auto completion = complete(1, answers::unauthorized());
    EXPECT_EQ(completion.action, Completion::Action::retry);
    EXPECT_EQ(completion.token_changed, TokenState::parked);
    EXPECT_EQ(completion.wait, options.token_probe);
    EXPECT_THAT(next_all(), ElementsAre(3U, 2U)) << "it may be the event: one other is tried";
    EXPECT_EQ(scheduler.token_status(TokenId(1)).queued, 2U);
    complete(3, answers::ok());
    EXPECT_EQ(complete(2, answers::unauthorized()).wait, options.token_probe);
    EXPECT_EQ(next(), 0U);
    EXPECT_EQ(wakeup_in(), options.token_probe);
}

TEST_F(SchedulerTest, AParkedTokenIsProbedOnceEachInterval) {
    for (std::uint64_t i = 1; i <= 3; ++i) enqueue(i, lane_of(1, i));
    next();
    complete(1, answers::unauthorized());
    std::vector<std::uint64_t> probes;
    for (int i = 0; i < 4; ++i) {
        pass(options.token_probe);
        const auto given = scheduler.next(now);
        ASSERT_TRUE(given);
        EXPECT_TRUE(given->probe);
        EXPECT_EQ(next(), 0U);
        probes.push_back(to_number(given->seq));
        const auto completion = complete(to_number(given->seq), answers::unauthorized());
        EXPECT_FALSE(completion.token_changed);
        EXPECT_EQ(completion.wait, options.token_probe);
    }
    EXPECT_THAT(probes, ElementsAre(2U, 3U, 1U, 2U));
}

TEST_F(SchedulerTest, ATakenProbeEndsThePark) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 2));
    enqueue(3, lane_of(1, 3));
    next();
    complete(1, answers::unauthorized());
    pass(options.token_probe);
    EXPECT_EQ(complete(next(), answers::ok()).token_changed, TokenState::active);
    EXPECT_THAT(next_all(), SizeIs(2));
}

TEST_F(SchedulerTest, ARejectedProbeEndsTheParkToo) {
    enqueue(1, lane_of(1, 1));
    next();
    complete(1, answers::unauthorized());
    pass(options.token_probe);
    EXPECT_EQ(complete(next(), answers::rejected()).token_changed, TokenState::active);
}

TEST_F(SchedulerTest, AProbeThatNobodyAnsweredProvesNothingOfTheToken) {
    enqueue(1, lane_of(1, 1));
    next();
    complete(1, answers::unauthorized());
    pass(options.token_probe);
    EXPECT_FALSE(complete(next(), answers::no_connection()).token_changed);
    EXPECT_EQ(token(1), TokenState::parked);
    EXPECT_GT(wakeup_in(), 0ms);
    pass(options.token_probe);
    EXPECT_EQ(next(), 1U);
}

TEST_F(SchedulerTest, AnswersFromBeforeDoNotEndThePark) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 2));
    next_all();
    complete(1, answers::unauthorized());
    EXPECT_EQ(complete(2, answers::ok()).outcome, Outcome::delivered);
    EXPECT_EQ(token(1), TokenState::parked);
}

TEST_F(SchedulerTest, AThreadThatIsAlwaysAnswered403DelaysItselfAlone) {
    for (std::uint64_t i = 1; i <= 40; ++i) enqueue(i, lane_of(1, i % 2));
    ASSERT_EQ(next(), 1U);
    complete(1, answers::unauthorized());
    pass(options.token_probe);
    ASSERT_EQ(next(), 2U);
    complete(2, answers::ok());
    while (const auto seq = next()) {
        complete(seq, seq % 2 == 1 ? answers::unauthorized() : answers::ok());
        ASSERT_EQ(token(1), TokenState::active);
    }
    EXPECT_EQ(scheduler.status().queued, 20U);
    EXPECT_EQ(scheduler.status().waiting_lanes, 1U);
}

// ---- a token that is gone

TEST_F(SchedulerTest, A410TakesTheWholeTokenOut) {
    for (std::uint64_t i = 1; i <= 3; ++i) enqueue(i, lane_of(1, 1));
    enqueue(4, lane_of(1, 2));
    enqueue(5, lane_of(2, 1));
    ASSERT_EQ(next(), 1U);
    const auto completion = complete(1, answers::gone());
    EXPECT_EQ(completion.action, Completion::Action::disable_token);
    EXPECT_EQ(completion.token_changed, TokenState::gone);
    EXPECT_EQ(completion.removed, 4U);
    EXPECT_EQ(scheduler.status().queued, 1U);
    EXPECT_THAT(next_all(), ElementsAre(5U));
}

TEST_F(SchedulerTest, EventsInFlightOfAGoneTokenAreDeliveredOrErased) {
    for (std::uint64_t i = 1; i <= 5; ++i) enqueue(i, lane_of(1, i));
    enqueue(6, lane_of(1, 2));
    next_all();
    EXPECT_EQ(complete(1, answers::gone()).removed, 2U) << "1 and 6; the others are in flight";
    EXPECT_EQ(token(1), TokenState::gone);
    EXPECT_EQ(scheduler.status().queued, 4U);
    EXPECT_EQ(complete(2, answers::ok()).outcome, Outcome::delivered);
    for (const auto& [seq, answer] :
         {std::pair(3, answers::try_again()), std::pair(4, answers::rejected()),
          std::pair(5, answers::gone())}) {
        const auto completion = complete(static_cast<std::uint64_t>(seq), answer);
        EXPECT_EQ(completion.action, Completion::Action::settle);
        EXPECT_EQ(completion.outcome, Outcome::erased);
        EXPECT_FALSE(completion.token_changed);
    }
    EXPECT_EQ(scheduler.status().queued, 0U);
    EXPECT_EQ(token(1), TokenState::active) << "nothing is known of it";
}

TEST_F(SchedulerTest, AReleasedEventOfARemovedTokenLeavesWithIt) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 2));
    next_all();
    EXPECT_EQ(scheduler.remove_token(TokenId(1)), 0U);
    EXPECT_FALSE(scheduler.release(Seq(1), now));
    EXPECT_EQ(scheduler.unreadable(Seq(2), false, now).outcome, Outcome::erased);
    EXPECT_EQ(scheduler.status().queued, 0U);
    EXPECT_EQ(next(), 0U);
}

TEST_F(SchedulerTest, RemovingATokenForgetsItsWaitsAndTimers) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 2));
    next_all();
    complete(1, answers::try_again());
    complete(2, answers::throttled(1h));
    EXPECT_EQ(scheduler.remove_token(TokenId(1)), 2U);
    EXPECT_EQ(scheduler.remove_token(TokenId(1)), 0U);
    EXPECT_EQ(scheduler.status().queued, 0U);
    EXPECT_EQ(scheduler.status().waiting_lanes, 0U);
    EXPECT_EQ(wakeup_in(), -1ms);
}

TEST_F(SchedulerTest, ATokenThatComesBackIsNotHarmedByItsOldEvents) {
    enqueue(1, lane_of(1, 1));
    next();
    scheduler.remove_token(TokenId(1));
    enqueue(2, lane_of(1, 1));
    enqueue(3, lane_of(1, 2));
    EXPECT_EQ(token(1), TokenState::active);
    EXPECT_THAT(next_all(), ElementsAre(3U)) << "one at a time in the lane, the old one counts";
    EXPECT_EQ(complete(1, answers::unauthorized()).outcome, Outcome::erased);
    EXPECT_EQ(token(1), TokenState::active);
    EXPECT_THAT(next_all(), ElementsAre(2U));
}

TEST_F(SchedulerTest, TheProbeOfADestinationCountsThoughItsTokenWasRemoved) {
    take_down();
    pass(wakeup_in());
    const auto probe = next();
    scheduler.remove_token(TokenId(99));
    const auto completion = complete(probe, answers::ok());
    EXPECT_EQ(completion.outcome, Outcome::delivered);
    EXPECT_EQ(completion.destination_changed, DestinationState::up);
}

// ---- operators

TEST_F(SchedulerTest, APausedTokenGivesNothingUntilResumed) {
    scheduler.pause_token(TokenId(1));
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(2, 1));
    EXPECT_EQ(token(1), TokenState::paused);
    EXPECT_THAT(next_all(), ElementsAre(2U));
    scheduler.resume_token(TokenId(1));
    EXPECT_EQ(token(1), TokenState::active);
    EXPECT_THAT(next_all(), ElementsAre(1U));
}

TEST_F(SchedulerTest, WhatIsInFlightGoesOnWhenItsTokenIsPaused) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 1));
    next();
    scheduler.pause_token(TokenId(1));
    EXPECT_EQ(complete(1, answers::ok()).outcome, Outcome::delivered);
    EXPECT_EQ(next(), 0U);
    EXPECT_EQ(token(1), TokenState::paused);
}

TEST_F(SchedulerTest, EventsOfAPausedTokenExpire) {
    scheduler.pause_token(TokenId(1));
    enqueue(1, lane_of(1, 1));
    pass(options.max_age);
    EXPECT_THAT(take_expired(), ElementsAre(1U));
    EXPECT_EQ(token(1), TokenState::paused) << "still";
}

TEST_F(SchedulerTest, ResumingTriesAParkedTokenAtOnce) {
    enqueue(1, lane_of(1, 1));
    next();
    complete(1, answers::unauthorized());
    scheduler.resume_token(TokenId(1));
    EXPECT_EQ(token(1), TokenState::active);
    EXPECT_EQ(next(), 1U);
}

TEST_F(SchedulerTest, AfterAResumeTheSameAnswerIsAboutTheTokenAgain) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 2));
    for (int i = 0; i < 3; ++i) {
        ASSERT_EQ(next(), 1U);
        ASSERT_EQ(next(), 2U);
        complete(1, answers::unauthorized());
        complete(2, answers::unauthorized());
        EXPECT_EQ(token(1), TokenState::parked) << i;
        EXPECT_EQ(next(), 0U);
        scheduler.resume_token(TokenId(1));
    }
}

TEST_F(SchedulerTest, ResumingDoesNotEndAThrottle) {
    enqueue(1, lane_of(1, 1));
    next();
    complete(1, answers::throttled(10s));
    scheduler.pause_token(TokenId(1));
    pass(1s);
    scheduler.resume_token(TokenId(1));
    EXPECT_EQ(token(1), TokenState::throttled);
    EXPECT_EQ(wakeup_in(), 9s);
    EXPECT_EQ(next(), 0U);
    pass(9s);
    EXPECT_EQ(next(), 1U);
}

TEST_F(SchedulerTest, AThrottleThatEndsInAPauseIsOverWhenResumed) {
    enqueue(1, lane_of(1, 1));
    next();
    complete(1, answers::throttled(10s));
    scheduler.pause_token(TokenId(1));
    pass(10s);
    EXPECT_EQ(next(), 0U);
    scheduler.resume_token(TokenId(1));
    EXPECT_EQ(next(), 1U);
}

TEST_F(SchedulerTest, ATokenParkedAtStartIsProbedAfterTheInterval) {
    scheduler.park_token(TokenId(1), now);
    enqueue(1, lane_of(1, 1));
    EXPECT_EQ(token(1), TokenState::parked);
    EXPECT_EQ(next(), 0U);
    EXPECT_EQ(wakeup_in(), options.token_probe);
    pass(options.token_probe);
    EXPECT_EQ(next(), 1U);
}

TEST_F(SchedulerTest, ResumingAnUnknownTokenDoesNothing) {
    scheduler.resume_token(TokenId(5));
    EXPECT_EQ(token(5), TokenState::active);
}

TEST_F(SchedulerTest, NewOptionsHoldForTheNextWait) {
    options.token_probe = 7s;
    options.breaker_failures = 1;
    scheduler.set_options(options);
    enqueue(1, lane_of(1, 1));
    next();
    EXPECT_EQ(complete(1, answers::unauthorized()).wait, 7s);
    pass(7s);
    EXPECT_EQ(complete(next(), answers::no_connection()).destination_changed,
              DestinationState::down);
}

}  // namespace
}  // namespace flowrelay::core
