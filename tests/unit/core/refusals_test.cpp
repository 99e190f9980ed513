#include "flowrelay/core/refusals.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace flowrelay::core {
namespace {

using Refused = Refusals::Scope;

constexpr TokenId one{1};
constexpr TokenId two{2};

class RefusalsTest : public testing::Test {
protected:
    /// Of threads 0, 1, ... so many have events besides that one.
    Refusals::Found refuse(std::uint64_t thread, std::uint64_t threads, TokenId token = one) {
        Refusals::Threads with_events{{thread}};
        for (std::uint64_t n = 0; n < threads; ++n) with_events->push_back(n);
        return refusals_.refused(LaneId{token, thread}, Seq{++last_}, with_events);
    }
    /// An event of each thread, of a token with more threads than that.
    Refused refuse_all(std::uint64_t threads, TokenId token = one) {
        Refused scope = Refused::event;
        for (std::uint64_t n = 0; n < threads; ++n) scope = refuse(n, 100, token).scope;
        return scope;
    }
    std::vector<Seq> seqs_up_to(std::uint64_t last, std::uint64_t first = 1) const {
        std::vector<Seq> seqs;
        for (; first <= last; ++first) seqs.push_back(Seq{first});
        return seqs;
    }
    static std::vector<Seq> sorted(std::vector<Seq> seqs) {
        std::ranges::sort(seqs);
        return seqs;
    }

