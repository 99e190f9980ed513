// What operators are told of events that are gone, replayed or dropped.
#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "relay_fixture.hpp"

namespace flowrelay::core {
namespace {

TEST_F(RelayTest, WhatATokenThatIsGoneHasLeftOnDiskIsCountedUntilItIsErased) {
    for (int i = 0; i < 3; ++i) accept();
    const TokenId gone{1};
    EXPECT_EQ(relay_->lifecycle().queued(gone), 3U);
    const auto effects = answer(410);
    relay_->lifecycle().tokens_saved(effects.tokens);
    EXPECT_EQ(relay_->lifecycle().queued(gone), 3U);
    EXPECT_EQ(relay_->destination().queued(), 0U) << "nothing of it waits for its delivery";
    QueuedEvent second;
    second.seq = Seq{2};
    second.lane = LaneId{gone, records_.at(Seq{2}).thread_hash};
    const auto situation = relay_->situation(second);
    EXPECT_EQ(situation.token_state, TokenEntry::State::gone);
    EXPECT_EQ(situation.erase_at, now_.wall + options_.gone_grace);
    restart({effects.tokens.front()});
    relay_->lifecycle().restore(gone, 3, Seq{1});
    EXPECT_EQ(relay_->lifecycle().queued(gone), 3U);
    pass(options_.gone_grace);
    ASSERT_EQ(relay_->lifecycle().take_due_erasures(now_).size(), 1U);
    relay_->lifecycle().erasing({&gone, 1}, now_);
    relay_->lifecycle().erased(gone, 3, 0);
    EXPECT_EQ(relay_->lifecycle().queued(gone), 0U);
}

TEST_F(RelayTest, OneThatIsDeliveredAfterItsTokenWentIsNotToBeErased) {
    accept("t1");
    accept("t2");
    const auto first = relay_->delivery().next(now_);
    const auto second = relay_->delivery().next(now_);
    end(*first, 410);
    EXPECT_EQ(relay_->lifecycle().queued(TokenId{1}), 2U);
    end(*second, 202);
    EXPECT_EQ(relay_->lifecycle().queued(TokenId{1}), 1U);
}

TEST_F(RelayTest, AnEventThatWasReplayedIsRememberedAsWhatItWas) {
    const WallTime accepted = now_.wall;
    const Seq seq = accept();
    answer(422);
    pass(std::chrono::hours(24));
    QueuedEvent letter;
    letter.seq = seq;
    letter.lane = LaneId{TokenId{1}, records_.at(seq).thread_hash};
    letter.accepted = now_.wall;  // for its age
    letter.expires = WallTime::max();
    relay_->destination().replayed(std::vector{letter});
    answer(202);
    ASSERT_TRUE(relay_->reporting().history().find(seq));
    EXPECT_EQ(relay_->reporting().history().find(seq)->accepted, accepted);
    EXPECT_EQ(relay_->reporting().history().find(seq)->outcome, Outcome::delivered);
}

TEST_F(RelayTest, ADeadLetterThatIsDroppedIsRememberedAsDropped) {
    const Seq seq = accept();
    auto letters = answer(422).bury;
    ASSERT_EQ(letters.size(), 1U);
    letters[0].event = records_.at(seq);
    relay_->delivery().letter_dropped(letters[0], now_);
    const auto past = relay_->reporting().history().find(letters[0].event.id);
    ASSERT_TRUE(past);
    EXPECT_EQ(past->outcome, Outcome::dropped);
}

TEST_F(RelayTest, WhatIsReplayedComesBackWithATokenThatIsEnabled) {
    const Seq first = accept();
    accept();
    EXPECT_EQ(answer(422).bury.size(), 1U);
    answer(410);
    QueuedEvent letter;
    letter.seq = first;
    letter.lane = LaneId{TokenId{1}, records_.at(first).thread_hash};
    letter.accepted = now_.wall;
    letter.expires = WallTime::max();
    const std::vector letters{letter};
    relay_->destination().replayed(letters);
    EXPECT_FALSE(relay_->delivery().next(now_)) << "of a token that is gone";
    ASSERT_TRUE(
        relay_->lifecycle()
            .enable_source(
                std::vector{TokenLifecycle::StoredBacklog{TokenId{1}, 0, Seq::none, letters}}, now_)
            .has_value());
    EXPECT_EQ(answer(202).settle->seq, first);
}

TEST_F(RelayTest, NothingIsErasedBeforeTheRegistryHoldsThatItWasRemoved) {
    accept();
    const auto removed = relay_->lifecycle().remove_source(TokenId{1}, now_);
    ASSERT_TRUE(removed.has_value());
    EXPECT_TRUE(relay_->lifecycle().take_due_erasures(now_).empty());
    relay_->lifecycle().tokens_not_saved(*removed, "no space", now_);
    EXPECT_TRUE(relay_->lifecycle().take_due_erasures(now_).empty());
    pass(std::chrono::seconds(10));
    const auto again = relay_->lifecycle().take_unsaved_tokens(now_);
    ASSERT_EQ(again.size(), 1U);
    EXPECT_EQ(again.front().state, TokenEntry::State::removed);
    relay_->lifecycle().tokens_saved(again);
    EXPECT_EQ(relay_->lifecycle().take_due_erasures(now_).size(), 1U);
}

TEST_F(RelayTest, AnErasureThatHasFailedIsTriedAgainAlsoWhenItsSourceIsRemoved) {
    accept();
    relay_->lifecycle().tokens_saved(answer(410).tokens);
    pass(options_.gone_grace);
    ASSERT_EQ(relay_->lifecycle().take_due_erasures(now_).size(), 1U);
    relay_->lifecycle().erase_failed(TokenId{1}, "no space", now_);
    const auto removed = relay_->lifecycle().remove_source(TokenId{1}, now_);
    ASSERT_TRUE(removed.has_value());
    relay_->lifecycle().tokens_saved(*removed);
    pass(std::chrono::minutes(1));
    EXPECT_EQ(relay_->lifecycle().take_due_erasures(now_).size(), 1U);
}

TEST_F(RelayTest, AnErasureThatFailedSaysWhyItWaitsUntilItIsDone) {
    options_.gone_grace = Milliseconds(0);
    const TokenId gone{1};
    for (const bool removed : {false, true}) {
        SCOPED_TRACE(removed);
        restart({});
        accept();
        relay_->lifecycle().tokens_saved(removed ? *relay_->lifecycle().remove_source(gone, now_)
                                                 : answer(410).tokens);
        ASSERT_EQ(relay_->lifecycle().take_due_erasures(now_).size(), 1U);
        EXPECT_EQ(relay_->lifecycle().erasure_waits(gone), "");
        for (const char* why : {"the disk is full", "an error of the disk"}) {
            relay_->lifecycle().erase_failed(gone, why, now_);
            EXPECT_EQ(relay_->lifecycle().erasure_waits(gone), why);
            EXPECT_NE(relay_->lifecycle().token_reason(gone).find(why), std::string::npos);
            pass(Seconds(60));
            ASSERT_EQ(relay_->lifecycle().take_due_erasures(now_).size(), 1U);
        }
        relay_->lifecycle().erasing({&gone, 1}, now_);
        relay_->lifecycle().erased(gone, 1, 0);
        EXPECT_EQ(relay_->lifecycle().erasure_waits(gone), "");
        EXPECT_EQ(relay_->lifecycle().token_reason(gone).find("waits"), std::string::npos);
    }
}

TEST_F(RelayTest, AnErasureThatFailedInPartLeavesWhatIsStillThere) {
    options_.gone_grace = Milliseconds(0);
    restart({});
    for (const char* thread : {"t1", "t2", "t3"}) accept(thread);
    relay_->lifecycle().tokens_saved(answer(410).tokens);
    relay_->lifecycle().left_to_erase(TokenId{1}, 0);
    EXPECT_EQ(relay_->lifecycle().queued(TokenId{1}), 3U) << "no erasure has begun";
    ASSERT_EQ(relay_->lifecycle().take_due_erasures(now_).size(), 1U);
    relay_->lifecycle().erase_failed(TokenId{1}, "the disk", now_);
    relay_->lifecycle().left_to_erase(TokenId{1}, 1);
    EXPECT_EQ(relay_->lifecycle().queued(TokenId{1}), 1U);
    relay_->lifecycle().erased(TokenId{1}, 3, 0);
    relay_->lifecycle().left_to_erase(TokenId{1}, 1);
    EXPECT_EQ(relay_->lifecycle().queued(TokenId{1}), 0U) << "the answer came too late";
}

TEST_F(RelayTest, AnOlderEntryInTheRegistryDoesNotAllowAnErasure) {
    accept();
    const auto paused = relay_->lifecycle().pause_source(TokenId{1}, now_);
    const auto removed = relay_->lifecycle().remove_source(TokenId{1}, now_);
    relay_->lifecycle().tokens_saved(*paused);
    EXPECT_TRUE(relay_->lifecycle().take_due_erasures(now_).empty());
    relay_->lifecycle().tokens_saved(*removed);
    EXPECT_EQ(relay_->lifecycle().take_due_erasures(now_).size(), 1U);
}

TEST_F(RelayTest, ASlotThatWasForgottenMeanwhileIsNotFoundWhenItIsToBeEnabled) {
    const auto enabled = relay_->lifecycle().enable_source(
        std::vector{TokenLifecycle::StoredBacklog{TokenId{7}, 0, Seq::none, {}}}, now_);
    ASSERT_TRUE(enabled.has_error());
    EXPECT_EQ(enabled.error().code, Refusal::Code::not_found);
}

TEST_F(RelayTest, WhatIsErasedInPartCanNotBeEnabled) {
    accept();
    relay_->lifecycle().tokens_saved(answer(410).tokens);
    pass(options_.gone_grace);
    ASSERT_EQ(relay_->lifecycle().take_due_erasures(now_).size(), 1U);
    relay_->lifecycle().erase_failed(TokenId{1}, "no space", now_);
    EXPECT_TRUE(relay_->lifecycle()
                    .enable_source(
                        std::vector{TokenLifecycle::StoredBacklog{TokenId{1}, 1, Seq{1}, {}}}, now_)
                    .has_error());
    relay_->configure({}, now_);
    EXPECT_TRUE(relay_->lifecycle()
                    .enable_source(
                        std::vector{TokenLifecycle::StoredBacklog{TokenId{1}, 1, Seq{1}, {}}}, now_)
                    .has_error());
}

}  // namespace
TEST_F(RelayTest, AnEventWithTheTokenOfASourceThatLeftComesBehindThoseThatWait) {
    relay_->configure({{"ci", Secret(std::string(token)), {}}}, now_);
    accept("one");
    relay_->configure({}, now_);
    EXPECT_FALSE(relay_->delivery().next(now_));
    accept("one");
    const auto first = relay_->delivery().next(now_);
    ASSERT_TRUE(first);
    EXPECT_EQ(first->seq, Seq{1});
    EXPECT_FALSE(relay_->delivery().next(now_)) << "the other one is of the same lane";
    EXPECT_EQ(relay_->tokens().all().size(), 1U);
}

}  // namespace flowrelay::core
