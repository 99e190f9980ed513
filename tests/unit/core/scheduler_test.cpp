// Turns: order in a lane, fairness, waits of a lane, what operators see and do.
#include "flowrelay/core/scheduler.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <stdexcept>

#include "unit/core/scheduler_fixture.hpp"

namespace flowrelay::core {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

// ---- order

TEST_F(SchedulerTest, GivesNothingWhenEmpty) {
    EXPECT_EQ(next(), 0U);
    EXPECT_EQ(wakeup_in(), -1ms);
}

TEST_F(SchedulerTest, GivesAnEventOnce) {
    enqueue(1, lane_of(1, 1));
    const auto given = scheduler.next(now);
    ASSERT_TRUE(given);
    EXPECT_EQ(given->seq, Seq(1));
    EXPECT_EQ(given->lane, lane_of(1, 1));
    EXPECT_EQ(given->accepted, now.wall);
    EXPECT_EQ(given->attempt, 1U);
    EXPECT_FALSE(given->probe);
    EXPECT_EQ(next(), 0U);
}

TEST_F(SchedulerTest, DeliveredIsSettled) {
    enqueue(1, lane_of(1, 1));
    next();
    const auto completion = complete(1, answers::ok());
    EXPECT_EQ(completion.action, Completion::Action::settle);
    EXPECT_EQ(completion.outcome, Outcome::delivered);
    EXPECT_EQ(completion.attempt, 1U);
    EXPECT_EQ(scheduler.status().queued, 0U);
    EXPECT_EQ(scheduler.status().lanes, 0U);
}

TEST_F(SchedulerTest, RejectedIsDeadAndTheLaneGoesOn) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 1));
    next();
    const auto completion = complete(1, answers::rejected());
    EXPECT_EQ(completion.action, Completion::Action::settle);
    EXPECT_EQ(completion.outcome, Outcome::dead);
    EXPECT_EQ(next(), 2U);
}

TEST_F(SchedulerTest, OneAtATimeWithinALane) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 1));
    EXPECT_THAT(next_all(), ElementsAre(1U));
    complete(1, answers::ok());
    EXPECT_THAT(next_all(), ElementsAre(2U));
}

TEST_F(SchedulerTest, TheHeadIsRetriedInPlace) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 1));
    next();
    const auto completion = complete(1, answers::try_again());
    EXPECT_EQ(completion.action, Completion::Action::retry);
    EXPECT_EQ(next(), 0U);
    pass(completion.wait);
    EXPECT_EQ(next(), 1U);
}

TEST_F(SchedulerTest, AReplayedEventTakesItsPlaceInTheOrder) {
    enqueue(5, lane_of(1, 1));
    enqueue(9, lane_of(1, 1));
    enqueue(2, lane_of(1, 1));
    enqueue(7, lane_of(1, 1));
    std::vector<std::uint64_t> order;
    while (const auto seq = next()) {
        order.push_back(seq);
        complete(seq, answers::ok());
    }
    EXPECT_THAT(order, ElementsAre(2U, 5U, 7U, 9U));
}

TEST_F(SchedulerTest, AReplayedEventWaitsForTheOneInFlightAndGoesBeforeItsRetry) {
    enqueue(5, lane_of(1, 1));
    next();
    enqueue(2, lane_of(1, 1));
    EXPECT_EQ(next(), 0U);
    pass(complete(5, answers::try_again()).wait);
    EXPECT_EQ(next(), 2U);
    complete(2, answers::ok());
    EXPECT_EQ(next(), 5U);
}

TEST_F(SchedulerTest, AReplayedEventDoesNotEndTheWaitOfItsLane) {
    enqueue(5, lane_of(1, 1));
    next();
    const auto wait = complete(5, answers::try_again()).wait;
    enqueue(2, lane_of(1, 1));
    EXPECT_EQ(next(), 0U);
    pass(wait);
    EXPECT_EQ(next(), 2U);
}

