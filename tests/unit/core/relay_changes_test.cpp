// What is under way, and what waits, when the token of a source or the destination is changed.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "relay_fixture.hpp"

namespace flowrelay::core {
namespace {

constexpr std::string_view next_token = "an0ther-5ecret";

class RelayChangesTest : public RelayTest {
protected:
    RelayChangesTest() {
        options_.destination = "https://wrong.example";
        restart({});
        configure(token);
    }

    /// Of the source, whatever its token is.
    Seq accept(std::string_view thread, std::string_view source = "ci") {
        auto parsed =
            Submission::parse(R"({"source":")" + std::string(source) +
                              R"(","event":"activity","title":"x","author":{"name":"a"},)" +
                              R"("external_thread_id":")" + std::string(thread) + "\"}");
        auto decision = relay_->admission().submit(std::move(*parsed), now_);
        auto& append = std::get<Admission::Append>(decision);
        const Seq seq{++last_seq_};
        relay_->admission().committed(append.record, seq);
        records_[seq] = std::move(append.record);
        return seq;
    }

    void configure(std::string_view secret) {
        relay_->configure({{"ci", Secret(std::string(secret)), {}}}, now_);
    }

    void remove_and_erase() {
        const auto removed = relay_->lifecycle().remove_source(TokenId{1}, now_);
        ASSERT_TRUE(removed.has_value());
        relay_->lifecycle().tokens_saved(*removed);
        const auto due = relay_->lifecycle().take_due_erasures(now_);
        ASSERT_EQ(due.size(), 1U);
        relay_->lifecycle().tokens_saved(relay_->lifecycle().erasing(due, now_));
        relay_->lifecycle().erased(due.front(), 0, 0);
        ASSERT_EQ(slot().entry.state, TokenEntry::State::forgotten);
    }

    void set_holding(bool hold) {
        relay_->configure({{"ci", Secret(std::string(token)), {.hold_rejected = hold}}}, now_);
    }

    void correct_base_url() {
        options_.destination = "https://right.example";
        relay_->set_options(options_);
    }

    std::vector<Assignment> begin(int threads) {
        for (int i = 0; i < threads; ++i) accept("thread-" + std::to_string(i));
        std::vector<Assignment> open;
        while (const auto assignment = relay_->delivery().next(now_)) open.push_back(*assignment);
        EXPECT_EQ(open.size(), static_cast<std::size_t>(threads));
        return open;
    }

    std::size_t ready() {
        std::vector<Assignment> given;
        while (const auto assignment = relay_->delivery().next(now_)) given.push_back(*assignment);
        for (const auto& assignment : given) relay_->delivery().withdraw(assignment, false, now_);
        return given.size();
    }

    const Token& slot() const { return relay_->tokens().at(TokenId{1}); }
    TokenState state() const {
        return relay_->destination().scheduler().token_status(TokenId{1}).state;
    }
    DestinationState destination() const {
        return relay_->destination().scheduler().status().destination;
    }

    void expect_sent_again(const Effects& effects) {
        EXPECT_FALSE(effects.settle);
        EXPECT_TRUE(effects.bury.empty());
        EXPECT_TRUE(effects.tokens.empty());
        EXPECT_TRUE(effects.replay.empty());
        EXPECT_FALSE(effects.hold);
    }
};

constexpr int statuses[] = {302, 400, 401, 403, 404, 408, 410, 422, 429, 500, 503};

TEST_F(RelayChangesTest, WhatTheFormerTokenIsToldIsNotSaidOfTheNewOne) {
    std::string secret(token);
    for (const int status : statuses) {
        const auto open = begin(3);
        secret += '.';
        configure(secret);
        for (const auto& assignment : open) {
            expect_sent_again(end(assignment, status, Seconds(600)));
        }
        EXPECT_FALSE(slot().gone()) << status;
        EXPECT_EQ(state(), TokenState::active) << status;
        EXPECT_EQ(destination(), DestinationState::up) << status;
        ASSERT_EQ(ready(), 3U) << status << ": each can be sent again at once";
        const auto again = relay_->delivery().next(now_);
        EXPECT_EQ(again->attempt, 1U) << status;
        EXPECT_TRUE(again->sent) << status;
        end(*again, 202);
        answer(202);
        answer(202);
    }
    EXPECT_EQ(log_.named("delivery.outdated").size(), 3 * std::size(statuses));
    EXPECT_EQ(log_.named("delivery.outdated").at(0).fields.at("changed"), "token");
    EXPECT_EQ(log_.named("delivery.outdated").at(0).fields.at("asked"), "https://wrong.example");
    EXPECT_FALSE(logged_the_token());
}

