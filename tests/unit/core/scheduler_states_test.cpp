// What the answers do to the destination and to tokens, and with them to everything else.
#include <gmock/gmock.h>

#include "flowrelay/core/scheduler.hpp"
#include "unit/core/scheduler_fixture.hpp"

namespace flowrelay::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

// ---- the destination is down

TEST_F(SchedulerTest, FiveFailedConnectionsInARowTakeTheDestinationDown) {
    for (std::uint64_t i = 1; i <= 6; ++i) enqueue(i, lane_of(1, i));
    next_all();
    for (std::uint64_t i = 1; i <= 4; ++i) {
        EXPECT_FALSE(complete(i, answers::no_connection()).destination_changed);
    }
    EXPECT_EQ(complete(5, answers::no_connection()).destination_changed, DestinationState::down);
    EXPECT_FALSE(complete(6, answers::no_connection()).destination_changed);
}

TEST_F(SchedulerTest, WhileDownOneProbeAtATime) {
    take_down();
    for (std::uint64_t i = 1; i <= 10; ++i) enqueue(i, lane_of(1, i));
    EXPECT_THAT(next_all(), IsEmpty());
    pass(wakeup_in());
    const auto given = scheduler.next(now);
    ASSERT_TRUE(given);
    EXPECT_TRUE(given->probe);
    EXPECT_EQ(next(), 0U);
    const auto completion = complete(to_number(given->seq), answers::no_connection());
    EXPECT_FALSE(completion.destination_changed) << "it was down before";
    EXPECT_GT(completion.wait, 0ms);
    pass(completion.wait - 1ms);
    EXPECT_EQ(next(), 0U);
    pass(1ms);
    EXPECT_NE(next(), 0U);
}

TEST_F(SchedulerTest, ProbesGoRoundTheLanes) {
    take_down();
    pass(1s);  // the lanes have waited, too
    std::vector<std::uint64_t> probes;
    for (int i = 0; i < 5; ++i) {
        const auto probe = next();
        ASSERT_NE(probe, 0U);
        probes.push_back(probe);
        pass(complete(probe, answers::no_connection()).wait);
    }
    EXPECT_THAT(probes, UnorderedElementsAre(9001U, 9002U, 9003U, 9004U, 9005U));
}

TEST_F(SchedulerTest, ThirtyFailuresAtOnceAreOneOutage) {
    for (std::uint64_t i = 1; i <= 32; ++i) enqueue(i, lane_of(1, i));
    ASSERT_THAT(next_all(), SizeIs(32));
    for (std::uint64_t i = 1; i <= 32; ++i) complete(i, answers::no_connection());
    ASSERT_TRUE(scheduler.status().destination_until);
    EXPECT_LE(*scheduler.status().destination_until, now.mono + 1s)
        << "the first wait of the backoff";
}

TEST_F(SchedulerTest, FailuresFromBeforeDoNotMoveTheNextProbe) {
    for (std::uint64_t i = 1; i <= 32; ++i) enqueue(i, lane_of(1, i));
    next_all();
    for (std::uint64_t i = 1; i <= 5; ++i) complete(i, answers::no_connection());
    const auto until = scheduler.status().destination_until;
    for (std::uint64_t i = 6; i <= 31; ++i) {
        pass(10ms);
        complete(i, answers::no_connection());
        EXPECT_EQ(scheduler.status().destination_until, until);
    }
}

TEST_F(SchedulerTest, FailuresFromBeforeDoNotTakeTheDestinationDownAgain) {
    for (std::uint64_t i = 1; i <= 32; ++i) enqueue(i, lane_of(1, i));
    next_all();
    for (std::uint64_t i = 1; i <= 5; ++i) complete(i, answers::no_connection());
    pass(wakeup_in());
    EXPECT_EQ(complete(next(), answers::ok()).destination_changed, DestinationState::up);
    for (std::uint64_t i = 6; i <= 32; ++i) {
        EXPECT_FALSE(complete(i, answers::no_connection()).destination_changed);
    }
    EXPECT_EQ(destination(), DestinationState::up);
}

TEST_F(SchedulerTest, ASuccessFromBeforeDoesNotBringTheDestinationBack) {
    for (std::uint64_t i = 1; i <= 6; ++i) enqueue(i, lane_of(1, i));
    next_all();
    for (std::uint64_t i = 1; i <= 5; ++i) complete(i, answers::no_connection());
    EXPECT_EQ(complete(6, answers::ok()).outcome, Outcome::delivered);
    EXPECT_EQ(destination(), DestinationState::down);
}

TEST_F(SchedulerTest, ARejectionProvesThatTheDestinationIsWell) {
    take_down();
    pass(wakeup_in());
    const auto completion = complete(next(), answers::rejected());
    EXPECT_EQ(completion.outcome, Outcome::dead);
    EXPECT_EQ(completion.destination_changed, DestinationState::up);
}

TEST_F(SchedulerTest, FailedConnectionsDoNotDelayTheLanesOnceItIsTheDestination) {
    take_down();
    pass(wakeup_in());
    // A long outage: the lanes' own backoffs would have grown to minutes.
    for (int i = 0; i < 50; ++i) {
        complete(next(), answers::no_connection());
        pass(wakeup_in());
    }
    complete(next(), answers::ok());
    std::size_t rounds = 0;
    while (scheduler.status().queued > 0 && ++rounds < 10) {
        for (const auto seq : next_all()) complete(seq, answers::ok());
    }
    EXPECT_EQ(scheduler.status().queued, 0U);
}