TEST_F(SchedulerTest, ASeqThatIsThereAlreadyIsABug) {
    enqueue(3, lane_of(1, 1));
    enqueue(4, lane_of(1, 1));
    EXPECT_THROW(enqueue(3, lane_of(1, 2)), std::logic_error);
    EXPECT_THROW(enqueue(4, lane_of(2, 1)), std::logic_error);
    EXPECT_EQ(scheduler.status().queued, 2U);
}

TEST_F(SchedulerTest, EndingWhatIsNotInFlightIsABug) {
    enqueue(1, lane_of(1, 1));
    EXPECT_THROW(complete(1, answers::ok()), std::logic_error);
    EXPECT_THROW(scheduler.release(Seq(2), now), std::logic_error);
    EXPECT_THROW(scheduler.unreadable(Seq(2), true, now), std::logic_error);
}

// ---- fairness

TEST_F(SchedulerTest, TokensTakeTurns) {
    for (std::uint64_t i = 0; i < 4; ++i) enqueue(1 + i, lane_of(1, i));
    for (std::uint64_t i = 0; i < 2; ++i) enqueue(11 + i, lane_of(2, i));
    enqueue(21, lane_of(3, 0));
    EXPECT_THAT(next_all(), ElementsAre(1U, 11U, 21U, 2U, 12U, 3U, 4U));
}

TEST_F(SchedulerTest, LanesOfATokenTakeTurns) {
    for (std::uint64_t seq = 1; seq <= 6; ++seq) enqueue(seq, lane_of(1, seq <= 4 ? 1 : 2));
    std::vector<std::uint64_t> order;
    while (const auto seq = next()) {
        order.push_back(seq);
        complete(seq, answers::ok());
    }
    EXPECT_THAT(order, ElementsAre(1U, 5U, 2U, 6U, 3U, 4U));
}

TEST_F(SchedulerTest, ASmallTokenDoesNotWaitBehindABigOne) {
    for (std::uint64_t i = 0; i < 10'000; ++i) enqueue(1 + i, lane_of(1, i));
    enqueue(20'000, lane_of(2, 1));
    next();
    EXPECT_EQ(next(), 20'000U);
}

// ---- waits of a lane

TEST_F(SchedulerTest, ALaneInBackoffDelaysThatLaneAlone) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 2));
    next_all();
    complete(1, answers::unavailable());
    complete(2, answers::ok());
    enqueue(3, lane_of(1, 2));
    EXPECT_THAT(next_all(), ElementsAre(3U));
}

TEST_F(SchedulerTest, NineteenThreadsGoOnWhileOneIsAlwaysAnswered503) {
    constexpr std::uint64_t stuck = 7;
    constexpr std::uint64_t per_lane = 50;
    std::uint64_t seq = 0;
    for (std::uint64_t i = 0; i < per_lane; ++i) {
        for (std::uint64_t thread = 0; thread < 20; ++thread) enqueue(++seq, lane_of(1, thread));
    }
    // Each round takes the time of a request, and there is a connection for each thread.
    std::uint64_t rounds = 0;
    while (scheduler.status().queued > per_lane && rounds < 1000) {
        ++rounds;
        std::vector<Assignment> round;
        while (const auto given = scheduler.next(now)) round.push_back(*given);
        pass(5ms);
        for (const auto& given : round) {
            const bool fails = given.lane.thread_hash == stuck;
            complete(to_number(given.seq), fails ? answers::unavailable() : answers::ok());
            ASSERT_EQ(destination(), DestinationState::up);
        }
    }
    EXPECT_EQ(rounds, per_lane) << "the others were delayed";
    EXPECT_EQ(scheduler.token_status(TokenId(1)).queued, per_lane);
}