TEST_F(RelayChangesTest, WhatTheFormerTokenHasDeliveredIsDelivered) {
    const auto open = begin(3);
    configure(next_token);
    for (const auto& assignment : open) EXPECT_TRUE(end(assignment, 202).settle);
    EXPECT_EQ(relay_->destination().queued(), 0U);
    EXPECT_EQ(relay_->counters().delivered, 3U);
}

TEST_F(RelayChangesTest, ARotationByAnOperatorIsOneAsWell) {
    relay_->configure({}, now_);
    ASSERT_TRUE(
        relay_->lifecycle().add_source("cron", Secret(std::string("tok-cron")), now_).has_value());
    const TokenId id = *relay_->tokens().find("cron");
    accept("one", "cron");
    const auto open = relay_->delivery().next(now_);
    ASSERT_TRUE(open);
    ASSERT_TRUE(
        relay_->lifecycle().rotate_source(id, Secret(std::string("tok-new")), now_).has_value());
    expect_sent_again(end(*open, 410));
    EXPECT_FALSE(relay_->tokens().at(id).gone());
    EXPECT_TRUE(relay_->delivery().next(now_));
}

TEST_F(RelayChangesTest, WhatTheFormerDestinationSaysIsNotSaidOfTheNewOne) {
    for (const int status : statuses) {
        const auto open = begin(2);  // as many as after an outage
        options_.destination += "/x";
        relay_->set_options(options_);
        for (const auto& assignment : open) {
            expect_sent_again(end(assignment, status, Seconds(600)));
        }
        EXPECT_FALSE(slot().gone()) << status;
        EXPECT_EQ(state(), TokenState::active) << status;
        EXPECT_EQ(destination(), DestinationState::up) << status;
        EXPECT_TRUE(relay_->reporting().destination_reason().empty()) << status;
        while (relay_->destination().queued() > 0) answer(202);
    }
    const auto lines = log_.named("delivery.outdated");
    ASSERT_EQ(lines.size(), 2 * std::size(statuses));
    EXPECT_EQ(lines[0].fields.at("asked"), "https://wrong.example") << "that was asked";
    EXPECT_EQ(lines[0].fields.at("changed"), "destination");
    EXPECT_TRUE(log_.named("destination.parked").empty());
    EXPECT_EQ(log_.named("destination.changed").size(), std::size(statuses));
}

TEST_F(RelayChangesTest, AnotherPathOrProxyIsAnotherDestination) {
    const auto open = begin(1);
    options_.route = " path /v2/messages";
    relay_->set_options(options_);
    expect_sent_again(end(open[0], 404));
    EXPECT_EQ(ready(), 1U);
}

TEST_F(RelayChangesTest, ConnectionsThatFailAtTheFormerDestinationDoNotTakeTheNewOneDown) {
    const auto open = begin(20);
    correct_base_url();
    for (const auto& assignment : open) {
        AttemptResult result;
        result.end = AttemptEnd::connect_failed;
        relay_->delivery().attempted(assignment, records_.at(assignment.seq), result, now_);
    }
    EXPECT_EQ(destination(), DestinationState::up);
    EXPECT_GT(ready(), 0U);
}

TEST_F(RelayChangesTest, WaitsOfTheFormerTokenEndWithIt) {
    accept("one");
    answer(429, Seconds(3600));
    EXPECT_EQ(state(), TokenState::throttled);
    configure(next_token);
    EXPECT_EQ(state(), TokenState::active);
    answer(401);
    EXPECT_EQ(state(), TokenState::parked);
    configure(token);
    EXPECT_EQ(state(), TokenState::active);
    answer(500);
    EXPECT_EQ(ready(), 0U) << "the thread waits";
    configure(next_token);
    EXPECT_EQ(ready(), 1U);
    EXPECT_EQ(relay_->lifecycle().token_reason(TokenId{1}), "");
}

TEST_F(RelayChangesTest, WaitsOfTheFormerTokenEndWhenItsSourceIsTakenBackWithAnother) {
    for (const int status : {429, 401, 500}) {
        SCOPED_TRACE(status);
        configure(token);
        accept("thread-" + std::to_string(status));
        answer(status, Seconds(3600));
        EXPECT_EQ(ready(), 0U);
        relay_->configure({}, now_);
        const Secret secret("an0ther-" + std::to_string(status));
        ASSERT_TRUE(relay_->lifecycle().add_source("ci", secret, now_).has_value());
        EXPECT_EQ(state(), TokenState::active);
        EXPECT_EQ(relay_->lifecycle().token_reason(TokenId{1}), "");
        EXPECT_EQ(ready(), 1U);
        answer(202);
    }
}

