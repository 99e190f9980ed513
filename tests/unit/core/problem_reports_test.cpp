#include "flowrelay/core/problem_reports.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace flowrelay::core {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr TokenId ci{1};
constexpr TokenId web{2};

class ProblemReportsTest : public testing::Test {
protected:
    ProblemReportsTest() { reports_.configure({ci, web}); }

    void pass(Milliseconds time) {
        now_.mono += time;
        now_.wall += time;
    }

    void trouble(Problem problem, int status = 0, TokenId token = ci) {
        reports_.trouble(token, problem, status, now_);
    }

    /// The next report, if there is one to make now.
    std::optional<ProblemReport> next() {
        while (const auto token = reports_.due(now_.mono)) {
            if (auto report = reports_.begin(*token, "ci", now_.mono)) return report;
        }
        return std::nullopt;
    }

    bool end(const ProblemReport& report, int status = 200,
             std::optional<Milliseconds> retry_after = {}) {
        AttemptResult result;
        result.status = status;
        result.retry_after = retry_after;
        return reports_.ended(report, result, now_.mono);
    }

    /// Makes what there is to be made in the time, with 200 as the answer: "12s parked".
    std::vector<std::string> made_within(Milliseconds time) {
        std::vector<std::string> made;
        const MonoTime begin = now_.mono;
        const MonoTime end_of_time = begin + time;
        while (true) {
            const auto at = reports_.next_wakeup();
            if (!at || *at > end_of_time) break;
            if (*at > now_.mono) pass(std::chrono::ceil<Milliseconds>(*at - now_.mono));
            if (const auto report = next()) {
                const auto after = std::chrono::duration_cast<Milliseconds>(now_.mono - begin);
                made.push_back(format_duration(after) + " " +
                               std::string(report->problem ? to_string(*report->problem) : "none"));
                end(*report);
            }
        }
        pass(std::chrono::ceil<Milliseconds>(end_of_time - now_.mono));
        return made;
    }

    using Made = std::vector<std::string>;