TEST_F(SchedulerTest, TheBackoffOfALaneGrowsAndBeginsAnewWithTheNextEvent) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 1));
    Milliseconds longest{0};
    for (unsigned attempt = 1; attempt <= 12; ++attempt) {
        const auto given = scheduler.next(now);
        ASSERT_TRUE(given);
        EXPECT_EQ(given->attempt, attempt);
        const auto wait = complete(1, answers::try_again()).wait;
        EXPECT_LE(wait, std::min(Milliseconds(300s), Milliseconds(1s * (1U << (attempt - 1)))));
        longest = std::max(longest, wait);
        pass(wait - 1ms);
        EXPECT_EQ(next(), 0U);
        pass(1ms);
    }
    EXPECT_GT(longest, 10s);
    next();
    complete(1, answers::ok());
    EXPECT_EQ(next(), 2U);
    const auto completion = complete(2, answers::try_again());
    EXPECT_LE(completion.wait, 1s);
    EXPECT_EQ(completion.attempt, 1U);
}

TEST_F(SchedulerTest, ALaneWithNothingLeftIsForgottenWithItsBackoff) {
    enqueue(1, lane_of(1, 1));
    next();
    complete(1, answers::try_again());
    EXPECT_EQ(scheduler.status().waiting_lanes, 1U);
    EXPECT_TRUE(scheduler.take(Seq(1)));
    EXPECT_EQ(scheduler.status().waiting_lanes, 0U);
    EXPECT_EQ(scheduler.status().lanes, 0U);
    EXPECT_EQ(wakeup_in(), -1ms);
    enqueue(2, lane_of(1, 1));
    EXPECT_EQ(next(), 2U);
}

TEST_F(SchedulerTest, ThousandsOfLanesThatWaitedForTheSameMomentAllGetTheirTurn) {
    options.lane_backoff = {1000ms, 1000ms};
    options.max_age = 1h;
    scheduler.set_options(options);
    constexpr std::uint64_t lanes = 3000;
    for (std::uint64_t i = 1; i <= lanes; ++i) {
        auto mine = event(i, lane_of(1, i));
        if (i < lanes) mine.expires = now.wall + 2s;
        scheduler.enqueue(mine);
    }
    while (const auto seq = next()) complete(seq, answers::try_again());
    ASSERT_EQ(scheduler.status().waiting_lanes, lanes);
    pass(1s);
    std::uint64_t given = 0;
    for (; const auto seq = next(); ++given) complete(seq, answers::try_again());
    EXPECT_EQ(given, lanes);
    pass(1s);
    EXPECT_THAT(next_all(), ElementsAre(lanes)) << "behind all that are over their age by now";
}

// ---- attempts that do not take place

TEST_F(SchedulerTest, ReleasedIsAsIfNeverGiven) {
    enqueue(1, lane_of(1, 1));
    next();
    EXPECT_TRUE(scheduler.release(Seq(1), now));
    EXPECT_EQ(scheduler.status().in_flight, 0U);
    const auto given = scheduler.next(now);
    ASSERT_TRUE(given);
    EXPECT_EQ(given->attempt, 1U);
}

TEST_F(SchedulerTest, AnUnreadableEventWaitsWithItsLane) {
    enqueue(1, lane_of(1, 1));
    next();
    const auto completion = scheduler.unreadable(Seq(1), false, now);
    EXPECT_EQ(completion.action, Completion::Action::retry);
    EXPECT_GT(completion.wait, 0ms);
    EXPECT_EQ(next(), 0U);
    pass(completion.wait);
    EXPECT_EQ(next(), 1U);
}

TEST_F(SchedulerTest, ALostEventDiesAndProvesNothingOfTheDestination) {
    take_down();
    pass(wakeup_in());
    const auto probe = next();
    ASSERT_NE(probe, 0U);
    const auto completion = scheduler.unreadable(Seq(probe), true, now);
    EXPECT_EQ(completion.action, Completion::Action::settle);
    EXPECT_EQ(completion.outcome, Outcome::dead);
    EXPECT_EQ(destination(), DestinationState::down);
    EXPECT_THAT(next_all(), SizeIs(1)) << "the next probe goes at once";
}

// ---- operators