TEST_F(RelayChangesTest, WhatTheFormerTokenIsToldIsNotSaidOfTheOneItsSourceIsTakenBackWith) {
    const auto open = begin(1);
    relay_->configure({}, now_);
    ASSERT_TRUE(
        relay_->lifecycle().add_source("ci", Secret(std::string(next_token)), now_).has_value());
    expect_sent_again(end(open.front(), 410));
    EXPECT_FALSE(slot().gone());
    EXPECT_EQ(ready(), 1U);
}

// Which token a request went out with is known however little is left of its source.
TEST_F(RelayChangesTest, WhatTheFormerTokenOfAnErasedSourceIsToldSaysNothingOfTheDestination) {
    for (const int status : {302, 404, 429, 500, 503}) {
        restart({});
        configure(token);
        const auto open = begin(4);
        configure(next_token);
        remove_and_erase();
        for (const auto& assignment : open) {
            const auto effects = end(assignment, status, Seconds(600));
            EXPECT_FALSE(effects.hold) << status;
        }
        EXPECT_EQ(destination(), DestinationState::up) << status;
    }
}

TEST_F(RelayChangesTest, WhatTheTokenOfAnErasedSourceIsToldStillTellsHowTheDestinationIs) {
    const auto open = begin(4);
    remove_and_erase();
    for (const auto& assignment : open) end(assignment, 503, Seconds(600));
    EXPECT_EQ(destination(), DestinationState::held);
}

TEST_F(RelayChangesTest, NothingIsRememberedOfATokenThatWasRemoved) {
    for (const bool erased : {false, true}) {
        restart({});
        configure(token);
        const auto open = begin(1);
        if (erased) {
            remove_and_erase();
        } else {
            ASSERT_TRUE(relay_->lifecycle().remove_source(TokenId{1}, now_).has_value());
        }
        EXPECT_FALSE(end(open.front(), 429, Seconds(600)).hold) << erased;
    }
}

TEST_F(RelayChangesTest, APauseDoesNotEndWithTheToken) {
    accept("one");
    ASSERT_TRUE(relay_->lifecycle().pause_source(TokenId{1}, now_).has_value());
    configure(next_token);
    EXPECT_EQ(ready(), 0U);
}

TEST_F(RelayChangesTest, WaitsOfTheFormerDestinationEndWithIt) {
    for (int i = 0; i < 6; ++i) accept("t" + std::to_string(i));
    const auto probe = relay_->delivery().next(now_);
    answer(404);
    EXPECT_EQ(destination(), DestinationState::parked);
    pass(Seconds(61));
    const auto second_probe = relay_->delivery().next(now_);
    ASSERT_TRUE(second_probe);
    correct_base_url();
    EXPECT_EQ(destination(), DestinationState::up);
    EXPECT_GT(ready(), 0U) << "the probe of the former one still hangs";
    end(*second_probe, 404);
    end(*probe, 404);
    EXPECT_EQ(destination(), DestinationState::up);
    answer(429, Seconds(3600));
    options_.destination = "https://third.example";
    relay_->set_options(options_);
    EXPECT_EQ(state(), TokenState::active);
}

TEST_F(RelayChangesTest, AWaitIsRememberedForItsTokenAndItsDestinationAlone) {
    accept("one");
    const auto hold = answer(429, Seconds(3600)).hold;
    ASSERT_TRUE(hold);
    const TokenEntry entry = slot().entry;
    const auto held_after_restart = [&](const TokenEntry& found, std::string_view secret) {
        restart({found});
        configure(secret);
        relay_->delivery().restore(*hold, now_);
        return state() == TokenState::throttled;
    };
    EXPECT_TRUE(held_after_restart(entry, token));
    EXPECT_FALSE(held_after_restart(entry, next_token));
    options_.destination = "https://right.example";
    EXPECT_FALSE(held_after_restart(entry, token));
}

TEST_F(RelayChangesTest, ASourceThatIsTakenOutKeepsWhatIsAboutToBeSent) {
    const auto open = begin(1);
    relay_->configure({}, now_);
    EXPECT_FALSE(relay_->delivery().may_be_sent(open[0])) << "there is no token to send it with";
    relay_->delivery().withdraw(open[0], false, now_);
    EXPECT_EQ(relay_->destination().queued(), 1U);
    EXPECT_FALSE(relay_->delivery().next(now_));
    configure(token);
    EXPECT_TRUE(relay_->delivery().next(now_));
}

