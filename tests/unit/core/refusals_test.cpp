#include "flowrelay/core/refusals.hpp"

#include <gtest/gtest.h>

namespace flowrelay::core {
namespace {

using Refused = Refusals::Scope;

class RefusalsTest : public testing::Test {
protected:
    Refusals::Found refuse(std::uint64_t thread, int status = 400, TokenId token = TokenId{1}) {
        return refusals_.refused(LaneId{token, thread}, Seq{++last_}, status);
    }
    Refused refuse_all(std::uint64_t threads, int status = 400, TokenId token = TokenId{1}) {
        Refused scope = Refused::event;
        for (std::uint64_t n = 0; n < threads; ++n) scope = refuse(n, status, token).scope;
        return scope;
    }

    Refusals refusals_;
    std::uint64_t last_ = 0;
};

TEST_F(RefusalsTest, FourThreadsMayBeWrongAndTheFifthShowsThatItIsTheToken) {
    EXPECT_EQ(refuse_all(4), Refused::event);
    const auto found = refuse(4);
    EXPECT_EQ(found.scope, Refused::token);
    EXPECT_EQ(found.go_back, (std::vector<Seq>{Seq{1}, Seq{2}, Seq{3}, Seq{4}}));
    EXPECT_EQ(refuse(0).scope, Refused::token);
    EXPECT_TRUE(refuse(1).go_back.empty()) << "once";
}

TEST_F(RefusalsTest, OneThreadIsNoRow) {
    for (int n = 0; n < 3000; ++n) EXPECT_EQ(refuse(7).scope, Refused::event);
    EXPECT_EQ(refuse_all(4), Refused::token);
}

TEST_F(RefusalsTest, ADeliveredEventEndsTheRow) {
    refuse_all(4);
    refusals_.delivered(TokenId{1});
    EXPECT_EQ(refuse_all(4), Refused::event);
    EXPECT_EQ(refuse(4).go_back.size(), 4U) << "only those after it";
}

TEST_F(RefusalsTest, ADeliveredEventOfAnotherTokenDoesNot) {
    refuse_all(4);
    refusals_.delivered(TokenId{2});
    EXPECT_EQ(refuse(4).scope, Refused::token);
}

TEST_F(RefusalsTest, AnotherRefusalBeginsANewRow) {
    refuse_all(4, 400);
    EXPECT_EQ(refuse(4, 422).scope, Refused::event);
    EXPECT_EQ(refuse(5, 400).scope, Refused::event);
    EXPECT_EQ(refuse(6, 400).scope, Refused::event);
}

TEST_F(RefusalsTest, TwoTokensShowThatItIsTheDestination) {
    refuse_all(5, 400, TokenId{1});
    EXPECT_EQ(refuse_all(4, 400, TokenId{2}), Refused::event);
    EXPECT_EQ(refuse(4, 400, TokenId{2}).scope, Refused::destination);
    EXPECT_EQ(refuse(9, 400, TokenId{1}).scope, Refused::destination);
    EXPECT_EQ(refuse(9, 400, TokenId{3}).scope, Refused::destination) << "its first one";
    EXPECT_EQ(refuse(9, 422, TokenId{4}).scope, Refused::event) << "another refusal";
}

TEST_F(RefusalsTest, TokensThatAreRefusedForReasonsOfTheirOwnDoNotShowThat) {
    refuse_all(5, 400, TokenId{1});
    EXPECT_EQ(refuse_all(5, 422, TokenId{2}), Refused::token);
    refusals_.delivered(TokenId{3});
    EXPECT_EQ(refuse_all(5, 400, TokenId{4}), Refused::token) << "something was delivered between";
}

TEST_F(RefusalsTest, WhatIsForgottenBeginsAnew) {
    refuse_all(5);
    refusals_.forget(TokenId{1});
    EXPECT_EQ(refuse_all(4), Refused::event);
    refusals_.forget_all();
    EXPECT_EQ(refuse_all(4), Refused::event);
}

}  // namespace
}  // namespace flowrelay::core