TEST_F(SchedulerTest, TakesAnEventOutThatIsNotInFlight) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 1));
    enqueue(3, lane_of(1, 1));
    next();
    EXPECT_FALSE(scheduler.take(Seq(1))) << "in flight";
    EXPECT_FALSE(scheduler.take(Seq(7))) << "unknown";
    const auto taken = scheduler.take(Seq(2));
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->lane, lane_of(1, 1));
    complete(1, answers::ok());
    EXPECT_EQ(next(), 3U);
}

TEST_F(SchedulerTest, TakingTheHeadEndsTheWaitOfItsLane) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 1));
    next();
    complete(1, answers::try_again());
    EXPECT_TRUE(scheduler.take(Seq(1)));
    EXPECT_EQ(next(), 2U);
}

TEST_F(SchedulerTest, TakingFromTheMiddleDoesNot) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 1));
    next();
    complete(1, answers::try_again());
    EXPECT_TRUE(scheduler.take(Seq(2)));
    EXPECT_EQ(next(), 0U);
}

// ---- views

TEST_F(SchedulerTest, StatusCounts) {
    enqueue(1, lane_of(1, 1));
    pass(1s);
    enqueue(2, lane_of(1, 1));
    enqueue(3, lane_of(1, 2));
    enqueue(4, lane_of(2, 1));
    next_all();
    complete(3, answers::try_again());
    const auto status = scheduler.status();
    EXPECT_EQ(status.queued, 4U);
    EXPECT_EQ(status.in_flight, 2U);
    EXPECT_EQ(status.lanes, 3U);
    EXPECT_EQ(status.waiting_lanes, 1U);
    EXPECT_EQ(status.oldest, start_of_time) << "in flight, but not settled";
    EXPECT_EQ(status.destination, DestinationState::up);
    EXPECT_FALSE(status.destination_until);
    EXPECT_EQ(scheduler.token_status(TokenId(1)).queued, 3U);
    EXPECT_EQ(scheduler.token_status(TokenId(2)).queued, 1U);
    EXPECT_EQ(scheduler.token_status(TokenId(3)).queued, 0U);
}

TEST_F(SchedulerTest, ExplainsThatTheHeadOfTheLaneWaits) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 1));
    next();
    const auto wait = complete(1, answers::try_again()).wait;
    const auto reason = scheduler.why(Seq(2));
    ASSERT_TRUE(reason);
    EXPECT_EQ(reason->lane, lane_of(1, 1));
    EXPECT_EQ(reason->attempts, 0U);
    EXPECT_FALSE(reason->in_flight);
    EXPECT_EQ(reason->lane_next, Seq(1));
    EXPECT_FALSE(reason->lane_next_in_flight);
    EXPECT_EQ(reason->lane_until, now.mono + wait);
    EXPECT_EQ(reason->token.state, TokenState::active);
    EXPECT_EQ(reason->destination, DestinationState::up);
    EXPECT_EQ(scheduler.why(Seq(1))->attempts, 1U);
}

TEST_F(SchedulerTest, ExplainsThatAnotherOfTheLaneIsInFlight) {
    enqueue(5, lane_of(1, 1));
    next();
    enqueue(2, lane_of(1, 1));
    const auto reason = scheduler.why(Seq(2));
    ASSERT_TRUE(reason);
    EXPECT_EQ(reason->lane_next, Seq(5));
    EXPECT_TRUE(reason->lane_next_in_flight);
    EXPECT_FALSE(reason->lane_until);
    EXPECT_TRUE(scheduler.why(Seq(5))->in_flight);
}

TEST_F(SchedulerTest, ExplainsTheStatesOfTokenAndDestination) {
    enqueue(1, lane_of(1, 1));
    next();
    complete(1, answers::throttled(7s));
    take_down();
    const auto reason = scheduler.why(Seq(1));
    ASSERT_TRUE(reason);
    EXPECT_EQ(reason->token.state, TokenState::throttled);
    EXPECT_EQ(reason->token.until, now.mono + 7s);
    EXPECT_EQ(reason->destination, DestinationState::down);
    EXPECT_TRUE(reason->destination_until);
    EXPECT_FALSE(scheduler.why(Seq(77)));
}

