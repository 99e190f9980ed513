#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "relay_fixture.hpp"

namespace flowrelay::core {
namespace {

/// Events that bring a token each; a few of these are kept, and not many more may be there.
class UnusedTokens : public RelayTest {
protected:
    UnusedTokens() {
        options_.unused_tokens = 3;
        options_.max_unknown_tokens = 8;
        restart({});
    }

    Admission::Decision submit(int number, const std::string& more = "") {
        const std::string json = R"({"flow_token":"made-up-)" + std::to_string(number) +
                                 R"(","event":"activity","title":"x","author":{"name":"a"},)" +
                                 R"("external_thread_id":"t")" + more + "}";
        auto parsed = Submission::parse(json);
        return relay_->admission().submit(std::move(*parsed), now_);
    }

    TokenId accept_of(int number, const std::string& more = "") {
        auto decision = submit(number, more);
        auto& append = std::get<Admission::Append>(decision);
        const Seq seq{++last_seq_};
        const TokenId slot = append.record.token;
        relay_->admission().committed(append.record, seq);
        records_[seq] = std::move(append.record);
        return slot;
    }

    TokenId deliver(int number, const std::string& more = "") {
        const TokenId slot = accept_of(number, more);
        answer(202);
        return slot;
    }

    bool knows(TokenId slot) const { return relay_->tokens().all().contains(slot); }

    /// What is forgotten, if the disk has nothing against it.
    std::vector<TokenId> forget() {
        pass(Seconds(1));
        return relay_->unused().forget_unused(relay_->unused().take_unused_tokens(now_));
    }
};

TEST_F(UnusedTokens, ThoseUsedLongestAgoAreForgotten) {
    std::vector<TokenId> slots;
    for (int number = 0; number < 6; ++number) slots.push_back(deliver(number));
    deliver(0);
    // The newest one that is durable is always kept; of the others three.
    EXPECT_EQ(forget(), (std::vector{slots[1], slots[2]}));
    EXPECT_EQ(relay_->tokens().direct(), 4U);
    EXPECT_FALSE(knows(slots[1]));
    EXPECT_TRUE(knows(slots[0]));
    EXPECT_EQ(log_.named("token.unused").at(0).fields.at("tokens"), "2");
}

TEST_F(UnusedTokens, OneThatComesBackHasANewSlotAndBringsItsTokenAlong) {
    std::vector<TokenId> slots;
    for (int number = 0; number < 6; ++number) slots.push_back(deliver(number));
    forget();
    auto decision = submit(0);
    auto& append = std::get<Admission::Append>(decision);
    EXPECT_GT(append.record.token, slots.back()) << "an id is not given out twice";
    EXPECT_TRUE(append.new_token);
    relay_->admission().committed(append.record, Seq{++last_seq_});
    records_[Seq{last_seq_}] = append.record;
    EXPECT_TRUE(answer(202).settle);
}

TEST_F(UnusedTokens, FewAreLeftAlone) {
    for (int number = 0; number < 4; ++number) deliver(number);
    EXPECT_TRUE(forget().empty());
    EXPECT_EQ(relay_->tokens().direct(), 4U);
}

TEST_F(UnusedTokens, WhatRefersToASlotKeepsIt) {
    options_.unused_tokens = 0;
    restart({});
    const TokenId queued = accept_of(0);
    const TokenId waits = accept_of(1);
    for (int i = 0; i < 2; ++i) {
        const auto next = relay_->delivery().next(now_);
        const bool hold = next->lane.token == waits;
        end(*next, hold ? 429 : 401,
            hold ? std::optional<Milliseconds>(Seconds(50)) : std::nullopt);
    }
    const TokenId known = deliver(2, R"(,"uuid":"mine")");
    const TokenId paused = deliver(3);
    ASSERT_TRUE(relay_->lifecycle().pause_source(paused, now_).has_value());
    const TokenId gone = accept_of(4);
    answer(410);
    auto on_its_way = submit(5);
    const TokenId appended = std::get<Admission::Append>(on_its_way).record.token;
    const TokenId idle = deliver(6);
    const TokenId newest = deliver(7);
    EXPECT_EQ(forget(), std::vector{idle});
    for (const TokenId slot : {queued, waits, known, paused, gone, appended, newest}) {
        EXPECT_TRUE(knows(slot)) << to_number(slot);
    }
    pass(options_.dedup_window);
    EXPECT_EQ(forget(), std::vector{known}) << "its id is not known any more";
}

TEST_F(UnusedTokens, OneThatIsUsedMeanwhileStays) {
    std::vector<TokenId> slots;
    for (int number = 0; number < 6; ++number) slots.push_back(deliver(number));
    pass(Seconds(1));
    const auto asked = relay_->unused().take_unused_tokens(now_);
    EXPECT_EQ(asked, (std::vector{slots[0], slots[1]}));
    pass(Seconds(1));
    EXPECT_TRUE(relay_->unused().take_unused_tokens(now_).empty()) << "there is no answer yet";
    deliver(0);
    EXPECT_EQ(relay_->unused().forget_unused(asked), std::vector{slots[1]});
    EXPECT_TRUE(knows(slots[0]));
}