// The entries of a reload are written, and answered, between an event and its commit.
TEST_F(RelayChangesTest, AnEventThatBringsTheTokenSetsItsSlotGoingWhateverIsWrittenMeanwhile) {
    accept("one");
    const auto left = relay_->configure({}, now_);
    auto decision = relay_->admission().submit(event("two"), now_);
    auto& append = std::get<Admission::Append>(decision);
    ASSERT_TRUE(append.new_token);
    EXPECT_FALSE(append.new_token->secret.empty());
    relay_->lifecycle().tokens_saved(left);
    EXPECT_FALSE(slot().durable) << "the registry does not have its token yet";
    EXPECT_FALSE(relay_->delivery().next(now_));
    relay_->admission().committed(append.record, Seq{2});
    EXPECT_TRUE(slot().durable);
    EXPECT_EQ(ready(), 2U);
}

TEST_F(RelayChangesTest, TheNextOneDoesIfThatOneIsNotWritten) {
    relay_->configure({}, now_);
    auto first = relay_->admission().submit(event("one"), now_);
    auto second = relay_->admission().submit(event("two"), now_);
    relay_->admission().commit_failed(std::get<Admission::Append>(first).record, false);
    relay_->admission().committed(std::get<Admission::Append>(second).record, Seq{1});
    EXPECT_EQ(ready(), 1U);
}

TEST_F(RelayChangesTest, AnEventFromBeforeAChangeDoesNotMakeItDurable) {
    relay_->lifecycle().tokens_saved(std::vector{relay_->tokens().registry_entry(TokenId{1})});
    ASSERT_TRUE(slot().durable);
    auto before = relay_->admission().submit(event("one"), now_);
    EXPECT_FALSE(std::get<Admission::Append>(before).new_token);
    configure(next_token);
    relay_->admission().committed(std::get<Admission::Append>(before).record, Seq{1});
    EXPECT_FALSE(slot().durable);
    auto after = relay_->admission().submit(event("two"), now_);
    EXPECT_TRUE(std::get<Admission::Append>(after).new_token) << "it brings the change along";
}

TEST_F(RelayChangesTest, AnEventBehindARotationByAnOperatorBringsItAlong) {
    relay_->configure({}, now_);
    ASSERT_TRUE(
        relay_->lifecycle().add_source("cron", Secret(std::string("tok-cron")), now_).has_value());
    const TokenId id = *relay_->tokens().find("cron");
    relay_->lifecycle().tokens_saved(std::vector{relay_->tokens().registry_entry(id)});
    ASSERT_TRUE(relay_->tokens().at(id).durable);
    const auto changes =
        relay_->lifecycle().rotate_source(id, Secret(std::string("tok-new")), now_);
    ASSERT_TRUE(changes.has_value());
    relay_->lifecycle().tokens_not_saved(*changes, "the disk is full", now_);
    auto parsed = Submission::parse(
        R"({"source":"cron","title":"x","author":{"name":"a"},"external_thread_id":"t"})");
    const auto decision = relay_->admission().submit(std::move(*parsed), now_);
    const auto& append = std::get<Admission::Append>(decision);
    ASSERT_TRUE(append.new_token) << "after a crash it would be posted with the former token";
    EXPECT_EQ(append.new_token->secret.reveal(), "tok-new");
    ASSERT_TRUE(relay_->lifecycle().pause_source(id, now_).has_value());
    EXPECT_FALSE(relay_->tokens().at(id).durable) << "other changes leave that as it is";
}

TEST_F(RelayChangesTest, WhatIsAnsweredAfterAnErasureStillTellsHowTheDestinationIs) {
    const auto open = begin(1);
    const TokenId removed{1};
    const auto changes = relay_->lifecycle().remove_source(removed, now_);
    ASSERT_TRUE(changes.has_value());
    relay_->lifecycle().tokens_saved(*changes);
    ASSERT_EQ(relay_->lifecycle().take_due_erasures(now_).size(), 1U);
    relay_->lifecycle().erasing({&removed, 1}, now_);
    relay_->lifecycle().erased(removed, 1, 0);
    end(open[0], 202);
    EXPECT_TRUE(log_.named("delivery.outdated").empty());
}

