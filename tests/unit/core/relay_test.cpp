#include "flowrelay/core/relay.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "relay_fixture.hpp"

namespace flowrelay::core {
namespace {

TEST_F(RelayTest, AnAcceptedEventIsPostedAndSettled) {
    const Seq seq = accept();
    const auto effects = answer(202);
    ASSERT_TRUE(effects.settle);
    EXPECT_EQ(effects.settle->seq, seq);
    EXPECT_EQ(effects.settle->outcome, Outcome::delivered);
    EXPECT_EQ(relay_->destination().queued(), 0U);
    EXPECT_EQ(relay_->counters().delivered, 1U);
}

TEST_F(RelayTest, TheFirstEventOfATokenBringsTheTokenAlong) {
    auto first = relay_->admission().submit(event(), now_);
    EXPECT_TRUE(std::get<Admission::Append>(first).new_token);
    auto second = relay_->admission().submit(event(), now_);
    EXPECT_TRUE(std::get<Admission::Append>(second).new_token) << "the first may still fail";
    relay_->admission().committed(std::get<Admission::Append>(first).record, Seq{1});
    auto third = relay_->admission().submit(event(), now_);
    EXPECT_FALSE(std::get<Admission::Append>(third).new_token);
}

TEST_F(RelayTest, OtherOptionsHoldFromNowOn) {
    accept("t1", R"(,"uuid":"mine")");
    RelayOptions other = options_;
    other.dedup_window = Milliseconds(0);
    other.scheduler.max_age = Seconds(10);
    other.destination = "https://elsewhere.example.com";
    relay_->set_options(other);
    EXPECT_TRUE(std::holds_alternative<Admission::Append>(
        relay_->admission().submit(event("t1", R"(,"uuid":"mine")"), now_)));
    pass(Seconds(11));
    EXPECT_EQ(relay_->delivery().expire(now_).bury.size(), 1U);
    accept("t2");
    answer(404);
    EXPECT_EQ(log_.named("destination.parked").at(0).fields.at("destination"),
              "https://elsewhere.example.com");
    EXPECT_FALSE(relay_->delivery().next(now_));
    relay_->destination().scheduler().try_destination_now(now_);
    EXPECT_TRUE(relay_->delivery().next(now_));
}

TEST_F(RelayTest, ADestinationInTroubleIsToldOfEveryHour) {
    accept();
    answer(404);
    for (int minute = 0; minute < 130; ++minute) {
        pass(Seconds(61));
        answer(404);
    }
    const auto told = log_.named("destination.parked");
    ASSERT_EQ(told.size(), 3U);
    EXPECT_EQ(told[0].fields.at("for"), "0s");
    EXPECT_EQ(told[1].fields.at("for"), "1h1m");
    pass(Seconds(61));
    answer(202);
    EXPECT_EQ(log_.named("destination.up").at(0).fields.at("after"), "2h13m");
}

TEST_F(RelayTest, AnEventHasItsOwnIdOrGetsOne) {
    accept();
    accept("t1", R"(,"uuid":"mine")");
    EXPECT_EQ(records_.at(Seq{1}).id.size(), 36U);
    EXPECT_FALSE(records_.at(Seq{1}).own_id);
    EXPECT_EQ(records_.at(Seq{2}).id, "mine");
    EXPECT_TRUE(records_.at(Seq{2}).own_id);
}

TEST_F(RelayTest, AnEventThatComesAgainIsADuplicate) {
    accept("t1", R"(,"uuid":"mine")");
    auto again = relay_->admission().submit(event("t1", R"(,"uuid":"mine")"), now_);
    const auto* duplicate = std::get_if<Admission::Duplicate>(&again);
    ASSERT_NE(duplicate, nullptr);
    EXPECT_TRUE(relay_->admission().confirm(*duplicate, now_));
    pass(options_.dedup_window + Milliseconds(1));
    EXPECT_TRUE(std::holds_alternative<Admission::Append>(
        relay_->admission().submit(event("t1", R"(,"uuid":"mine")"), now_)));
}

TEST_F(RelayTest, ADuplicateOfAnEventThatCouldNotBeStoredIsNone) {
    auto first = relay_->admission().submit(event("t1", R"(,"uuid":"mine")"), now_);
    auto again = relay_->admission().submit(event("t1", R"(,"uuid":"mine")"), now_);
    const auto rejection =
        relay_->admission().commit_failed(std::get<Admission::Append>(first).record, false);
    EXPECT_EQ(rejection.code, RejectCode::storage_failed);
    EXPECT_FALSE(relay_->admission().confirm(std::get<Admission::Duplicate>(again), now_));
}

TEST_F(RelayTest, ADuplicateIsNoneAlthoughItsIdWasHandedInOnceMoreSince) {
    const auto submit = [this] {
        return relay_->admission().submit(event("t1", R"(,"uuid":"x")"), now_);
    };
    auto first = submit();
    auto second = submit();
    relay_->admission().commit_failed(std::get<Admission::Append>(first).record, true);
    auto third = submit();
    EXPECT_TRUE(std::holds_alternative<Admission::Append>(third));
    EXPECT_FALSE(relay_->admission().confirm(std::get<Admission::Duplicate>(second), now_))
        << "the third is not durable yet";
    auto fourth = submit();
    relay_->admission().committed(std::get<Admission::Append>(third).record, Seq{1});
    EXPECT_TRUE(relay_->admission().confirm(std::get<Admission::Duplicate>(fourth), now_));
}

TEST_F(RelayTest, AFullQueueSaysWhenToTryAgain) {
    auto decision = relay_->admission().submit(event(), now_);
    const auto rejection =
        relay_->admission().commit_failed(std::get<Admission::Append>(decision).record, true);
    EXPECT_EQ(rejection.code, RejectCode::queue_full);
    EXPECT_GT(rejection.retry_after.value_or(Milliseconds(0)).count(), 0);
}

TEST_F(RelayTest, AFullTokenLeavesRoomForOthers) {
    options_.max_events_per_token = 2;
    relay_->set_options(options_);
    accept("t1", R"(,"uuid":"mine")");
    const auto second = relay_->admission().submit(event("t2"), now_);  // on its way to the disk
    ASSERT_TRUE(std::holds_alternative<Admission::Append>(second));
    const auto third = relay_->admission().submit(event("t3"), now_);
    ASSERT_TRUE(std::holds_alternative<Rejection>(third));
    EXPECT_EQ(std::get<Rejection>(third).code, RejectCode::token_queue_full);
    EXPECT_TRUE(relay_->admission().at_quota(TokenId{1}));
    EXPECT_GT(std::get<Rejection>(third).retry_after.value_or(Milliseconds(0)).count(), 0);
    // What is there already is no new event.
    EXPECT_TRUE(std::holds_alternative<Admission::Duplicate>(
        relay_->admission().submit(event("t1", R"(,"uuid":"mine")"), now_)));
    relay_->admission().commit_failed(std::get<Admission::Append>(second).record, false);
    EXPECT_TRUE(
        std::holds_alternative<Admission::Append>(relay_->admission().submit(event("t3"), now_)));
}

TEST_F(RelayTest, TheLineOfAFullTokenCountsWhatIsOnItsWayToTheDisk) {
    options_.max_events_per_token = 5;
    for (unsigned committed = 0; committed <= 5; ++committed) {
        SCOPED_TRACE(committed);
        restart({});
        log_.lines.clear();
        relay_->set_options(options_);
        for (unsigned n = 0; n < committed; ++n) accept("t" + std::to_string(n));
        for (unsigned n = committed; n < 5; ++n) {
            ASSERT_TRUE(std::holds_alternative<Admission::Append>(
                relay_->admission().submit(event("t"), now_)));
        }
        EXPECT_TRUE(
            std::holds_alternative<Rejection>(relay_->admission().submit(event("t"), now_)));
        ASSERT_EQ(log_.named("token.queue_full").size(), 1U);
        EXPECT_EQ(log_.named("token.queue_full").front().fields.at("queued"), "5");
    }
}

TEST_F(RelayTest, AFullTokenHasALineWhenItBeginsEachHourAndWhenItEnds) {
    options_.max_events_per_token = 1;
    relay_->set_options(options_);
    accept("t1");
    const auto lines = [this](std::string_view name) { return log_.named(name).size(); };
    for (int minute = 0; minute < 90; ++minute) {
        EXPECT_TRUE(
            std::holds_alternative<Rejection>(relay_->admission().submit(event("t2"), now_)));
        pass(Seconds(60));
    }
    EXPECT_EQ(lines("token.queue_full"), 2U);
    EXPECT_EQ(lines("token.has_room"), 0U);
    answer(200);
    EXPECT_FALSE(relay_->admission().at_quota(TokenId{1}));
    EXPECT_TRUE(
        std::holds_alternative<Admission::Append>(relay_->admission().submit(event("t2"), now_)));
    EXPECT_EQ(lines("token.has_room"), 1U);
    EXPECT_TRUE(std::holds_alternative<Rejection>(relay_->admission().submit(event("t3"), now_)));
    EXPECT_EQ(lines("token.queue_full"), 3U);
}

TEST_F(RelayTest, NothingIsAcceptedWhileItStops) {
    relay_->admission().stop_accepting();
    const auto decision = relay_->admission().submit(event(), now_);
    EXPECT_EQ(std::get<Rejection>(decision).code, RejectCode::shutting_down);
}

TEST_F(RelayTest, AnEventWaitsAfterA503AndKeepsItsId) {
    accept();
    const auto effects = answer(503);
    EXPECT_FALSE(effects.settle);
    EXPECT_TRUE(effects.bury.empty());
    EXPECT_FALSE(relay_->delivery().next(now_));
    EXPECT_EQ(relay_->destination().queued(), 1U);
    pass(Seconds(2));
    const auto again = relay_->delivery().next(now_);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->attempt, 2U);
    EXPECT_EQ(log_.named("delivery.retry").size(), 1U);
    EXPECT_EQ(log_.named("delivery.retry").front().fields.at("thread"), "t1");
    EXPECT_EQ(log_.named("delivery.retry").front().fields.at("status"), "503");
}

TEST_F(RelayTest, ARejectedEventGoesToTheDeadLetters) {
    const Seq seq = accept();
    const auto effects = answer(422);
    ASSERT_EQ(effects.bury.size(), 1U);
    EXPECT_EQ(effects.bury.front().seq, seq);
    EXPECT_EQ(effects.bury.front().outcome, Outcome::dead);
    EXPECT_EQ(effects.bury.front().status, 422);
    EXPECT_EQ(effects.bury.front().reason, "says the server");
    EXPECT_EQ(relay_->destination().queued(), 0U);
    EXPECT_EQ(log_.named("delivery.dead").size(), 1U);
}

TEST_F(RelayTest, AnOldEventExpires) {
    accept("t1", R"(,"relay":{"expires_in":"10s"})");
    accept("t2");
    pass(Seconds(11));
    const auto effects = relay_->delivery().expire(now_);
    ASSERT_EQ(effects.bury.size(), 1U);
    EXPECT_EQ(effects.bury.front().outcome, Outcome::expired);
    EXPECT_EQ(effects.bury.front().event.token, TokenId{1});
    EXPECT_EQ(relay_->destination().queued(), 1U);
    EXPECT_EQ(log_.named("delivery.expired").front().fields.at("reason"),
              "older than its own expires_in");
}

TEST_F(RelayTest, A410DisablesTheTokenAndErasesItAfterTheGrace) {
    accept("t1");
    accept("t2");
    const auto effects = answer(410);
    ASSERT_EQ(effects.tokens.size(), 1U);
    EXPECT_EQ(effects.tokens.front().state, TokenEntry::State::gone);
    EXPECT_FALSE(relay_->delivery().next(now_)) << "no request after a 410";
    EXPECT_EQ(std::get<Rejection>(relay_->admission().submit(event(), now_)).code,
              RejectCode::token_gone);
    relay_->lifecycle().tokens_saved(effects.tokens);
    EXPECT_TRUE(relay_->lifecycle().take_due_erasures(now_).empty());

    pass(options_.gone_grace);
    EXPECT_EQ(relay_->lifecycle().take_due_erasures(now_), std::vector<TokenId>{TokenId{1}});
    EXPECT_TRUE(relay_->lifecycle().take_due_erasures(now_).empty()) << "once";
    const TokenId gone{1};
    const TokenEntry entry = relay_->lifecycle().erasing({&gone, 1}, now_).front();
    EXPECT_TRUE(entry.secret.empty());
    relay_->lifecycle().erased(TokenId{1}, 2, 0);
    EXPECT_EQ(log_.named("token.erased").front().fields.at("events"), "2");
    EXPECT_FALSE(logged_the_token());
}

TEST_F(RelayTest, AReloadDoesNotStartAnErasureOver) {
    options_.gone_grace = Milliseconds(0);
    restart({});
    accept("t1");
    relay_->lifecycle().tokens_saved(answer(410).tokens);
    ASSERT_EQ(relay_->lifecycle().take_due_erasures(now_).size(), 1U);
    relay_->configure({}, now_);
    EXPECT_TRUE(relay_->lifecycle().take_due_erasures(now_).empty()) << "it is under way";
    relay_->lifecycle().erase_failed(TokenId{1}, "the disk", now_);
    relay_->configure({}, now_);
    EXPECT_TRUE(relay_->lifecycle().take_due_erasures(now_).empty()) << "a minute has not passed";
    pass(Seconds(60));
    EXPECT_EQ(relay_->lifecycle().take_due_erasures(now_).size(), 1U);
    relay_->configure({}, now_);
    EXPECT_TRUE(relay_->lifecycle().take_due_erasures(now_).empty()) << "it is under way again";
}

TEST_F(RelayTest, AnErasureThatFailedIsTriedAgain) {
    options_.gone_grace = Milliseconds(0);
    restart({});
    accept();
    relay_->lifecycle().tokens_saved(answer(410).tokens);
    ASSERT_EQ(relay_->lifecycle().take_due_erasures(now_).size(), 1U);
    relay_->lifecycle().erase_failed(TokenId{1}, "the disk", now_);
    EXPECT_TRUE(relay_->lifecycle().take_due_erasures(now_).empty());
    const auto wakeup = relay_->next_wakeup(now_);
    ASSERT_TRUE(wakeup);
    EXPECT_LE(*wakeup, now_.mono + Seconds(60));
    pass(Seconds(60));
    EXPECT_EQ(relay_->lifecycle().take_due_erasures(now_).size(), 1U);
}

TEST_F(RelayTest, AGoneTokenIsRememberedOverARestart) {
    accept();
    const auto effects = answer(410);
    restart(effects.tokens);
    relay_->lifecycle().restore(TokenId{1}, 1, Seq{1});
    EXPECT_FALSE(relay_->destination().active().next_load())
        << "its events are not to be delivered";
    EXPECT_EQ(std::get<Rejection>(relay_->admission().submit(event(), now_)).code,
              RejectCode::token_gone);
    pass(options_.gone_grace);
    EXPECT_EQ(relay_->lifecycle().take_due_erasures(now_).size(), 1U);
}

TEST_F(RelayTest, WhatWasInFlightWhenTheTokenWentIsLeftToTheErasure) {
    accept("t1");
    accept("t2");
    const auto first = relay_->delivery().next(now_);
    const auto second = relay_->delivery().next(now_);
    ASSERT_TRUE(first && second);
    end(*first, 410);
    const auto effects = end(*second, 503);
    EXPECT_FALSE(effects.settle);
    EXPECT_TRUE(effects.bury.empty());
}

TEST_F(RelayTest, AnEventAcceptedJustBeforeItsTokenWentIsNotPosted) {
    accept("t1");
    auto late = relay_->admission().submit(event("t2"), now_);
    answer(410);
    relay_->admission().committed(std::get<Admission::Append>(late).record, Seq{2});
    EXPECT_FALSE(relay_->delivery().next(now_));
}

TEST_F(RelayTest, AParkedTokenIsProbedAndSaysWhy) {
    accept("t1");
    accept("t2");
    answer(401);
    answer(401);  // another thread, at once: it may have been about the event
    EXPECT_FALSE(relay_->delivery().next(now_));
    EXPECT_EQ(relay_->lifecycle().token_reason(TokenId{1}), "HTTP 401: says the server");
    EXPECT_EQ(log_.named("token.parked").front().fields.at("queued"), "2");
    pass(std::chrono::minutes(5));
    answer(403);
    EXPECT_EQ(relay_->lifecycle().token_reason(TokenId{1}), "HTTP 403: says the server")
        << "as of now";
    pass(std::chrono::minutes(5));
    const auto probe = relay_->delivery().next(now_);
    ASSERT_TRUE(probe);
    EXPECT_TRUE(probe->probe);
    end(*probe, 202);
    EXPECT_EQ(log_.named("token.active").size(), 1U);
    EXPECT_EQ(relay_->lifecycle().token_reason(TokenId{1}), "");
}

TEST_F(RelayTest, AWrongBaseUrlParksTheDestination) {
    accept();
    answer(404);
    EXPECT_EQ(relay_->destination().scheduler().status().destination, DestinationState::parked);
    EXPECT_EQ(relay_->reporting().destination_reason(), "HTTP 404: says the server");
    EXPECT_EQ(relay_->destination().queued(), 1U);
    EXPECT_EQ(log_.named("destination.parked").size(), 1U);
}

TEST_F(RelayTest, TheReasonIsThatOfTheLastProbe) {
    for (int i = 0; i < 8; ++i) accept("t" + std::to_string(i));
    AttemptResult failed;
    failed.end = AttemptEnd::connect_failed;
    std::vector<Assignment> begun;
    while (const auto assignment = relay_->delivery().next(now_)) begun.push_back(*assignment);
    const auto fail = [&](const Assignment& assignment) {
        relay_->delivery().attempted(assignment, records_.at(assignment.seq), failed, now_);
    };
    for (std::size_t i = 0; i < 6; ++i) fail(begun[i]);
    EXPECT_EQ(relay_->reporting().destination_reason(), "connect_failed");
    pass(Seconds(1));
    // The network is mended, and shows the next trouble.
    failed.end = AttemptEnd::tls_failed;
    failed.detail = "the certificate has expired";
    const auto probe = relay_->delivery().next(now_);
    ASSERT_TRUE(probe);
    fail(*probe);
    EXPECT_EQ(relay_->reporting().destination_reason(), "tls_failed: the certificate has expired");
    // What began before the outage tells nothing new.
    failed.end = AttemptEnd::timed_out;
    fail(begun[6]);
    EXPECT_EQ(relay_->reporting().destination_reason(), "tls_failed: the certificate has expired");
}

TEST_F(RelayTest, AnOutageIsAFewLines) {
    for (int i = 0; i < 1000; ++i) accept("t" + std::to_string(i));
    AttemptResult refused;
    refused.end = AttemptEnd::connect_failed;
    for (int step = 0; step < 24 * 60; ++step) {
        while (const auto assignment = relay_->delivery().next(now_)) {
            relay_->delivery().attempted(*assignment, records_.at(assignment->seq), refused, now_);
        }
        pass(Seconds(60));
    }
    EXPECT_FALSE(log_.named("delivery.retry").front().fields.contains("status"))
        << "there was no answer";
    EXPECT_LT(log_.named("delivery.retry").size() + log_.named("destination.down").size(), 50U);
    EXPECT_GE(log_.named("destination.down").size(), 1U);
}

TEST_F(RelayTest, AnUnreadableEventDiesOrWaits) {
    accept("t1");
    auto effects =
        relay_->delivery().unreadable(*relay_->delivery().next(now_), "EIO", false, now_);
    EXPECT_TRUE(effects.bury.empty());
    EXPECT_EQ(relay_->destination().queued(), 1U);
    pass(Seconds(5));
    effects = relay_->delivery().unreadable(*relay_->delivery().next(now_), "damaged", true, now_);
    ASSERT_EQ(effects.bury.size(), 1U);
    EXPECT_EQ(effects.bury.front().reason, "damaged");
    EXPECT_EQ(relay_->destination().queued(), 0U);
    EXPECT_EQ(log_.named("spool.read_failed").size(), 2U);
}

TEST_F(RelayTest, EventsOfASourceThatLeftTheConfigurationWaitAndAreAnnounced) {
    relay_->configure({{"ci", Secret(std::string(token)), {}}}, now_);
    const TokenEntry entry = relay_->tokens().registry_entry(TokenId{1});
    restart({entry});
    relay_->configure({}, now_);
    relay_->lifecycle().restore(TokenId{1}, 7, Seq{1});
    EXPECT_EQ(log_.named("token.missing").front().fields.at("queued"), "7");
    const auto request = relay_->destination().active().next_load();
    ASSERT_TRUE(request);
    QueuedEvent queued;
    queued.seq = Seq{1};
    queued.lane.token = TokenId{1};
    queued.accepted = now_.wall;
    queued.expires = WallTime::max();
    relay_->destination().loaded(*request, {{queued}, Seq{1}, true});
    EXPECT_FALSE(relay_->delivery().next(now_)) << "there is no token to post it with";
}

TEST_F(RelayTest, ASourceGoesAtTheRateOfTheConfiguration) {
    relay_->configure({{"ci", Secret(std::string(token)), {.rate_limit = 0.5}}}, now_);
    accept("t1");
    accept("t2");
    answer(202);
    EXPECT_FALSE(relay_->delivery().next(now_));
    EXPECT_EQ(relay_->next_wakeup(now_), now_.mono + Seconds(2));
    pass(Seconds(2));
    answer(202);
    EXPECT_EQ(relay_->counters().delivered, 2U);

    accept("t3");
    EXPECT_FALSE(relay_->delivery().next(now_));
    relay_->configure({{"ci", Secret(std::string(token)), {}}}, now_);
    answer(202);
}

TEST_F(RelayTest, SlowAnswersBringTheAllowanceDown) {
    const auto most = relay_->destination().scheduler().status().allowance;
    for (int i = 0; i < 20; ++i) {
        std::vector<Assignment> under_way;
        for (std::size_t n = 0; n < most; ++n) accept("t" + std::to_string(n));
        while (const auto assignment = relay_->delivery().next(now_))
            under_way.push_back(*assignment);
        for (const auto& assignment : under_way) {
            AttemptResult result;
            result.status = 202;
            result.elapsed = i < 10 ? Milliseconds(20) : Milliseconds(2000);
            relay_->delivery().attempted(assignment, records_.at(assignment.seq), result, now_);
        }
    }
    EXPECT_LT(relay_->destination().scheduler().status().allowance, most);
}

TEST_F(RelayTest, ABacklogThatCanNotBeReadIsTriedAgain) {
    accept();
    const TokenEntry entry = registry_;
    restart({entry});
    relay_->lifecycle().restore(TokenId{1}, 1, Seq{1});
    const auto request = relay_->destination().active().next_load();
    ASSERT_TRUE(request);
    relay_->destination().load_failed(*request, "EIO", now_);
    EXPECT_FALSE(relay_->destination().active().next_load());
    ASSERT_TRUE(relay_->next_wakeup(now_));
    pass(Seconds(10));
    relay_->delivery().expire(now_);
    EXPECT_TRUE(relay_->destination().active().next_load());
}

TEST_F(RelayTest, AReleasedEventIsGivenAgain) {
    const Seq seq = accept();
    const auto assignment = relay_->delivery().next(now_);
    ASSERT_TRUE(assignment);
    relay_->delivery().withdraw(*assignment, false, now_);
    const auto again = relay_->delivery().next(now_);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->seq, seq);
    EXPECT_EQ(again->attempt, 1U);
}