TEST_F(SchedulerTest, StatesHaveNames) {
    EXPECT_EQ(to_string(DestinationState::up), "up");
    EXPECT_EQ(to_string(DestinationState::held), "held");
    EXPECT_EQ(to_string(DestinationState::parked), "parked");
    EXPECT_EQ(to_string(DestinationState::down), "down");
    EXPECT_EQ(to_string(TokenState::active), "active");
    EXPECT_EQ(to_string(TokenState::throttled), "throttled");
    EXPECT_EQ(to_string(TokenState::parked), "parked");
    EXPECT_EQ(to_string(TokenState::paused), "paused");
    EXPECT_EQ(to_string(TokenState::gone), "gone");
}

TEST_F(SchedulerTest, ALaneWhoseEventIsRejectedCanBeHeldForAnOperator) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 1));
    enqueue(3, lane_of(1, 2));
    ASSERT_EQ(next_all(), (std::vector<std::uint64_t>{1, 3}));
    Judgement held = answers::rejected();
    held.hold_lane = true;
    const auto completion = complete(1, held);
    EXPECT_EQ(completion.action, Completion::Action::hold);
    complete(3, answers::ok());
    pass(std::chrono::hours(24));
    EXPECT_EQ(next(), 0U) << "until somebody decides";
    EXPECT_TRUE(scheduler.why(Seq(2))->lane_held);
    EXPECT_EQ(scheduler.why(Seq(2))->lane_next, Seq(1));
    EXPECT_EQ(scheduler.status().held_lanes, 1U);

    EXPECT_FALSE(scheduler.release_lane(Seq(9)));
    EXPECT_TRUE(scheduler.release_lane(Seq(2)));
    EXPECT_FALSE(scheduler.release_lane(Seq(2))) << "it is not held any more";
    EXPECT_EQ(next(), 1U) << "tried again";
    EXPECT_EQ(complete(1, held).attempt, 2U);

    EXPECT_TRUE(scheduler.take(Seq(1))) << "dropped";
    EXPECT_EQ(scheduler.status().held_lanes, 0U);
    EXPECT_EQ(next(), 2U) << "the lane goes on";
}

TEST_F(SchedulerTest, AHeldEventStillGrowsTooOld) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(1, 1));
    next();
    Judgement held = answers::rejected();
    held.hold_lane = true;
    complete(1, held);
    pass(options.max_age / 2);
    enqueue(3, lane_of(1, 1));
    pass(options.max_age / 2 + 1ms);
    EXPECT_EQ(take_expired(), (std::vector<std::uint64_t>{1, 2}));
    EXPECT_EQ(scheduler.status().held_lanes, 0U);
    EXPECT_EQ(next(), 3U);
}

TEST_F(SchedulerTest, WhatComesInFrontOfAHeldEventDecidesNothing) {
    enqueue(2, lane_of(1, 1));
    next();
    Judgement held = answers::rejected();
    held.hold_lane = true;
    complete(2, held);
    enqueue(1, lane_of(1, 1));  // replayed
    EXPECT_EQ(next(), 0U);
    EXPECT_TRUE(scheduler.take(Seq(1)));
    EXPECT_EQ(next(), 0U) << "nobody has decided about the second one";
    EXPECT_EQ(scheduler.token_status(TokenId(1)).held_lanes, 1U);
    EXPECT_TRUE(scheduler.release_lane(Seq(2)));
    EXPECT_EQ(scheduler.token_status(TokenId(1)).held_lanes, 0U);
    EXPECT_EQ(next(), 2U);
}

TEST_F(SchedulerTest, AHeldLaneLeavesWithItsToken) {
    enqueue(1, lane_of(1, 1));
    next();
    Judgement held = answers::rejected();
    held.hold_lane = true;
    complete(1, held);
    EXPECT_EQ(scheduler.remove_token(TokenId(1)), 1U);
    EXPECT_EQ(scheduler.status().held_lanes, 0U);
}

}  // namespace
}  // namespace flowrelay::core