TEST_F(RelayChangesTest, ARequestIsWrittenOnlyWhileItHolds) {
    const auto begin_one = [this] {
        const auto assignment = relay_->delivery().next(now_);
        EXPECT_TRUE(assignment && relay_->delivery().may_be_sent(*assignment));
        return *assignment;
    };
    accept("one");
    auto assignment = begin_one();
    ASSERT_TRUE(relay_->lifecycle().pause_source(TokenId{1}, now_).has_value());
    EXPECT_FALSE(relay_->delivery().may_be_sent(assignment)) << "paused";
    relay_->delivery().withdraw(assignment, false, now_);
    ASSERT_TRUE(relay_->lifecycle().resume_source(TokenId{1}, now_).has_value());
    assignment = begin_one();
    configure(next_token);
    EXPECT_FALSE(relay_->delivery().may_be_sent(assignment)) << "rotated";
    relay_->delivery().withdraw(assignment, true, now_);
    EXPECT_EQ(relay_->counters().ambiguous, 1U);
    assignment = begin_one();
    EXPECT_TRUE(assignment.sent);
    correct_base_url();
    EXPECT_FALSE(relay_->delivery().may_be_sent(assignment)) << "goes somewhere else";
    relay_->delivery().withdraw(assignment, false, now_);
    assignment = begin_one();
    accept("two");
    const auto other = relay_->delivery().next(now_);
    ASSERT_TRUE(other);
    end(*other, 410);
    EXPECT_FALSE(relay_->delivery().may_be_sent(assignment)) << "gone";
    relay_->delivery().withdraw(assignment, false, now_);
    EXPECT_EQ(relay_->destination().queued(), 0U);
}

TEST_F(RelayChangesTest, A409AfterAnAnswerToTheFormerTokenIsStillBeingWorkedOn) {
    const auto open = begin(1);
    configure(next_token);
    end(open[0], 500);
    const auto effects = answer(409);
    EXPECT_TRUE(effects.bury.empty()) << "the key may be known to the server";
    EXPECT_EQ(relay_->destination().queued(), 1U);
}

TEST_F(RelayChangesTest, AReportWithTheFormerTokenDoesNotSilenceTheNewOne) {
    const auto reporting = [this](std::string_view secret) {
        relay_->configure({{"ci", Secret(std::string(secret)), {.report_problems = true}}}, now_);
    };
    const auto park_and_report = [this] {
        pass(Seconds(61));
        accept("one");
        answer(401);
        pass(Seconds(20));
        return relay_->reporting().flow().next_report(now_);
    };
    reporting(token);
    const auto former = park_and_report();
    ASSERT_TRUE(former);
    reporting(next_token);
    EXPECT_FALSE(relay_->reporting().flow().may_be_sent(*former));
    AttemptResult gone;
    gone.status = 410;
    relay_->reporting().flow().end_report(*former, gone, now_);
    const auto report = park_and_report();
    ASSERT_TRUE(report) << "the 410 was said of the former token";
    EXPECT_TRUE(relay_->reporting().flow().may_be_sent(*report));
}

TEST_F(RelayChangesTest, AnOlderLetterInAHeldThreadIsNotTheOneThatWasRefused) {
    const Seq old = accept("one");
    answer(422);
    set_holding(true);
    const Seq refused = accept("one");
    answer(422);
    QueuedEvent letter;
    letter.seq = old;
    letter.lane = LaneId{TokenId{1}, records_.at(old).thread_hash};
    letter.accepted = now_.wall;
    letter.expires = WallTime::max();
    relay_->destination().replayed(std::vector{letter});
    EXPECT_EQ(relay_->destination().scheduler().why(old)->lane_next, refused);
    EXPECT_EQ(relay_->situation(letter).head, "event " + std::to_string(to_number(refused)));
    EXPECT_FALSE(relay_->situation(letter).is_next);
}

TEST_F(RelayChangesTest, HeldThreadsGoOnWhenTheirSourceHoldsNoLonger) {
    set_holding(true);
    accept("one");
    accept("two");
    answer(422);
    answer(422);
    EXPECT_EQ(ready(), 0U);
    set_holding(true);
    EXPECT_EQ(ready(), 0U) << "nothing has changed";
    set_holding(false);
    EXPECT_EQ(log_.named("delivery.released").at(0).fields.at("threads"), "2");
    EXPECT_EQ(answer(422).bury.size(), 1U);
    EXPECT_TRUE(answer(202).settle);
    EXPECT_EQ(relay_->destination().queued(), 0U);
}

}  // namespace
}  // namespace flowrelay::core