TEST_F(RelayTest, AGoneTokenThatCanNotBeSavedIsSavedLaterAndErasedOnlyThen) {
    options_.gone_grace = Seconds(5);
    restart({});
    accept();
    const auto effects = answer(410);
    ASSERT_EQ(effects.tokens.size(), 1U);
    relay_->lifecycle().tokens_not_saved(effects.tokens, "no space", now_);
    EXPECT_TRUE(relay_->lifecycle().take_unsaved_tokens(now_).empty()) << "not at once";
    pass(Seconds(20));
    EXPECT_TRUE(relay_->lifecycle().take_due_erasures(now_).empty());
    EXPECT_LE(relay_->next_wakeup(now_).value(), now_.mono);
    const auto again = relay_->lifecycle().take_unsaved_tokens(now_);
    ASSERT_EQ(again.size(), 1U);
    EXPECT_EQ(again[0].state, TokenEntry::State::gone);
    EXPECT_TRUE(relay_->lifecycle().take_unsaved_tokens(now_).empty());
    relay_->lifecycle().tokens_saved(again);
    EXPECT_EQ(relay_->lifecycle().take_due_erasures(now_).size(), 1U);
}

TEST_F(RelayTest, ASourceCanHaveItsThreadsHeldWhenAnEventIsRejected) {
    ConfiguredSource source;
    source.name = "ci";
    source.secret = Secret(token);
    source.rules.hold_rejected = true;
    relay_->configure({source}, now_);
    const Seq first = accept();
    accept();
    const auto effects = answer(422);
    EXPECT_TRUE(effects.bury.empty());
    EXPECT_FALSE(effects.settle);
    EXPECT_EQ(log_.named("delivery.held").size(), 1U);
    EXPECT_FALSE(relay_->delivery().next(now_)) << "not the second before the first";
    EXPECT_EQ(relay_->destination().queued(), 2U);
    EXPECT_TRUE(relay_->destination().scheduler().release_lane(first));
    EXPECT_EQ(answer(202).settle->seq, first);
}