    Refusals refusals_;
    std::uint64_t last_ = 0;
};

TEST_F(RefusalsTest, FourThreadsMayBeWrongAndTheFifthShowsThatItIsTheToken) {
    EXPECT_EQ(refuse_all(4), Refused::event);
    const auto found = refuse(4, 100);
    EXPECT_EQ(found.scope, Refused::token);
    EXPECT_EQ(found.go_back, seqs_up_to(4));
    EXPECT_EQ(refuse(0, 100).scope, Refused::token);
    EXPECT_TRUE(refuse(1, 100).go_back.empty()) << "once";
}

TEST_F(RefusalsTest, FewerThreadsDoWhenTheyAreAllThereAre) {
    for (std::uint64_t threads = 1; threads <= 4; ++threads) {
        refusals_.forget_all();
        last_ = 0;
        for (std::uint64_t n = 0; n < 49; ++n) {
            EXPECT_EQ(refuse(n % threads, threads).scope, Refused::event) << threads;
        }
        const auto found = refuse(49 % threads, threads);
        EXPECT_EQ(found.scope, Refused::token) << threads;
        EXPECT_EQ(found.go_back, seqs_up_to(49));
        EXPECT_EQ(refuse(0, threads).scope, Refused::token);
    }
}

TEST_F(RefusalsTest, OneThreadIsNoRowAsLongAsThereAreOthersThatMayBeTaken) {
    for (int n = 0; n < 3000; ++n) EXPECT_EQ(refuse(7, 2).scope, Refused::event);
    EXPECT_EQ(refuse_all(3), Refused::event);
    const auto found = refuse(3, 3);
    EXPECT_EQ(found.scope, Refused::token);
    EXPECT_EQ(found.go_back.size(), 1000U) << "the last of them";
}

TEST_F(RefusalsTest, OneThreadIsNoRowWhereOthersMayLieOnTheDisk) {
    for (int n = 0; n < 50; ++n) {
        EXPECT_EQ(refusals_.refused({one, 7}, Seq{++last_}, std::nullopt).scope, Refused::event);
    }
    EXPECT_EQ(refuse(7, 0).go_back.size(), 50U);
}

TEST_F(RefusalsTest, OneEventIsNoRowHoweverOftenItIsTried) {
    for (int n = 0; n < 50; ++n) {
        const auto found = refusals_.refused({one, 7}, Seq{1}, std::vector<std::uint64_t>{7});
        EXPECT_EQ(found.scope, Refused::event);
    }
}

TEST_F(RefusalsTest, AThreadThatComesLaterIsTriedFirst) {
    for (int n = 0; n < 50; ++n) refuse(0, 1);
    EXPECT_EQ(refuse(0, 2).scope, Refused::event) << "thread 1 may be taken";
    EXPECT_EQ(refuse(1, 2).scope, Refused::token);
}

TEST_F(RefusalsTest, OneThreadHasToBeRefusedManyEvents) {
    for (int n = 0; n < 49; ++n) EXPECT_EQ(refuse(0, 1).scope, Refused::event);
    const auto found = refuse(0, 1);
    EXPECT_EQ(found.scope, Refused::token);
    EXPECT_EQ(found.go_back, seqs_up_to(49));
}

TEST_F(RefusalsTest, ADeliveredEventEndsTheRow) {
    refuse_all(4);
    refusals_.delivered(one);
    EXPECT_EQ(refuse_all(4), Refused::event);
    EXPECT_EQ(refuse(4, 100).go_back.size(), 4U) << "only those after it";
}

TEST_F(RefusalsTest, ADeliveredEventOfAnotherTokenDoesNot) {
    refuse_all(4);
    refusals_.delivered(two);
    EXPECT_EQ(refuse(4, 100).scope, Refused::token);
}

TEST_F(RefusalsTest, FiveThreadsOfTwoTokensShowThatItIsTheDestination) {
    for (std::uint64_t first = 1; first <= 4; ++first) {
        refusals_.forget_all();
        const std::uint64_t before = last_ + 1;
        EXPECT_EQ(refuse_all(first, one), Refused::event);
        EXPECT_EQ(refuse_all(4 - first, two), Refused::event);
        const std::uint64_t letters = last_;
        const auto found = refuse(50, 100, two);
        EXPECT_EQ(found.scope, Refused::destination) << first;
        EXPECT_EQ(sorted(found.go_back), seqs_up_to(letters, before)) << "of both";
        EXPECT_EQ(refuse(9, 100, one).scope, Refused::destination);
        EXPECT_EQ(refuse(9, 100, TokenId{3}).scope, Refused::destination) << "its first one";
    }
}

TEST_F(RefusalsTest, FiveTokensWithOneEventEachDoToo) {
    for (std::uint32_t n = 1; n <= 4; ++n) {
        EXPECT_EQ(refuse(0, 1, TokenId{n}).scope, Refused::event);
    }
    const auto found = refuse(0, 1, TokenId{5});
    EXPECT_EQ(found.scope, Refused::destination);
    EXPECT_EQ(sorted(found.go_back), seqs_up_to(4));
}

TEST_F(RefusalsTest, SoDoTwoTokensWithOneThreadEachThatAreBothToBlame) {
    for (int n = 0; n < 50; ++n) refuse(0, 1, one);
    for (int n = 0; n < 49; ++n) EXPECT_EQ(refuse(0, 1, two).scope, Refused::event);
    const auto found = refuse(0, 1, two);
    EXPECT_EQ(found.scope, Refused::destination);
    EXPECT_EQ(found.go_back, seqs_up_to(99, 51));
}

TEST_F(RefusalsTest, WhatWasRefusedBeforeADeliveryDoesNotCountAgainstTheDestination) {
    refuse_all(4, one);
    refusals_.delivered(TokenId{3});
    EXPECT_EQ(refuse_all(4, two), Refused::event);
    const auto of_one = refuse(7, 100, one);
    EXPECT_EQ(of_one.scope, Refused::destination);
    EXPECT_EQ(sorted(of_one.go_back), seqs_up_to(8)) << "it is that of the token as well";
    refusals_.delivered(two);
    EXPECT_EQ(refuse(8, 100, one).scope, Refused::token);
    EXPECT_EQ(refuse(8, 100, two).scope, Refused::event);
}

TEST_F(RefusalsTest, OneSickTokenAmongHealthyOnesIsNotTheDestinations) {
    for (std::uint64_t n = 0; n < 50; ++n) {
        EXPECT_NE(refuse(n, 100, one).scope, Refused::destination);
        refusals_.delivered(two);
        if (n % 10 == 0) {
            EXPECT_EQ(refuse(n, 100, two).scope, Refused::event) << "truly bad";
            refusals_.delivered(two);
        }
    }
}

TEST_F(RefusalsTest, WhatIsForgottenBeginsAnew) {
    refuse_all(5);
    refuse_all(3, two);
    refusals_.forget(one);
    EXPECT_EQ(refuse(8, 100, two).scope, Refused::event) << "nothing of the other is left";
    refusals_.forget(two);
    EXPECT_EQ(refuse_all(4), Refused::event);
    refusals_.forget_all();
    EXPECT_EQ(refuse_all(4), Refused::event);
}

}  // namespace
}  // namespace flowrelay::core
