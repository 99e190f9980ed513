#include "core/breaker.hpp"

#include <gtest/gtest.h>

#include "unit/core/scheduler_fixture.hpp"

namespace flowrelay::core::scheduling {
namespace {

class BreakerTest : public testing::Test {
protected:
    std::optional<DestinationState> end(Breaker::Pass pass, const Judgement& judgement,
                                        std::uint64_t thread = 1, bool blamed = false) {
        return breaker.end(pass, judgement, lane_of(1, thread), {blamed, false, false, true},
                           options, now, random);
    }

    /// One attempt from begin to end.
    std::optional<DestinationState> attempt(const Judgement& judgement, std::uint64_t thread = 1,
                                            bool blamed = false) {
        EXPECT_TRUE(breaker.may_begin(now));
        return end(breaker.begin(TokenId(1)), judgement, thread, blamed);
    }

    void take_down() {
        for (unsigned i = 0; i < options.breaker_failures; ++i) attempt(answers::no_connection());
        ASSERT_EQ(breaker.state(), DestinationState::down);
    }

    /// Lets the time until the next probe pass, and gives it.
    Milliseconds wait() {
        const auto until = breaker.closed_until().value_or(now);
        const auto time = std::chrono::ceil<Milliseconds>(until - now);
        now = std::max(now, until);
        return time;
    }

