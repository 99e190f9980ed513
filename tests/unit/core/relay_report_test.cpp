// The heart: what the flow is told of a source's trouble.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "unit/core/relay_fixture.hpp"

namespace flowrelay::core {
namespace {

class RelayReportTest : public RelayTest {
protected:
    RelayReportTest() { configure(true); }

    void configure(bool report, std::string_view secret = token, bool hold = false) {
        ConfiguredSource source;
        source.name = "ci";
        source.secret = Secret(secret);
        source.rules.report_problems = report;
        source.rules.hold_rejected = hold;
        relay_->configure({source}, now_);
    }

    TokenId ci() const { return *relay_->tokens().find("ci"); }

    std::optional<Problem> reported(int status = 200) {
        const auto report = relay_->reporting().flow().next_report(now_);
        if (!report) return std::nullopt;
        EXPECT_EQ(report->message.find(token), std::string::npos);
        AttemptResult result;
        result.status = status;
        result.detail = status >= 400 ? "says the server" : "";
        relay_->reporting().flow().end_report(*report, result, now_);
        return report->problem;
    }

    std::size_t lines(std::string_view event) const { return log_.named(event).size(); }
};

TEST_F(RelayReportTest, AParkedTokenIsReportedAndClearedWhenItIsTakenAgain) {
    accept();
    answer(401);
    EXPECT_FALSE(relay_->reporting().flow().next_report(now_));
    EXPECT_LE(relay_->next_wakeup(now_), now_.mono + Seconds(10));
    pass(Seconds(10));
    EXPECT_EQ(reported(), Problem::parked);
    EXPECT_EQ(lines("report.sent"), 1U);
    pass(Seconds(300));
    answer(202);
    pass(Seconds(119));
    EXPECT_FALSE(relay_->reporting().flow().next_report(now_));
    pass(Seconds(1));
    const auto report = relay_->reporting().flow().next_report(now_);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->message, "");
    AttemptResult taken;
    taken.status = 200;
    relay_->reporting().flow().end_report(*report, taken, now_);
    EXPECT_EQ(lines("report.cleared"), 1U);
}

TEST_F(RelayReportTest, EachWayToDieIsReported) {
    options_.scheduler.max_age = Seconds(1000);
    relay_->set_options(options_);
    accept();
    answer(422);
    pass(Seconds(10));
    EXPECT_EQ(reported(), Problem::refused);

    accept("t2");
    relay_->delivery().unreadable(*relay_->delivery().next(now_), "damaged", true, now_);
    pass(Seconds(60));
    EXPECT_EQ(reported(), Problem::lost);

    accept("t3");
    pass(Seconds(1001));
    relay_->delivery().expire(now_);
    EXPECT_EQ(reported(), Problem::expired);
}

TEST_F(RelayReportTest, AHeldThreadIsNotOverBecauseOthersAreDelivered) {
    configure(true, token, true);
    const Seq held = accept();
    answer(422);
    pass(Seconds(10));
    EXPECT_EQ(reported(), Problem::held);
    for (int i = 0; i < 10; ++i) {
        accept("t2");
        answer(202);
        pass(Seconds(121));
        EXPECT_FALSE(relay_->reporting().flow().next_report(now_));
    }
    relay_->destination().scheduler().release_lane(held);
    answer(202);
    pass(Seconds(121));
    const auto report = relay_->reporting().flow().next_report(now_);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->message, "");
}

TEST_F(RelayReportTest, NothingIsSentWhileTheDestinationIsNotWell) {
    accept();
    answer(422);
    accept();
    answer(404);
    pass(Seconds(59));
    EXPECT_FALSE(relay_->reporting().flow().next_report(now_));
    EXPECT_GE(relay_->next_wakeup(now_), now_.mono + Seconds(1)) << "no waking up for nothing";
    pass(Seconds(1));
    answer(202);
    EXPECT_EQ(reported(), Problem::refused);
}

TEST_F(RelayReportTest, APausedSourceGetsNoRequest) {
    accept();
    answer(422);
    relay_->lifecycle().pause_source(ci(), now_);
    pass(Seconds(10));
    EXPECT_FALSE(relay_->reporting().flow().next_report(now_));
    relay_->lifecycle().resume_source(ci(), now_);
    pass(Seconds(60));
    EXPECT_EQ(reported(), Problem::refused);
}

TEST_F(RelayReportTest, AGoneTokenGetsNoRequest) {
    accept();
    answer(422);
    accept();
    answer(410);
    pass(std::chrono::hours(10));
    EXPECT_FALSE(relay_->reporting().flow().next_report(now_));
}

TEST_F(RelayReportTest, AnotherTokenIsAnotherBeginning) {
    accept();
    answer(401);
    pass(Seconds(10));
    EXPECT_EQ(reported(410), Problem::parked);
    configure(true, "another-one");
    answer(202);
    pass(Seconds(121));
    EXPECT_TRUE(relay_->reporting().flow().next_report(now_)) << "cleared once";
}

TEST_F(RelayReportTest, WithoutTheOptionNothingIsSaid) {
    configure(false);
    accept();
    answer(401);
    pass(Seconds(300));
    answer(422);
    pass(Seconds(3600));
    EXPECT_FALSE(relay_->reporting().flow().next_report(now_));
}

TEST_F(RelayReportTest, TakingTheOptionOutClears) {
    accept();
    answer(422);
    pass(Seconds(10));
    EXPECT_EQ(reported(), Problem::refused);
    configure(false);
    pass(Seconds(60));
    const auto report = relay_->reporting().flow().next_report(now_);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->message, "");
    relay_->reporting().flow().release_report(*report);
    EXPECT_TRUE(relay_->reporting().flow().next_report(now_)) << "it was not made";
}

TEST_F(RelayReportTest, ASourceThatLeftTheConfigurationHasNoTokenToReportWith) {
    accept();
    answer(422);
    pass(Seconds(10));
    EXPECT_EQ(reported(), Problem::refused);
    relay_->configure({}, now_);
    pass(Seconds(60));
    EXPECT_FALSE(relay_->reporting().flow().next_report(now_));
}

TEST_F(RelayReportTest, AFailureIsOneLineAndTouchesNothingElse) {
    accept();
    answer(422);
    for (int i = 0; i < 5; ++i) {
        pass(Seconds(3600));
        EXPECT_EQ(reported(503), Problem::refused);
    }
    const auto failed = log_.named("report.failed");
    ASSERT_EQ(failed.size(), 1U);
    EXPECT_EQ(relay_->destination().scheduler().status().destination, DestinationState::up);
    EXPECT_EQ(relay_->counters().attempts, 1U);
    EXPECT_FALSE(logged_the_token());
}

}  // namespace
}  // namespace flowrelay::core