TEST_F(SchedulerTest, AfterAnOutageItStartsSlowly) {
    take_down();
    for (std::uint64_t i = 1; i <= 200; ++i) enqueue(i, lane_of(1, i));
    pass(wakeup_in());
    complete(next(), answers::ok());
    std::vector<std::size_t> rounds;
    for (int i = 0; i < 6; ++i) {
        const auto given = next_all();
        rounds.push_back(given.size());
        for (const auto seq : given) complete(seq, answers::ok());
    }
    EXPECT_THAT(rounds, ElementsAre(2U, 4U, 8U, 16U, testing::Gt(160U), 0U)) << "then no bound";
}

TEST_F(SchedulerTest, InTheSlowStartOnlyAnAnswerBringsMore) {
    take_down();
    for (std::uint64_t i = 1; i <= 20; ++i) enqueue(i, lane_of(1, i));
    pass(wakeup_in());
    complete(next(), answers::ok());
    ASSERT_THAT(next_all(), SizeIs(2));
    EXPECT_EQ(wakeup_in(), options.max_age - (now.wall - start_of_time)) << "nothing but expiry";
}

TEST_F(SchedulerTest, HangingRequestsFromBeforeDoNotCountInTheSlowStart) {
    for (std::uint64_t i = 1; i <= 32; ++i) enqueue(i, lane_of(1, i));
    next_all();
    for (std::uint64_t i = 1; i <= 5; ++i) complete(i, answers::no_connection());
    pass(wakeup_in());
    complete(next(), answers::ok());
    EXPECT_THAT(next_all(), SizeIs(2)) << "27 old ones still hang";
}

TEST_F(SchedulerTest, AReleasedProbeMakesRoomForAnother) {
    take_down();
    pass(wakeup_in());
    const auto probe = next();
    EXPECT_TRUE(scheduler.release(Seq(probe), now));
    const auto given = scheduler.next(now);
    ASSERT_TRUE(given);
    EXPECT_TRUE(given->probe);
}

TEST_F(SchedulerTest, ThreeLanesWith5xxAndNoSuccessBetweenTakeTheDestinationDown) {
    for (std::uint64_t i = 1; i <= 3; ++i) enqueue(i, lane_of(1, i));
    next_all();
    complete(1, answers::unavailable());
    complete(2, answers::unavailable());
    EXPECT_EQ(destination(), DestinationState::up);
    EXPECT_EQ(complete(3, answers::unavailable()).destination_changed, DestinationState::down);
}

// ---- the destination asks to wait, or is parked

TEST_F(SchedulerTest, RetryAfterOn503HoldsEverything) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(2, 1));
    next();
    const auto completion = complete(1, answers::unavailable(20s));
    EXPECT_EQ(completion.destination_changed, DestinationState::held);
    EXPECT_EQ(completion.wait, 20s);
    EXPECT_EQ(next(), 0U);
    EXPECT_EQ(wakeup_in(), 20s);
    pass(20s);
    const auto given = scheduler.next(now);
    ASSERT_TRUE(given);
    EXPECT_TRUE(given->probe);
    EXPECT_EQ(next(), 0U) << "one at a time until it answers";
    EXPECT_EQ(complete(to_number(given->seq), answers::ok()).destination_changed,
              DestinationState::up);
    EXPECT_NE(next(), 0U);
}

TEST_F(SchedulerTest, TheLongestRetryAfterOfManyHolds) {
    for (std::uint64_t i = 1; i <= 3; ++i) enqueue(i, lane_of(1, i));
    next_all();
    complete(1, answers::unavailable(10s));
    complete(2, answers::unavailable(30s));
    complete(3, answers::unavailable(20s));
    EXPECT_EQ(scheduler.status().destination_until, now.mono + 30s);
}

TEST_F(SchedulerTest, AWrongUrlParksTheDestination) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(2, 1));
    next_all();
    const auto completion = complete(1, answers::not_found());
    EXPECT_EQ(completion.action, Completion::Action::retry);
    EXPECT_EQ(completion.destination_changed, DestinationState::parked);
    EXPECT_EQ(completion.wait, options.destination_probe);
    EXPECT_FALSE(complete(2, answers::not_found()).destination_changed);
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(wakeup_in(), options.destination_probe);
        pass(options.destination_probe);
        const auto probe = next();
        ASSERT_NE(probe, 0U);
        EXPECT_EQ(next(), 0U);
        EXPECT_EQ(complete(probe, answers::not_found()).wait, options.destination_probe);
    }
    pass(options.destination_probe);
    EXPECT_EQ(complete(next(), answers::ok()).destination_changed, DestinationState::up);
    EXPECT_NE(next(), 0U);
}

TEST_F(SchedulerTest, AThreadThatIsAlwaysAnswered404DelaysItselfAlone) {
    for (std::uint64_t i = 1; i <= 40; ++i) enqueue(i, lane_of(1, i % 2));
    // The first time nobody can know that it is about the thread.
    ASSERT_EQ(next(), 1U);
    complete(1, answers::not_found());
    EXPECT_EQ(destination(), DestinationState::parked);
    pass(options.destination_probe);
    ASSERT_EQ(next(), 2U);
    complete(2, answers::ok());
    while (const auto seq = next()) {
        const bool bad = seq % 2 == 1;
        complete(seq, bad ? answers::not_found() : answers::ok());
        ASSERT_EQ(destination(), DestinationState::up);
    }
    EXPECT_EQ(scheduler.status().queued, 20U) << "the other thread is done";
    EXPECT_EQ(scheduler.status().waiting_lanes, 1U);
}

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
    EXPECT_THAT(next_all(), ElementsAre(3U));
    EXPECT_EQ(scheduler.token_status(TokenId(1)).queued, 2U);
    complete(3, answers::ok());
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