TEST_F(UnusedTokens, OneThatAnOperatorTakesMeanwhileStays) {
    std::vector<TokenId> slots;
    for (int number = 0; number < 6; ++number) slots.push_back(deliver(number));
    pass(Seconds(1));
    const auto asked = relay_->unused().take_unused_tokens(now_);
    ASSERT_TRUE(relay_->lifecycle().add_source("ci", Secret("made-up-0"), now_).has_value());
    ASSERT_TRUE(relay_->lifecycle().pause_source(slots[1], now_).has_value());
    ASSERT_TRUE(relay_->lifecycle().resume_source(slots[1], now_).has_value());
    EXPECT_TRUE(relay_->unused().forget_unused(asked).empty());
}

TEST_F(UnusedTokens, OneWithDeadLettersStays) {
    std::vector<TokenId> slots;
    for (int number = 0; number < 6; ++number) slots.push_back(deliver(number));
    pass(Seconds(1));
    relay_->unused().take_unused_tokens(now_);
    EXPECT_TRUE(relay_->unused().forget_unused({}).empty());
    EXPECT_TRUE(knows(slots[0]));
    EXPECT_FALSE(forget().empty()) << "it is asked again";
}

TEST_F(UnusedTokens, MoreThanMayBeAreRefused) {
    for (int number = 0; number < 8; ++number) accept_of(number);
    const auto ninth = submit(8);
    const auto* refused = std::get_if<Rejection>(&ninth);
    ASSERT_NE(refused, nullptr);
    EXPECT_EQ(refused->code, RejectCode::too_many_tokens);
    EXPECT_TRUE(refused->retry_after);
    EXPECT_EQ(relay_->tokens().direct(), 8U);
    accept_of(3);  // it is known
    for (int number = 0; number < 9; ++number) answer(202);
    forget();
    EXPECT_TRUE(std::holds_alternative<Admission::Append>(submit(8)));
}

TEST_F(UnusedTokens, ThereIsRoomForANewTokenWhateverTheLimit) {
    options_.unused_tokens = 10'000;
    for (const std::size_t limit : {2U, 3U, 5U, 8U, 100U}) {
        for (const std::size_t busy : {std::size_t{0}, limit / 2, limit - 2}) {
            SCOPED_TRACE(std::to_string(limit) + ", busy " + std::to_string(busy));
            options_.max_unknown_tokens = limit;
            restart({});
            const int total = static_cast<int>(limit);
            // The idle ones first: the newest slot stays, and may be busy as well.
            for (int number = static_cast<int>(busy); number < total; ++number) deliver(number);
            for (int number = 0; number < static_cast<int>(busy); ++number) accept_of(number);
            EXPECT_TRUE(std::holds_alternative<Rejection>(submit(total)));
            EXPECT_FALSE(forget().empty());
            EXPECT_TRUE(std::holds_alternative<Admission::Append>(submit(total)));
        }
    }
}

TEST_F(UnusedTokens, OneThatAnOperatorRemovedTakesNoPlace) {
    for (int number = 0; number < 8; ++number) accept_of(number);
    EXPECT_TRUE(std::holds_alternative<Rejection>(submit(8)));
    ASSERT_TRUE(relay_->lifecycle().remove_source(TokenId{1}, now_).has_value());
    EXPECT_EQ(relay_->tokens().direct(), 7U);
    EXPECT_TRUE(std::holds_alternative<Admission::Append>(submit(8)));
    EXPECT_TRUE(std::holds_alternative<Rejection>(submit(9)));
}

TEST_F(UnusedTokens, ThoseWithDeadLettersDoNotKeepOthers) {
    std::vector<TokenId> slots;
    for (int number = 0; number < 8; ++number) slots.push_back(deliver(number));
    pass(Seconds(1));
    EXPECT_EQ(relay_->unused().take_unused_tokens(now_).front(), slots[0]);
    relay_->unused().forget_unused({});
    pass(Seconds(1));
    EXPECT_EQ(relay_->unused().take_unused_tokens(now_).front(), slots[4]);
}

TEST_F(UnusedTokens, ThoseOfEventsThatCouldNotBeStoredAreForgotten) {
    for (int number = 0; number < 7; ++number) {
        auto decision = submit(number);
        relay_->admission().commit_failed(std::get<Admission::Append>(decision).record, true);
    }
    deliver(7);
    EXPECT_EQ(forget().size(), 4U);
    const TokenId again = deliver(0);
    EXPECT_TRUE(relay_->tokens().at(again).durable);
}

}  // namespace
}  // namespace flowrelay::core
