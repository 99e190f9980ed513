#include "core/token_gate.hpp"

#include <gtest/gtest.h>

#include "unit/core/scheduler_fixture.hpp"

namespace flowrelay::core::scheduling {
namespace {

class TokenGateTest : public testing::Test {
protected:
    std::optional<TokenState> end(TokenGate::Pass pass, const Judgement& judgement,
                                  bool blamed = false, std::uint64_t thread = 1) {
        return gate.end(pass, judgement, {lane_of(1, thread), blamed, false, destinations}, options,
                        now, random);
    }
    std::optional<TokenState> attempt(const Judgement& judgement, bool blamed = false,
                                      std::uint64_t thread = 1) {
        return end(gate.begin(), judgement, blamed, thread);
    }
    void wait() { now = std::max(now, gate.closed_until().value_or(now)); }

    SchedulerOptions options;
    MonoTime now{std::chrono::hours(1)};
    Random random{1};
    bool destinations = true;  ///< what fails is the destination's trouble
    TokenGate gate;
};

TEST_F(TokenGateTest, FailuresOfTheDestinationDoNotCloseIt) {
    for (const auto& answer :
         {answers::ok(), answers::rejected(), answers::no_connection(), answers::unavailable(10s),
          answers::not_found(), answers::try_again()}) {
        EXPECT_FALSE(attempt(answer));
        EXPECT_FALSE(gate.is_closed());
    }
}

TEST_F(TokenGateTest, A429ClosesItForTheTimeThatTheServerNamed) {
    EXPECT_EQ(attempt(answers::throttled(9s)), TokenState::throttled);
    EXPECT_EQ(gate.closed_until(), now + 9s);
}

TEST_F(TokenGateTest, A503OfALimitDoesNotMakeItFail) {
    for (const bool is_limit : {true, false}) {
        gate = TokenGate();
        for (std::uint64_t thread = 1; thread <= options.breaker_lanes; ++thread) {
            gate.end(gate.begin(), answers::unavailable(),
                     {lane_of(1, thread), false, false, false, false, is_limit}, options, now,
                     random);
        }
        EXPECT_EQ(gate.state(), is_limit ? TokenState::active : TokenState::failing);
    }
}

TEST_F(TokenGateTest, A503OfALimitIsAnAnswerAllTheSame) {
    const auto fail = [&](const Judgement& judgement, std::uint64_t thread, bool is_limit) {
        gate.end(gate.begin(), judgement,
                 {lane_of(1, thread), false, false, false, false, is_limit}, options, now, random);
    };
    for (std::uint64_t n = 1; n < options.breaker_failures; ++n) {
        fail(answers::no_answer(), n % options.breaker_lanes, false);
    }
    fail(answers::unavailable(), 1, true);
    fail(answers::no_answer(), 1, false);
    EXPECT_EQ(gate.state(), TokenState::active) << "they were not in a row";
}

TEST_F(TokenGateTest, A429WithoutATimeOrWithZeroForABackoff) {
    for (const auto& answer : {answers::throttled(), answers::throttled(0ms)}) {
        gate = TokenGate();
        EXPECT_EQ(attempt(answer), TokenState::throttled);
        EXPECT_GE(*gate.closed_until(), now + 100ms);
        EXPECT_LE(*gate.closed_until(), now + 1s);
    }
}

TEST_F(TokenGateTest, ALate429CanExtendTheTimeButNotTheBackoff) {
    const auto a = gate.begin();
    const auto b = gate.begin();
    const auto c = gate.begin();
    const auto d = gate.begin();
    end(a, answers::throttled(10s));
    EXPECT_FALSE(end(b, answers::throttled(5s)));
    EXPECT_FALSE(end(c, answers::throttled()));
    EXPECT_EQ(gate.closed_until(), now + 10s);
    EXPECT_FALSE(end(d, answers::throttled(20s)));
    EXPECT_EQ(gate.closed_until(), now + 20s);
}

TEST_F(TokenGateTest, ALate429ClosesItAgainOnlyWhenTheServerNamesATime) {
    const auto a = gate.begin();
    const auto b = gate.begin();
    attempt(answers::throttled(1s));
    wait();
    EXPECT_EQ(attempt(answers::ok()), TokenState::active);
    EXPECT_FALSE(end(a, answers::throttled()));
    EXPECT_FALSE(gate.is_closed());
    EXPECT_EQ(end(b, answers::throttled(5s)), TokenState::throttled);
}

TEST_F(TokenGateTest, ATimeThatIsNamedDuringAProbeCountsHoweverTheProbeEnds) {
    for (const auto& answer : {answers::ok(), answers::throttled(), answers::throttled(5s)}) {
        gate = TokenGate();
        const auto late = gate.begin();
        attempt(answers::throttled(1s));
        wait();
        const auto probe = gate.begin();
        EXPECT_FALSE(end(late, answers::throttled(60s)));
        EXPECT_FALSE(end(probe, answer));
        EXPECT_EQ(gate.state(), TokenState::throttled);
        EXPECT_EQ(gate.closed_until(), now + 60s);
        wait();
        EXPECT_EQ(attempt(answers::ok()), TokenState::active);
    }
}

TEST_F(TokenGateTest, ATokenThatIsTakenAgainIsNotParkedWhileItIsAskedToWait) {
    const auto late = gate.begin();
    attempt(answers::unauthorized());
    wait();
    const auto probe = gate.begin();
    end(late, answers::throttled(60s));
    EXPECT_EQ(end(probe, answers::ok()), TokenState::throttled);
    EXPECT_EQ(gate.closed_until(), now + 60s);
}

TEST_F(TokenGateTest, AParkDoesNotEndBeforeATimeThatIsNamedMeanwhile) {
    for (const auto& answer : {answers::unauthorized(), answers::unavailable()}) {
        gate = TokenGate();
        const auto late = gate.begin();
        attempt(answers::unauthorized());
        wait();
        const auto probe = gate.begin();
        end(late, answers::throttled(3600s));
        EXPECT_FALSE(end(probe, answer));
        EXPECT_EQ(gate.state(), TokenState::parked);
        EXPECT_EQ(gate.closed_until(), now + 3600s);
    }
}

TEST_F(TokenGateTest, AThrottleIsTriedAgainAtOnceWhenNobodyLookedAtTheToken) {
    attempt(answers::throttled(1s));
    wait();
    const auto until = gate.closed_until();
    EXPECT_FALSE(attempt(answers::unavailable()));
    EXPECT_EQ(gate.state(), TokenState::throttled);
    EXPECT_EQ(gate.closed_until(), until);
}

TEST_F(TokenGateTest, A401ParksIt) {
    EXPECT_EQ(attempt(answers::unauthorized()), TokenState::parked);
    EXPECT_EQ(gate.closed_until(), now) << "it may be the event: another thread may be asked";
    EXPECT_FALSE(attempt(answers::unauthorized()));
    EXPECT_EQ(gate.closed_until(), now + options.token_probe);
}

TEST_F(TokenGateTest, AThrottledTokenThatIsRefusedIsParked) {
    attempt(answers::throttled(1s));
    wait();
    EXPECT_EQ(attempt(answers::unauthorized()), TokenState::parked);
}

TEST_F(TokenGateTest, AParkedTokenThatIsThrottledIsParkedNoMore) {
    attempt(answers::unauthorized());
    wait();
    EXPECT_EQ(attempt(answers::throttled(3s)), TokenState::throttled);
    EXPECT_EQ(gate.closed_until(), now + 3s);
}

TEST_F(TokenGateTest, AProbeThatNobodyLookedAtWaitsForTheNext) {
    attempt(answers::unauthorized());
    for (const auto& answer :
         {answers::unavailable(), answers::no_connection(), answers::not_found()}) {
        wait();
        EXPECT_FALSE(attempt(answer));
        EXPECT_EQ(gate.state(), TokenState::parked);
        EXPECT_EQ(gate.closed_until(), now + options.token_probe);
    }
}

TEST_F(TokenGateTest, ABlamedLaneParksItNoMore) {
    EXPECT_FALSE(attempt(answers::unauthorized(), true));
    EXPECT_FALSE(gate.is_closed());
}

TEST_F(TokenGateTest, ABlamedLaneDoesNotEndAPark) {
    attempt(answers::unauthorized());
    wait();
    EXPECT_FALSE(attempt(answers::unauthorized(), true));
    EXPECT_EQ(gate.state(), TokenState::parked);
}

TEST_F(TokenGateTest, ParkedAndOpenedByAnOperator) {
    gate.park(now + 5s);
    EXPECT_EQ(gate.state(), TokenState::parked);
    EXPECT_EQ(gate.closed_until(), now + 5s);
    gate.open();
    EXPECT_EQ(gate.state(), TokenState::active);
    EXPECT_FALSE(gate.is_closed());
}

// ---- what is the trouble of this token alone

class TokenTrouble : public TokenGateTest {
protected:
    TokenTrouble() { destinations = false; }
};

TEST_F(TokenTrouble, OneOrTwoThreadsAreNotTheToken) {
    for (int i = 0; i < 100; ++i) {
        EXPECT_FALSE(attempt(answers::unavailable(), false, 1));
        EXPECT_FALSE(attempt(answers::unavailable(), false, 2));
    }
}

TEST_F(TokenTrouble, ThreeThreadsWith5xxAndNoSuccessBetweenAre) {
    attempt(answers::unavailable(), false, 1);
    attempt(answers::unavailable(), false, 2);
    EXPECT_EQ(attempt(answers::unavailable(), false, 3), TokenState::failing);
    EXPECT_GE(*gate.closed_until(), now + 100ms);
    EXPECT_LE(*gate.closed_until(), now + 1s);
}

TEST_F(TokenTrouble, AGoodAnswerBetweenForgetsThem) {
    for (const auto& answer : {answers::ok(), answers::rejected()}) {
        for (std::uint64_t thread = 1; thread <= 30; ++thread) {
            EXPECT_FALSE(attempt(answers::unavailable(), false, thread));
            if (thread % 2 == 0) attempt(answer, false, thread);
        }
    }
}

TEST_F(TokenTrouble, FiveRequestsOfThreeThreadsWithoutAnAnswerAre) {
    for (std::uint64_t thread = 1; thread <= 4; ++thread) {
        EXPECT_FALSE(attempt(answers::no_answer(), false, thread));
    }
    EXPECT_EQ(attempt(answers::no_answer(), false, 5), TokenState::failing);
}

TEST_F(TokenTrouble, NoConnectionNeverIs) {
    for (std::uint64_t thread = 1; thread <= 30; ++thread) {
        EXPECT_FALSE(attempt(answers::no_connection(), false, thread));
    }
}

TEST_F(TokenTrouble, TwoThreadsThatAreAskedToWaitAre) {
    EXPECT_FALSE(attempt(answers::unavailable(10s), false, 1));
    EXPECT_FALSE(attempt(answers::unavailable(10s), false, 1));
    EXPECT_EQ(attempt(answers::unavailable(10s), false, 2), TokenState::throttled);
    EXPECT_EQ(gate.closed_until(), now + 10s);
}

TEST_F(TokenTrouble, AWrongUrlForThisTokenAloneParksIt) {
    EXPECT_EQ(attempt(answers::not_found()), TokenState::parked);
    EXPECT_EQ(gate.closed_until(), now);
    EXPECT_FALSE(attempt(answers::not_found()));
    EXPECT_EQ(gate.closed_until(), now + options.token_probe);
}

TEST_F(TokenTrouble, ProbesOfAFailingTokenWaitLongerAndASuccessEndsIt) {
    for (std::uint64_t thread = 1; thread <= 3; ++thread) {
        attempt(answers::unavailable(), false, thread);
    }
    Milliseconds longest{0};
    for (int i = 0; i < 12; ++i) {
        longest = std::max(longest, std::chrono::ceil<Milliseconds>(*gate.closed_until() - now));
        wait();
        EXPECT_FALSE(attempt(i % 2 ? answers::unavailable() : answers::no_answer()));
        EXPECT_EQ(gate.state(), TokenState::failing);
    }
    EXPECT_GT(longest, 10s);
    EXPECT_LE(longest, options.token_backoff.max);
    wait();
    EXPECT_EQ(attempt(answers::ok()), TokenState::active);
}

TEST_F(TokenTrouble, AFailingTokenCanBeThrottledOrParked) {
    for (const auto& [answer, state] : {std::pair(answers::throttled(9s), TokenState::throttled),
                                        std::pair(answers::unavailable(9s), TokenState::throttled),
                                        std::pair(answers::unauthorized(), TokenState::parked)}) {
        gate = TokenGate();
        for (std::uint64_t thread = 1; thread <= 3; ++thread) {
            attempt(answers::unavailable(), false, thread);
        }
        wait();
        EXPECT_EQ(attempt(answer), state);
    }
}

}  // namespace
}  // namespace flowrelay::core::scheduling