TEST_F(RelayTest, AReplayedEventTakesItsOldPlace) {
    const Seq first = accept();
    accept();
    EXPECT_EQ(answer(422).bury.size(), 1U);
    QueuedEvent letter;
    letter.seq = first;
    letter.lane = LaneId{TokenId{1}, records_.at(first).thread_hash};
    letter.accepted = now_.wall;
    letter.expires = WallTime::max();
    QueuedEvent stranger = letter;
    stranger.seq = Seq{77};
    stranger.lane.token = TokenId{99};
    relay_->destination().replayed(std::vector{letter, letter, stranger});
    EXPECT_EQ(relay_->destination().queued(), 2U);
    EXPECT_EQ(answer(202).settle->seq, first);
    EXPECT_EQ(answer(202).settle->seq, Seq{2});
    EXPECT_EQ(relay_->destination().queued(), 0U);
}

TEST_F(RelayTest, AWaitThatTheServerAsksForCountsOverARestart) {
    options_.destination = "https://flowdock.example";
    restart({});
    accept();
    accept("t2");
    const auto first = relay_->delivery().next(now_);
    const auto second = relay_->delivery().next(now_);
    EXPECT_FALSE(end(*first, 503, Seconds(5)).hold);
    EXPECT_FALSE(end(*second, 503, Seconds(5)).hold) << "not worth a write";
    pass(std::chrono::minutes(10));
    const auto hold = answer(503, Seconds(120)).hold;
    ASSERT_TRUE(hold);
    EXPECT_EQ(hold->token, TokenId::none);
    EXPECT_EQ(hold->until, now_.wall + Seconds(120));

    restart({});
    relay_->delivery().restore(*hold, now_);
    accept();
    pass(Seconds(119));
    EXPECT_FALSE(relay_->delivery().next(now_));
    pass(Seconds(1));
    EXPECT_TRUE(relay_->delivery().next(now_));

    options_.destination = "https://other.example";
    restart({});
    relay_->delivery().restore(*hold, Now{now_.mono, hold->until - Seconds(60)});
    accept();
    EXPECT_TRUE(relay_->delivery().next(now_)) << "the other one has asked for nothing";
}

TEST_F(RelayTest, AThrottledTokenWaitsOverARestartAndOneOfManyAnswersIsWritten) {
    accept("t1");
    accept("t2");
    const auto first = relay_->delivery().next(now_);
    const auto second = relay_->delivery().next(now_);
    const auto hold = end(*first, 429, std::chrono::hours(9)).hold;
    ASSERT_TRUE(hold);
    EXPECT_EQ(hold->token, TokenId{1});
    EXPECT_EQ(hold->until, now_.wall + options_.retry_after_cap);
    EXPECT_FALSE(end(*second, 429, std::chrono::hours(9)).hold);

    restart({registry_});
    relay_->delivery().restore(*hold, now_);
    accept("t1");
    EXPECT_EQ(relay_->destination().scheduler().token_status(TokenId{1}).state,
              TokenState::throttled);
    EXPECT_FALSE(relay_->delivery().next(now_));
    pass(options_.retry_after_cap);
    EXPECT_TRUE(relay_->delivery().next(now_));
    Hold of_unknown = *hold;
    of_unknown.token = TokenId{99};
    relay_->delivery().restore(of_unknown, Now{now_.mono, hold->until - Seconds(60)});
}

}  // namespace
}  // namespace flowrelay::core
