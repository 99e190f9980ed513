// The relay: whether idle sources live in their flows.
#include <gtest/gtest.h>

#include <string_view>

#include "unit/core/relay_fixture.hpp"

namespace flowrelay::core {
namespace {

class RelayChecksTest : public RelayTest {
protected:
    RelayChecksTest() {
        options_.check_idle_sources = Seconds(24 * 3600);
        options_.gone_grace = Seconds(3600);
        restart({});
        configure(token);
    }

    void configure(std::string_view secret) {
        ConfiguredSource source;
        source.name = "ci";
        source.secret = Secret(secret);
        relay_->configure({source}, now_);
    }

    TokenId ci() const { return *relay_->tokens().find("ci"); }

    /// What an idle day brings.
    std::optional<SourceCheck> after_a_day() {
        pass(Seconds(27 * 3600));
        return relay_->reporting().liveness().next_check(now_);
    }

    Delivery::CheckEnd end(const SourceCheck& check, int status, bool has_source = false) {
        AttemptResult result;
        result.status = status;
        result.detail = "says the server";
        return relay_->delivery().end_check(check, result, has_source, now_);
    }
};

TEST_F(RelayChecksTest, AnIdleSourceIsAskedForAndTheClockIsSetForThat) {
    const auto wakeup = relay_->next_wakeup(now_);
    ASSERT_TRUE(wakeup);
    EXPECT_LE(*wakeup, now_.mono + Seconds(24 * 3600));
    const auto check = after_a_day();
    ASSERT_TRUE(check);
    EXPECT_EQ(check->token, ci());
    EXPECT_FALSE(relay_->reporting().liveness().next_check(now_)) << "one at a time";
    EXPECT_EQ(end(*check, 200, true).life, SourceLife::found);
    EXPECT_FALSE(relay_->reporting().liveness().next_check(now_));
    EXPECT_TRUE(log_.named("source.check_failed").empty());
    EXPECT_TRUE(after_a_day());
}

TEST_F(RelayChecksTest, OneThatIsGoneIsDisabledAsAfterA410) {
    const auto check = after_a_day();
    ASSERT_TRUE(check);
    const auto found = end(*check, 410);
    EXPECT_EQ(found.life, SourceLife::gone);
    ASSERT_EQ(found.effects.tokens.size(), 1U);
    EXPECT_EQ(found.effects.tokens[0].state, TokenEntry::State::gone);
    EXPECT_EQ(found.effects.tokens[0].erase_at, now_.wall + Seconds(3600));
    EXPECT_EQ(log_.named("token.gone").size(), 1U);
    auto refused = relay_->admission().submit(event(), now_);
    EXPECT_EQ(std::get<Rejection>(refused).code, RejectCode::token_gone);
    EXPECT_FALSE(after_a_day());
    relay_->lifecycle().tokens_saved(found.effects.tokens);
    EXPECT_EQ(relay_->lifecycle().take_due_erasures(now_).size(), 1U);
}

TEST_F(RelayChecksTest, AnyOtherAnswerChangesNothingAndIsToldOnce) {
    for (const int status : {404, 401, 503, 302, 200}) {
        log_.lines.clear();
        for (int day = 0; day < 3; ++day) {
            const auto check = after_a_day();
            ASSERT_TRUE(check) << status;
            EXPECT_TRUE(end(*check, status).effects.tokens.empty()) << status;
        }
        // 302 and a 200 without a source are the same: strange.
        EXPECT_EQ(log_.named("source.check_failed").size(), status == 200 ? 0U : 1U) << status;
        EXPECT_EQ(relay_->tokens().at(ci()).entry.state, TokenEntry::State::active);
    }
    EXPECT_FALSE(logged_the_token());
}

TEST_F(RelayChecksTest, WhatIsQueuedTellsInItsPlace) {
    accept();
    EXPECT_FALSE(after_a_day());
    answer(202);
    EXPECT_TRUE(after_a_day());
}

TEST_F(RelayChecksTest, OneThatIsPausedOrLatelyHeardOfIsLeftAlone) {
    ASSERT_TRUE(relay_->lifecycle().pause_source(ci(), now_).has_value());
    EXPECT_FALSE(after_a_day());
    ASSERT_TRUE(relay_->lifecycle().resume_source(ci(), now_).has_value());
    for (int hour = 0; hour < 60; ++hour) {
        accept();
        answer(202);
        pass(Seconds(3600));
        EXPECT_FALSE(relay_->reporting().liveness().next_check(now_));
    }
    EXPECT_TRUE(after_a_day());
}

TEST_F(RelayChecksTest, NothingIsAskedWhileTheDestinationIsDownOrDeliveriesAreHeld) {
    relay_->destination().hold_deliveries(true);
    EXPECT_FALSE(after_a_day());
    EXPECT_FALSE(relay_->next_wakeup(now_)) << "it must not be woken for nothing";
    relay_->destination().hold_deliveries(false);
    accept();
    answer(405);  // the set-up is wrong: the destination is parked
    EXPECT_FALSE(after_a_day());
}

TEST_F(RelayChecksTest, AnAnswerAboutAFormerTokenSaysNothing) {
    const auto check = after_a_day();
    ASSERT_TRUE(check);
    configure("another-t0ken");
    EXPECT_FALSE(relay_->reporting().liveness().may_be_sent(*check));
    const auto found = end(*check, 410);
    EXPECT_EQ(found.life, SourceLife::unanswered);
    EXPECT_TRUE(found.effects.tokens.empty());
    EXPECT_EQ(relay_->tokens().at(ci()).entry.state, TokenEntry::State::active);
}

TEST_F(RelayChecksTest, AnOperatorAsksForWhatHasAToken) {
    EXPECT_FALSE(relay_->reporting().liveness().refuse_check(ci()));
    const SourceCheck check = relay_->reporting().liveness().begin_check(ci(), true);
    EXPECT_TRUE(relay_->reporting().liveness().is_checking());
    EXPECT_EQ(end(check, 404).life, SourceLife::unknown);
    EXPECT_TRUE(log_.named("source.check_failed").empty()) << "who asked is told";
    relay_->configure({}, now_);
    const auto refused = relay_->reporting().liveness().refuse_check(ci());
    ASSERT_TRUE(refused);
    EXPECT_NE(refused->message.find("no token to ask with"), std::string::npos);
}

}  // namespace
}  // namespace flowrelay::core
