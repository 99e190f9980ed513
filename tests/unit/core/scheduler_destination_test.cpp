// What the answers do to the destination, and with it to everything else.
#include <gmock/gmock.h>

#include <algorithm>

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

TEST_F(SchedulerTest, AnOperatorMayHaveTheDestinationTriedAtOnce) {
    take_down();
    pass(1s);  // the lanes have waited, too
    const auto first = next();
    ASSERT_NE(first, 0U);
    EXPECT_GT(complete(first, answers::no_connection()).wait, 0ms);
    EXPECT_EQ(next(), 0U);
    scheduler.try_destination_now(now);
    const auto given = scheduler.next(now);
    ASSERT_TRUE(given);
    EXPECT_TRUE(given->probe);
    scheduler.try_destination_now(now);
    EXPECT_EQ(next(), 0U) << "one at a time all the same";
}

TEST_F(SchedulerTest, ADestinationThatIsUpAndIsToBeTriedNowStaysAsItIs) {
    enqueue(1, lane_of(1, 1));
    scheduler.try_destination_now(now);
    EXPECT_EQ(destination(), DestinationState::up);
    EXPECT_EQ(next(), 1U);
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
    let_all_places_be_taken();
    for (std::uint64_t i = 1; i <= 32; ++i) enqueue(i, lane_of(1, i));
    ASSERT_THAT(next_all(), SizeIs(32));
    for (std::uint64_t i = 1; i <= 32; ++i) complete(i, answers::no_connection());
    ASSERT_TRUE(scheduler.status().destination_until);
    EXPECT_LE(*scheduler.status().destination_until, now.mono + 1s)
        << "the first wait of the backoff";
}

TEST_F(SchedulerTest, FailuresFromBeforeDoNotMoveTheNextProbe) {
    let_all_places_be_taken();
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
    let_all_places_be_taken();
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
    for (std::uint64_t i = 1; i <= 200; ++i) enqueue(i, lane_of(1 + i % 2, i));
    pass(wakeup_in());
    complete(next(), answers::ok());
    std::vector<std::size_t> rounds;
    for (int i = 0; i < 6; ++i) {
        const auto given = next_all();
        rounds.push_back(given.size());
        for (const auto seq : given) complete(seq, answers::ok());
    }
    EXPECT_THAT(rounds, ElementsAre(2U, 4U, 8U, 16U, 32U, 32U)) << "and that is the maximum";
}

TEST_F(SchedulerTest, InTheSlowStartOnlyAnAnswerBringsMore) {
    take_down();
    for (std::uint64_t i = 1; i <= 20; ++i) enqueue(i, lane_of(1, i));
    pass(wakeup_in());
    complete(next(), answers::ok());
    ASSERT_THAT(next_all(), SizeIs(2));
    EXPECT_EQ(wakeup_in(), options.max_age - (now.wall - start_of_time)) << "nothing but expiry";
}

TEST_F(SchedulerTest, AfterADayOfOutageAMillionWaitingLanesComeBackPolitely) {
    // As many as a test can afford; each had failed a few times before the outage was seen.
    constexpr std::uint64_t lanes = 20'000;
    options.lane_backoff = {1s, 300s};
    scheduler.set_options(options);
    for (std::uint64_t i = 1; i <= lanes; ++i) enqueue(i, lane_of(1 + i % 100, i));
    while (destination() == DestinationState::up) {
        const auto seq = next();
        ASSERT_NE(seq, 0U);
        complete(seq, answers::no_connection());
    }
    std::size_t probes = 0;
    for (const auto end = now.mono + 24h; now.mono < end; ++probes) {
        pass(wakeup_in());
        const auto probe = next();
        ASSERT_NE(probe, 0U);
        ASSERT_EQ(next(), 0U);
        complete(probe, answers::no_connection());
    }
    EXPECT_LT(probes, 24U * 60) << "a day is 288 times five minutes; half that on average";

    pass(wakeup_in());
    complete(next(), answers::ok());
    EXPECT_EQ(scheduler.status().allowance, 2U);
    std::size_t most = 2;
    while (scheduler.status().queued > 0) {
        const auto given = next_all();
        ASSERT_FALSE(given.empty());
        EXPECT_LE(given.size(), most);
        for (const auto seq : given) complete(seq, answers::ok());
        most = std::min(2 * given.size(), options.max_in_flight);
        pass(20ms);
    }
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

TEST_F(SchedulerTest, AThreadThatIsNeverAnsweredDelaysItselfAlone) {
    enqueue(1, lane_of(1, 1));
    Milliseconds wait{0};
    for (int i = 0; i < 20; ++i) {
        pass(wait);
        ASSERT_EQ(next(), 1U);
        const auto completion = complete(1, answers::no_answer());
        EXPECT_FALSE(completion.destination_changed);
        wait = completion.wait;
    }
    EXPECT_EQ(next(), 0U);
    enqueue(2, lane_of(1, 2));
    EXPECT_EQ(next(), 2U) << "at once, though nothing has been answered for long";
}

TEST_F(SchedulerTest, AThreadThatIsNeverAnsweredDoesNotProlongAnOutage) {
    for (const auto& answer : {answers::no_answer(), answers::unavailable()}) {
        enqueue(1, lane_of(1, 1));
        // The server is away for a while; then it is back, but for this event.
        Milliseconds wait{0};
        for (int i = 0; i < 30; ++i) {
            pass(wait);
            ASSERT_EQ(next(), 1U);
            wait = complete(1, i < 10 ? answers::no_connection() : answer).wait;
        }
        EXPECT_EQ(destination(), DestinationState::down);
        pass(options.destination_backoff.initial);
        EXPECT_EQ(next(), 0U) << "its own wait is longer";
        enqueue(2, lane_of(1, 2));
        EXPECT_EQ(next(), 2U) << "another is tried at once";
        complete(2, answers::ok());
        EXPECT_EQ(destination(), DestinationState::up);
        pass(wait);
        ASSERT_EQ(next(), 1U);
        complete(1, answers::ok());
    }
}

TEST_F(SchedulerTest, RetryAfterOn503HoldsEverything) {
    enqueue(1, lane_of(1, 1));
    enqueue(2, lane_of(2, 1));
    enqueue(3, lane_of(2, 2));
    ASSERT_EQ(next(), 1U);
    ASSERT_EQ(next(), 2U);
    EXPECT_FALSE(complete(1, answers::unavailable(20s)).destination_changed);
    const auto completion = complete(2, answers::unavailable(20s));
    EXPECT_EQ(completion.destination_changed, DestinationState::held);
    EXPECT_EQ(completion.asked_to_wait, Scope::destination);
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
    const auto first = complete(1, answers::not_found());
    EXPECT_FALSE(first.destination_changed) << "the other token may be answered well";
    EXPECT_EQ(first.token_changed, TokenState::parked);
    const auto completion = complete(2, answers::not_found());
    EXPECT_EQ(completion.action, Completion::Action::retry);
    EXPECT_EQ(completion.destination_changed, DestinationState::parked);
    EXPECT_EQ(completion.wait, options.destination_probe);
    scheduler.resume_token(TokenId(1));
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

}  // namespace
}  // namespace flowrelay::core