    SchedulerOptions options;
    MonoTime now{std::chrono::hours(1)};
    Random random{1};
    Breaker breaker{options.max_in_flight};
    static constexpr Breaker::Known beside_others{false, false, false, false};
};

TEST_F(BreakerTest, IsUpAndAllowsTheMaximumAtFirst) {
    EXPECT_EQ(breaker.state(), DestinationState::up);
    for (std::size_t i = 0; i < options.max_in_flight; ++i) {
        ASSERT_TRUE(breaker.may_begin(now));
        EXPECT_EQ(breaker.may_begin_from(), MonoTime::min());
        breaker.begin(TokenId(1));
    }
    EXPECT_FALSE(breaker.may_begin(now));
    EXPECT_FALSE(breaker.may_begin_from()) << "only an answer can change that";
}

TEST_F(BreakerTest, FailuresInARowOpenIt) {
    for (unsigned i = 1; i < options.breaker_failures; ++i) {
        EXPECT_FALSE(attempt(answers::no_connection()));
    }
    EXPECT_EQ(attempt(answers::no_connection()), DestinationState::down);
    EXPECT_FALSE(breaker.may_begin(now));
}

TEST_F(BreakerTest, AnyAnswerBreaksTheRow) {
    for (const auto& answer :
         {answers::ok(), answers::rejected(), answers::throttled(), answers::unauthorized(),
          answers::gone(), answers::try_again(), answers::unavailable()}) {
        for (unsigned i = 1; i < options.breaker_failures; ++i) attempt(answers::no_connection());
        attempt(answer);
    }
    EXPECT_EQ(breaker.state(), DestinationState::up);
}

TEST_F(BreakerTest, OneLaneWith5xxNeverOpensIt) {
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(attempt(answers::unavailable()));
}

TEST_F(BreakerTest, TwoLanesWith5xxNeverOpenIt) {
    for (int i = 0; i < 100; ++i) {
        EXPECT_FALSE(attempt(answers::unavailable(), 1));
        EXPECT_FALSE(attempt(answers::unavailable(), 2));
    }
}

TEST_F(BreakerTest, ThreeLanesWith5xxOpenIt) {
    attempt(answers::unavailable(), 1);
    attempt(answers::unavailable(), 2);
    attempt(answers::unavailable(), 1);
    EXPECT_EQ(attempt(answers::unavailable(), 3), DestinationState::down);
}

TEST_F(BreakerTest, OneOrTwoLanesWithoutAnAnswerNeverOpenIt) {
    for (int i = 0; i < 100; ++i) {
        EXPECT_FALSE(attempt(answers::no_answer(), 1));
        EXPECT_FALSE(attempt(answers::no_answer(), 2));
    }
}

TEST_F(BreakerTest, ARowOfThreeLanesWithoutAnAnswerOpensIt) {
    for (std::uint64_t lane = 1; lane < options.breaker_failures; ++lane) {
        EXPECT_FALSE(attempt(answers::no_answer(), lane));
    }
    EXPECT_EQ(attempt(answers::no_answer(), 1), DestinationState::down);
}

TEST_F(BreakerTest, AnAnswerBetweenForgetsTheLanesWithoutOne) {
    for (const auto& answer :
         {answers::ok(), answers::try_again(), answers::unavailable(), answers::not_found()}) {
        for (std::uint64_t lane = 1; lane < options.breaker_failures; ++lane) {
            attempt(answers::no_answer(), lane);
        }
        attempt(answer, 99, true);
        for (int i = 0; i < 10; ++i) EXPECT_FALSE(attempt(answers::no_answer(), 1));
        attempt(answers::ok());
    }
}

TEST_F(BreakerTest, WithNoConnectionInTheRowOneLaneWillDo) {
    for (unsigned i = 1; i < options.breaker_failures; ++i) attempt(answers::no_answer());
    EXPECT_EQ(attempt(answers::no_connection()), DestinationState::down);
}

// Its token waits for trouble of its own: that there is no connection is not part of it.
TEST_F(BreakerTest, NoConnectionCountsAlsoForATokenThatWaits) {
    constexpr Breaker::Known token_waits{false, false, true, false};
    const auto attempt_of_it = [&](const Judgement& judgement) {
        return breaker.end(breaker.begin(TokenId(1)), judgement, lane_of(1, 1), token_waits,
                           options, now, random);
    };
    for (int i = 0; i < 20; ++i) EXPECT_FALSE(attempt_of_it(answers::no_answer()));
    for (unsigned i = 1; i < options.breaker_failures; ++i) {
        EXPECT_FALSE(attempt_of_it(answers::no_connection()));
    }
    EXPECT_EQ(attempt_of_it(answers::no_connection()), DestinationState::down);
}

TEST_F(BreakerTest, ASuccessBetweenForgetsTheLanes) {
    for (std::uint64_t lane = 1; lane <= 30; ++lane) {
        EXPECT_FALSE(attempt(answers::unavailable(), lane));
        if (lane % 2 == 0) attempt(answers::ok());
    }
}

TEST_F(BreakerTest, TimeoutsBetweenDoNot) {
    attempt(answers::unavailable(), 1);
    attempt(answers::no_connection(), 1);
    attempt(answers::unavailable(), 2);
    attempt(answers::no_connection(), 2);
    EXPECT_EQ(attempt(answers::unavailable(), 3), DestinationState::down);
}

TEST_F(BreakerTest, RejectionsNeverCount) {
    for (std::uint64_t lane = 1; lane <= 100; ++lane) {
        EXPECT_FALSE(attempt(answers::rejected(), lane));
        EXPECT_FALSE(attempt(answers::try_again(), lane));
    }
}

TEST_F(BreakerTest, ProbesWaitLongerAndLonger) {
    take_down();
    Milliseconds longest{0};
    for (int i = 0; i < 12; ++i) {
        longest = std::max(longest, wait());
        EXPECT_FALSE(attempt(answers::no_connection()));
    }
    EXPECT_GT(longest, 10s);
    EXPECT_LE(longest, options.destination_backoff.max);
}

TEST_F(BreakerTest, AHealthyAnswerToAProbeClosesIt) {
    for (const auto& answer : {answers::ok(), answers::rejected(), answers::throttled(),
                               answers::unauthorized(), answers::gone()}) {
        take_down();
        wait();
        EXPECT_EQ(attempt(answer), DestinationState::up);
    }
}

TEST_F(BreakerTest, A5xxOrA408ToAProbeDoesNot) {
    for (const auto& answer : {answers::unavailable(), answers::try_again()}) {
        breaker = Breaker(options.max_in_flight);
        take_down();
        wait();
        EXPECT_FALSE(attempt(answer));
        EXPECT_EQ(breaker.state(), DestinationState::down);
        EXPECT_GT(wait(), 0ms);
    }
}

TEST_F(BreakerTest, ProbesOfOneLaneThatAreAnsweredBadlyDoNotWaitLonger) {
    for (const auto& answer :
         {answers::no_answer(), answers::unavailable(), answers::try_again()}) {
        take_down();
        wait();
        for (int i = 0; i < 20; ++i) {
            attempt(answer, 1);
            EXPECT_LE(wait(), options.destination_backoff.initial);
        }
        for (std::uint64_t lane = 2; lane <= 20; ++lane) {
            wait();
            attempt(answer, lane);
        }
        EXPECT_GT(wait(), options.destination_backoff.initial) << "now it is not the one event";
        attempt(answers::ok());
    }
}

TEST_F(BreakerTest, WhatTookItDownCountsForItsProbes) {
    for (std::uint64_t lane = 1; lane <= 3; ++lane) attempt(answers::unavailable(), lane);
    for (int i = 0; i < 20; ++i) {
        wait();
        attempt(answers::unavailable(), 1);
    }
    EXPECT_GT(wait(), options.destination_backoff.initial);
}

TEST_F(BreakerTest, TheSlowStartAllowsOneMoreWithEachAnswer) {
    take_down();
    wait();
    attempt(answers::ok());
    auto first = breaker.begin(TokenId(1));
    auto second = breaker.begin(TokenId(1));
    EXPECT_FALSE(breaker.may_begin(now));
    EXPECT_FALSE(breaker.may_begin_from()) << "only an answer can change that";
    end(first, answers::ok());
    first = breaker.begin(TokenId(1));
    const auto third = breaker.begin(TokenId(1));
    EXPECT_FALSE(breaker.may_begin(now));
    end(second, answers::ok());
    end(third, answers::ok());
    end(first, answers::ok());
}

TEST_F(BreakerTest, AFailureBeginsTheSlowStartAnew) {
    take_down();
    wait();
    for (int i = 0; i < 4; ++i) {
        std::vector<Breaker::Pass> round;
        while (breaker.may_begin(now)) round.push_back(breaker.begin(TokenId(1)));
        for (const auto& pass : round) end(pass, answers::ok());
    }
    EXPECT_EQ(breaker.allowance(), 16U);
    attempt(answers::no_connection());
    EXPECT_EQ(breaker.allowance(), 2U);
}

TEST_F(BreakerTest, FreshTroubleBesideSuccessCutsTheAllowance) {
    const std::size_t before = breaker.allowance();
    for (const auto& trouble : {answers::unavailable(), answers::no_connection()}) {
        breaker = Breaker(options.max_in_flight);
        for (int i = 0; i < 8; ++i) {
            attempt(answers::ok());
            attempt(trouble);
        }
        EXPECT_EQ(breaker.state(), DestinationState::up);
        EXPECT_LT(breaker.allowance(), before);
    }
}

TEST_F(BreakerTest, ALimitThatIsPassedIsNoOutageAndCutsNothing) {
    attempt(answers::ok());
    for (std::uint64_t thread = 1; thread <= 50; ++thread) {
        attempt(thread % 2 == 0 ? answers::busy() : answers::throttled(), thread);
        now += 20ms;
    }
    EXPECT_EQ(breaker.state(), DestinationState::up);
    EXPECT_EQ(breaker.allowance(), options.max_in_flight);
}

TEST_F(BreakerTest, A503IsALimitForASecondAfterAGoodAnswer) {
    for (const auto since : {0ms, 999ms, 1000ms, 1001ms, 5000ms}) {
        breaker = Breaker(options.max_in_flight);
        attempt(answers::ok());
        now += since;
        for (std::uint64_t thread = 1; thread <= 3; ++thread) attempt(answers::busy(), thread);
        const auto state = since <= 1s ? DestinationState::up : DestinationState::down;
        EXPECT_EQ(breaker.state(), state) << since.count();
    }
}

TEST_F(BreakerTest, A503ToEverythingIsAnOutage) {
    for (std::uint64_t thread = 1; thread <= 3; ++thread) attempt(answers::busy(), thread);
    EXPECT_EQ(breaker.state(), DestinationState::down);
}

TEST_F(BreakerTest, TroubleThatIsKnownDoesNotCutIt) {
    for (const auto& trouble :
         {answers::unavailable(), answers::no_connection(), answers::throttled()}) {
        for (int i = 0; i < 100; ++i) {
            attempt(answers::ok());
            breaker.end(breaker.begin(TokenId(1)), trouble, lane_of(1, 1),
                        {false, true, false, true}, options, now, random);
        }
        EXPECT_EQ(breaker.allowance(), options.max_in_flight);
    }
}

TEST_F(BreakerTest, RefusalsCutNothingAndSayNothingOfTime) {
    auto rejected = answers::rejected();
    for (int i = 0; i < 40; ++i) {
        rejected.elapsed = i < 20 ? 1ms : 10s;
        std::vector<Breaker::Pass> round;
        while (breaker.may_begin(now)) round.push_back(breaker.begin(TokenId(1)));
        for (const auto& pass : round) end(pass, rejected);
        attempt(answers::try_again());
        attempt(answers::unauthorized());
    }
    EXPECT_EQ(breaker.allowance(), options.max_in_flight);
}

TEST_F(BreakerTest, RisingLatencyCutsTheAllowance) {
    auto ok = answers::ok();
    for (int i = 0; i < 40; ++i) {
        std::vector<Breaker::Pass> round;
        while (breaker.may_begin(now)) round.push_back(breaker.begin(TokenId(1)));
        ok.elapsed = i < 4 ? 20ms : 1s;
        for (const auto& pass : round) end(pass, ok);
        if (breaker.allowance() < options.max_in_flight) break;
    }
    EXPECT_LT(breaker.allowance(), options.max_in_flight);
}

TEST_F(BreakerTest, ARelapseAfterASuccessGoesOnWithTheBackoff) {
    take_down();
    for (int i = 0; i < 20; ++i) {
        wait();
        attempt(answers::no_connection());
    }
    Milliseconds longest{0};
    for (int i = 0; i < 10; ++i) {
        wait();
        attempt(answers::ok());
        take_down();
        longest = std::max(longest, wait());
    }
    EXPECT_GT(longest, 10s);
}

TEST_F(BreakerTest, EachSuccessBetweenOutagesShortensTheWaits) {
    for (unsigned successes = 1; successes <= 10; ++successes) {
        breaker = Breaker(options.max_in_flight);
        take_down();
        for (int i = 0; i < 20; ++i) {
            wait();
            attempt(answers::no_connection());
        }
        wait();
        for (unsigned i = 0; i < successes; ++i) attempt(answers::ok());
        take_down();
        // 512 s would be the next wait, cut to 300 s; each success takes one doubling off.
        EXPECT_LE(wait(), successes > 9 ? 1s : 1s * (1 << (10 - successes)));
    }
}

TEST_F(BreakerTest, AfterSomeSuccessesAnOutageBeginsSmall) {
    take_down();
    for (int i = 0; i < 20; ++i) {
        wait();
        attempt(answers::no_connection());
    }
    wait();
    for (int i = 0; i < 40; ++i) attempt(answers::ok());
    take_down();
    EXPECT_LE(wait(), 1s);
}

TEST_F(BreakerTest, RetryAfterHoldsUntilThen) {
    EXPECT_FALSE(attempt(answers::unavailable(10s))) << "one thread may be the cause";
    EXPECT_FALSE(attempt(answers::unavailable(10s)));
    EXPECT_EQ(attempt(answers::unavailable(10s), 2), DestinationState::held);
    EXPECT_EQ(breaker.closed_until(), now + 10s);
}

TEST_F(BreakerTest, ASuccessBetweenForgetsThatItAsked) {
    for (std::uint64_t lane = 1; lane <= 30; ++lane) {
        EXPECT_FALSE(attempt(answers::unavailable(10s), lane));
        attempt(answers::ok());
    }
}

TEST_F(BreakerTest, BesideAnActiveTokenOneTokenIsNotTheDestination) {
    for (const auto& answer : {answers::unavailable(), answers::no_answer(), answers::not_found(),
                               answers::unavailable(10s)}) {
        for (std::uint64_t lane = 1; lane <= 30; ++lane) {
            breaker.end(breaker.begin(TokenId(1)), answer, lane_of(1, lane), beside_others, options,
                        now, random);
        }
        EXPECT_EQ(breaker.state(), DestinationState::up);
        for (std::uint64_t lane = 1; lane <= 5 && breaker.may_begin(now); ++lane) {
            breaker.end(breaker.begin(TokenId(1)), answer, lane_of(2, lane), beside_others, options,
                        now, random);
        }
        EXPECT_NE(breaker.state(), DestinationState::up) << "now two have seen it";
        breaker = Breaker(options.max_in_flight);
    }
}

TEST_F(BreakerTest, NoConnectionIsTheDestinationsWhoeverSeesIt) {
    for (unsigned i = 0; i < options.breaker_failures; ++i) {
        breaker.end(breaker.begin(TokenId(1)), answers::no_connection(), lane_of(1, 1),
                    beside_others, options, now, random);
    }
    EXPECT_EQ(breaker.state(), DestinationState::down);
    EXPECT_FALSE(breaker.is_open_to_others());
}

TEST_F(BreakerTest, AnotherTokenMayShowAtAnyTimeThatItWasOneTokens) {
    for (const auto& answer : {answers::unavailable(), answers::no_answer(), answers::not_found(),
                               answers::unavailable(600s)}) {
        breaker = Breaker(options.max_in_flight);
        for (std::uint64_t lane = 1; breaker.state() == DestinationState::up; ++lane) {
            attempt(answer, lane);
        }
        EXPECT_FALSE(breaker.may_begin(now));
        EXPECT_FALSE(breaker.admits_early(TokenId(1)));
        ASSERT_TRUE(breaker.admits_early(TokenId(2)));
        const auto pass = breaker.begin(TokenId(2));
        EXPECT_FALSE(breaker.admits_early(TokenId(3))) << "one at a time";
        EXPECT_EQ(
            breaker.end(pass, answers::ok(), lane_of(2, 1), beside_others, options, now, random),
            DestinationState::up);
    }
}

TEST_F(BreakerTest, AfterTheTroubleOfOneTokenAsManyMayBeUnderWayAsBefore) {
    for (const bool theirs : {true, false}) {
        breaker = Breaker(options.max_in_flight);
        for (std::uint64_t lane = 1; breaker.state() == DestinationState::up; ++lane) {
            attempt(answers::unavailable(), lane);
        }
        wait();
        const TokenId token{theirs ? std::uint64_t{2} : std::uint64_t{1}};
        breaker.end(breaker.begin(token), answers::ok(), LaneId{token, 1}, beside_others, options,
                    now, random);
        ASSERT_EQ(breaker.state(), DestinationState::up);
        EXPECT_EQ(breaker.allowance(), theirs ? options.max_in_flight : 2U);
    }
}

TEST_F(BreakerTest, WhenNineTokensHaveSeenItNobodyIsTriedEarly) {
    for (std::uint64_t lane = 1; lane <= 3; ++lane) attempt(answers::unavailable(), lane);
    const auto until = breaker.closed_until();
    for (std::uint64_t token = 2; token <= 9; ++token) {
        ASSERT_TRUE(breaker.admits_early(TokenId(token)));
        breaker.end(breaker.begin(TokenId(1)), answers::unavailable(), lane_of(token, 1),
                    beside_others, options, now, random);
        EXPECT_FALSE(breaker.admits_early(TokenId(token)));
        EXPECT_EQ(breaker.closed_until(), until) << "nobody else waits longer for it";
    }
    EXPECT_FALSE(breaker.is_open_to_others());
}

TEST_F(BreakerTest, ARetryAfterOfZeroIsNone) {
    EXPECT_FALSE(attempt(answers::unavailable(0ms)));
    EXPECT_EQ(breaker.state(), DestinationState::up);
}

TEST_F(BreakerTest, RetryAfterIsNoOutageHoweverManyLanesSeeIt) {
    std::vector<Breaker::Pass> passes;
    for (int i = 0; i < 10; ++i) passes.push_back(breaker.begin(TokenId(1)));
    std::uint64_t lane = 0;
    for (const auto pass : passes) end(pass, answers::unavailable(10s), ++lane);
    EXPECT_EQ(breaker.state(), DestinationState::held);
}

TEST_F(BreakerTest, RetryAfterCountsThoughItsRequestIsFromBefore) {
    const auto late = breaker.begin(TokenId(1));
    take_down();
    EXPECT_FALSE(end(late, answers::unavailable(20s)));
    EXPECT_EQ(breaker.state(), DestinationState::down);
    EXPECT_EQ(breaker.closed_until(), now + 20s);
}

TEST_F(BreakerTest, AShorterRetryAfterFromBeforeDoesNotShortenTheWait) {
    const auto late = breaker.begin(TokenId(1));
    attempt(answers::unavailable(20s), 2);
    attempt(answers::unavailable(20s), 3);
    end(late, answers::unavailable(5s));
    EXPECT_EQ(breaker.closed_until(), now + 20s);
}

TEST_F(BreakerTest, ATimeThatIsNamedDuringAProbeCountsHoweverTheProbeEnds) {
    for (const auto& answer : {answers::ok(), answers::unavailable(5s), answers::unavailable(),
                               answers::no_connection()}) {
        breaker = Breaker(options.max_in_flight);
        const auto late = breaker.begin(TokenId(1));
        take_down();
        wait();
        const auto probe = breaker.begin(TokenId(1));
        EXPECT_FALSE(end(late, answers::unavailable(60s)));
        end(probe, answer);
        EXPECT_EQ(breaker.closed_until(), now + 60s);
        EXPECT_FALSE(breaker.may_begin(now));
        wait();
        EXPECT_EQ(attempt(answers::ok()), DestinationState::up);
    }
}

TEST_F(BreakerTest, ADestinationThatAnswersAndIsToBeLeftAloneIsHeld) {
    const auto late = breaker.begin(TokenId(1));
    take_down();
    wait();
    const auto probe = breaker.begin(TokenId(1));
    end(late, answers::unavailable(60s));
    EXPECT_EQ(end(probe, answers::ok()), DestinationState::held);
    EXPECT_EQ(breaker.closed_until(), now + 60s);
}

TEST_F(BreakerTest, AProbeThatIsAskedToWaitHolds) {
    take_down();
    wait();
    EXPECT_EQ(attempt(answers::unavailable(10s)), DestinationState::held);
}

TEST_F(BreakerTest, AHeldDestinationThatDoesNotAnswerIsDown) {
    breaker.hold(now + 10s);
    wait();
    EXPECT_EQ(attempt(answers::no_connection()), DestinationState::down);
}

TEST_F(BreakerTest, AHeldDestinationWith5xxStaysHeld) {
    breaker.hold(now + 10s);
    wait();
    EXPECT_FALSE(attempt(answers::unavailable()));
    EXPECT_EQ(breaker.state(), DestinationState::held);
    EXPECT_GT(wait(), 0ms);
}

TEST_F(BreakerTest, AWrongUrlParksIt) {
    EXPECT_EQ(attempt(answers::not_found()), DestinationState::parked);
    EXPECT_EQ(wait(), options.destination_probe);
    EXPECT_FALSE(attempt(answers::not_found()));
    EXPECT_EQ(wait(), options.destination_probe);
    EXPECT_FALSE(attempt(answers::unavailable()));
    EXPECT_EQ(wait(), options.destination_probe);
    EXPECT_EQ(attempt(answers::ok()), DestinationState::up);
}

TEST_F(BreakerTest, ABlamedLaneParksItNoMore) {
    EXPECT_FALSE(attempt(answers::not_found(), 1, true));
    EXPECT_EQ(breaker.state(), DestinationState::up);
}

TEST_F(BreakerTest, ABlamedLaneDoesNotEndAParkEitherNorProlongIt) {
    EXPECT_FALSE(attempt(answers::ok()));
    attempt(answers::not_found());
    for (int i = 0; i < 15; ++i) {
        EXPECT_EQ(wait(), 0ms) << "another may be tried at once";
        EXPECT_FALSE(attempt(answers::not_found(), 1, true));
        EXPECT_EQ(breaker.state(), DestinationState::parked);
    }
    EXPECT_FALSE(attempt(answers::not_found(), 1, true));
    EXPECT_EQ(wait(), options.destination_probe) << "but not for ever";
    EXPECT_FALSE(attempt(answers::not_found(), 1, true));
    EXPECT_EQ(wait(), options.destination_probe);
}

TEST_F(BreakerTest, WhenTwoLanesAreRefusedItIsTheUrlAndABlamedOneCostsAWaitAgain) {
    EXPECT_FALSE(attempt(answers::ok()));
    attempt(answers::not_found());
    attempt(answers::not_found(), 2);
    EXPECT_EQ(wait(), options.destination_probe);
    attempt(answers::not_found(), 1, true);
    EXPECT_EQ(wait(), options.destination_probe);
}

TEST_F(BreakerTest, OneThatWasWellIsParkedAndMayBeTriedAtOnce) {
    EXPECT_FALSE(attempt(answers::ok()));
    EXPECT_EQ(attempt(answers::not_found()), DestinationState::parked);
    EXPECT_EQ(wait(), 0ms) << "by another thread";
    EXPECT_FALSE(attempt(answers::not_found(), 2));
    EXPECT_EQ(wait(), options.destination_probe);
    EXPECT_EQ(attempt(answers::ok()), DestinationState::up);
}

TEST_F(BreakerTest, ACancelledAttemptTellsNothing) {
    take_down();
    wait();
    breaker.cancel(breaker.begin(TokenId(1)));
    EXPECT_EQ(breaker.state(), DestinationState::down);
    EXPECT_TRUE(breaker.may_begin(now));
}

}  // namespace
}  // namespace flowrelay::core::scheduling