    Now now_{MonoTime(Seconds(1000)), WallTime(Seconds(1'800'000'000))};
    ProblemReports reports_;
};

TEST_F(ProblemReportsTest, APauseOfTenSecondsComesFirst) {
    trouble(Problem::parked, 401);
    EXPECT_EQ(made_within(Seconds(3600)), Made{"10s parked"});
}

TEST_F(ProblemReportsTest, ATokenThatIsTakenAgainSoonIsNotReported) {
    trouble(Problem::parked, 401);
    pass(Seconds(9));
    reports_.delivered(ci, now_);
    // What a former life may have left is cleared.
    EXPECT_EQ(made_within(Seconds(3600)), Made{"2m none"});
}

TEST_F(ProblemReportsTest, RecoveryIsReportedAfterTwoQuietMinutes) {
    trouble(Problem::parked, 401);
    EXPECT_EQ(made_within(Seconds(1000)), Made{"10s parked"});
    reports_.delivered(ci, now_);
    pass(Seconds(100));
    trouble(Problem::parked, 403);  // the same again: the flow knows
    EXPECT_EQ(made_within(Seconds(1000)), Made());
    reports_.delivered(ci, now_);
    EXPECT_EQ(made_within(Seconds(1000)), Made{"2m none"});
    reports_.delivered(ci, now_);
    EXPECT_EQ(made_within(Seconds(1000)), Made());
}

TEST_F(ProblemReportsTest, ADeathIsReportedAlthoughOthersAreDelivered) {
    trouble(Problem::refused, 422);
    reports_.delivered(ci, now_);
    EXPECT_EQ(made_within(Seconds(1000)), (Made{"10s refused", "2m none"}));
}

TEST_F(ProblemReportsTest, OneDeathAfterTheOtherIsOneReport) {
    for (int i = 0; i < 1000; ++i) {
        trouble(Problem::refused, 400 + i % 30);
        reports_.delivered(ci, now_);
        EXPECT_EQ(made_within(Seconds(7)), i == 1 ? Made{"3s refused"} : Made()) << i;
    }
    EXPECT_EQ(made_within(Seconds(1000)), Made{"1m53s none"});
}

TEST_F(ProblemReportsTest, TheLastKindCountsAtMostOnceAMinute) {
    Made all;
    for (int i = 0; i < 100; ++i) {
        trouble(i % 2 == 0 ? Problem::refused : Problem::expired);
        const auto made = made_within(Seconds(3));
        all.insert(all.end(), made.begin(), made.end());
    }
    EXPECT_GE(all.size(), 4U);
    EXPECT_LE(all.size(), 5U);
}

TEST_F(ProblemReportsTest, WhatDiedMeanwhileIsReportedWhenTheTokenIsTakenAgain) {
    trouble(Problem::parked, 401);
    EXPECT_EQ(made_within(Seconds(100)), Made{"10s parked"});
    trouble(Problem::expired);
    EXPECT_EQ(made_within(Seconds(100)), Made());
    reports_.delivered(ci, now_);
    EXPECT_EQ(made_within(Seconds(1000)), (Made{"0s expired", "2m none"}));
}

TEST_F(ProblemReportsTest, AfterAStartAWellSourceIsClearedOnceWhenItHasDelivered) {
    EXPECT_EQ(made_within(Seconds(1000)), Made());
    reports_.delivered(ci, now_);
    reports_.delivered(web, now_);
    EXPECT_EQ(made_within(Seconds(1000)), (Made{"2m none", "2m none"}));
}

TEST_F(ProblemReportsTest, OneRequestAtATimeAndNotOneRightAfterTheOther) {
    trouble(Problem::parked, 401);
    trouble(Problem::parked, 401, web);
    pass(Seconds(10));
    const auto first = next();
    ASSERT_TRUE(first);
    EXPECT_EQ(reports_.due(now_.mono), std::nullopt);
    EXPECT_EQ(reports_.next_wakeup(), std::nullopt);
    end(*first);
    EXPECT_EQ(next(), std::nullopt);
    EXPECT_EQ(reports_.next_wakeup(), now_.mono + Milliseconds(200));
    pass(Milliseconds(200));
    const auto second = next();
    ASSERT_TRUE(second);
    EXPECT_NE(second->token, first->token);
}

TEST_F(ProblemReportsTest, AFailedOneIsMadeAgainEverMoreSeldomAndToldOnce) {
    trouble(Problem::parked, 401);
    pass(Seconds(10));
    Milliseconds waited{0};
    for (const int minutes : {0, 1, 2, 4, 8, 16, 32, 60, 60, 60}) {
        const auto wakeup = reports_.next_wakeup();
        ASSERT_TRUE(wakeup);
        if (minutes > 0) {
            EXPECT_EQ(*wakeup, now_.mono + std::chrono::minutes(minutes));
            pass(std::chrono::minutes(minutes) - Milliseconds(1));
            EXPECT_EQ(next(), std::nullopt);
            pass(Milliseconds(1));
        }
        const auto report = next();
        ASSERT_TRUE(report);
        EXPECT_EQ(report->problem, Problem::parked);
        EXPECT_EQ(end(*report, 500), minutes == 0);
        waited += std::chrono::minutes(minutes);
    }
    pass(std::chrono::hours(1));
    EXPECT_TRUE(end(*next(), 200)) << "that it works again is told";
    EXPECT_EQ(reports_.next_wakeup(), std::nullopt);
}

TEST_F(ProblemReportsTest, TheServerMayAskForMoreTime) {
    trouble(Problem::parked, 401);
    pass(Seconds(10));
    end(*next(), 429, Seconds(600));
    EXPECT_EQ(reports_.next_wakeup(), now_.mono + Seconds(600));
    pass(Seconds(600));
    end(*next(), 503, std::chrono::hours(1000));
    EXPECT_EQ(reports_.next_wakeup(), now_.mono + std::chrono::hours(1));
}

TEST_F(ProblemReportsTest, AfterA410NothingIsSaidUntilThereIsAnotherToken) {
    trouble(Problem::parked, 401);
    pass(Seconds(10));
    EXPECT_TRUE(end(*next(), 410));
    EXPECT_EQ(reports_.next_wakeup(), std::nullopt);
    trouble(Problem::refused, 400);
    EXPECT_EQ(reports_.next_wakeup(), std::nullopt);
    reports_.renew(ci);
    trouble(Problem::refused, 400);
    EXPECT_EQ(made_within(Seconds(100)), Made{"1m refused"}) << "not before its minute is over";
}

TEST_F(ProblemReportsTest, WithoutAnAnswerItIsNotKnownWhatTheFlowShows) {
    trouble(Problem::parked, 401);
    pass(Seconds(10));
    const auto report = next();
    AttemptResult result;
    result.end = AttemptEnd::timed_out;
    reports_.ended(*report, result, now_.mono);
    reports_.delivered(ci, now_);
    EXPECT_EQ(made_within(Seconds(1000)), Made{"2m none"});
}

TEST_F(ProblemReportsTest, WhoStopsReportingIsClearedAndForgotten) {
    trouble(Problem::parked, 401);
    EXPECT_EQ(made_within(Seconds(100)), Made{"10s parked"});
    reports_.configure({web});
    EXPECT_EQ(made_within(Seconds(100)), Made{"0s none"});
    trouble(Problem::refused, 400);
    reports_.delivered(ci, now_);
    EXPECT_EQ(made_within(Seconds(1000)), Made());
}

TEST_F(ProblemReportsTest, WhoNeverReportedIsForgottenAtOnce) {
    reports_.configure({});
    reports_.delivered(ci, now_);
    EXPECT_EQ(made_within(Seconds(1000)), Made());
}

TEST_F(ProblemReportsTest, AFarewellIsTriedAFewTimes) {
    trouble(Problem::parked, 401);
    EXPECT_EQ(made_within(Seconds(100)), Made{"10s parked"});
    reports_.configure({});
    int tries = 0;
    while (const auto at = reports_.next_wakeup()) {
        if (*at > now_.mono) pass(std::chrono::ceil<Milliseconds>(*at - now_.mono));
        if (const auto report = next()) {
            EXPECT_EQ(report->problem, std::nullopt);
            end(*report, 404);
            ASSERT_LT(++tries, 20);
        }
    }
    EXPECT_EQ(tries, 7);
}

TEST_F(ProblemReportsTest, WhatIsWrongStillIsNotOver) {
    trouble(Problem::held, 422);
    EXPECT_EQ(made_within(Seconds(100)), Made{"10s held"});
    reports_.delivered(ci, now_);
    for (int i = 0; i < 10; ++i) {
        pass(Seconds(120));
        ASSERT_EQ(reports_.due(now_.mono), ci);
        reports_.not_well_yet(ci, now_.mono);
        EXPECT_EQ(next(), std::nullopt);
    }
    EXPECT_EQ(made_within(Seconds(1000)), Made{"2m none"});
}

TEST_F(ProblemReportsTest, APausedSourceIsLookedAtOnceAMinute) {
    trouble(Problem::parked, 401);
    pass(Seconds(10));
    reports_.postpone(ci, now_.mono);
    EXPECT_EQ(reports_.next_wakeup(), now_.mono + Seconds(60));
    EXPECT_EQ(made_within(Seconds(100)), Made{"1m parked"});
}

TEST_F(ProblemReportsTest, OneThatWasNotMadeIsMadeLater) {
    trouble(Problem::parked, 401);
    pass(Seconds(10));
    reports_.release(*next());
    EXPECT_EQ(made_within(Seconds(100)), Made{"0s parked"});
}

TEST_F(ProblemReportsTest, AnAnswerThatComesWhenTheSourceIsForgottenIsNoHarm) {
    trouble(Problem::parked, 401);
    pass(Seconds(10));
    const auto report = next();
    reports_.drop(ci);
    EXPECT_FALSE(end(*report, 500));
    EXPECT_EQ(reports_.next_wakeup(), std::nullopt);
}

TEST_F(ProblemReportsTest, TheMessageSaysWhatReadersNeed) {
    trouble(Problem::parked, 403);
    pass(Seconds(10));
    const auto report = next();
    EXPECT_EQ(report->message,
              "Activity of this source is missing here since 2027-01-15 08:00 UTC: its token is "
              "refused (HTTP 403). Nothing is lost: it is kept and will be posted when the token "
              "is accepted again. For those who run the relay: flowrelay explain ci");
    std::string body;
    append_report_body(body, Secret("a\"b"), "x\ny");
    EXPECT_EQ(body, R"({"flow_token":"a\"b","error_message":"x\u000ay"})");
}

}  // namespace
}  // namespace flowrelay::core
