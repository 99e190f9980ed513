// Destinations beside each other, with one table of tokens: what one of them says or is told holds
// for it alone.
#include "flowrelay/core/destination.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/recording_log.hpp"

namespace flowrelay::core {
namespace {

constexpr TokenId ci{1};

RelayOptions options_of(std::string url) {
    RelayOptions options;
    options.destination = std::move(url);
    return options;
}

QueuedEvent event(std::uint64_t seq) {
    QueuedEvent event;
    event.seq = Seq{seq};
    event.lane = LaneId{ci, seq};
    event.accepted = WallTime(Seconds(1'000'000));
    event.expires = WallTime::max();
    return event;
}

class DestinationTest : public testing::Test {
protected:
    DestinationTest() { tokens_.configure({{"ci", Secret("5ecret"), {}}}, now_.wall); }

    Assignment given_by(Destination& destination) {
        auto assignment = destination.scheduler().next(now_);
        if (!assignment) throw std::logic_error("nothing to post");
        assignment->with = destination.sent_with_now(ci);
        return *assignment;
    }

    Now now_{MonoTime(Seconds(1000)), WallTime(Seconds(1'000'000))};
    test::RecordingLog log_;
    TokenTable tokens_{Salt{}, {}};
    RelayOptions options_a_ = options_of("https://a.example");
    RelayOptions options_b_ = options_of("https://b.example");
    Destination a_{options_a_, tokens_, log_, Random(1)};
    Destination b_{options_b_, tokens_, log_, Random(2)};
};

TEST_F(DestinationTest, EachHasEventsOfTheSameTokenForItself) {
    a_.active().add(event(1));
    b_.active().add(event(2));
    b_.active().add(event(3));
    EXPECT_EQ(a_.queued(), 1U);
    EXPECT_EQ(b_.queued(), 2U);

    a_.take_out(ci);
    EXPECT_EQ(a_.queued(), 0U);
    EXPECT_EQ(b_.queued(), 2U) << "gone there, and not here";
    EXPECT_EQ(given_by(b_).seq, Seq{2});
}

TEST_F(DestinationTest, AWaitThatOneAskedForIsNoneOfTheOther) {
    a_.active().add(event(1));
    b_.active().add(event(2));
    Judgement judgement;
    judgement.hold = Seconds(600);
    const auto hold = a_.hold_to_remember(ci, judgement, Scope::destination, now_);
    ASSERT_TRUE(hold);
    EXPECT_FALSE(b_.restore(*hold, now_));
    EXPECT_TRUE(b_.scheduler().next(now_));
    EXPECT_TRUE(a_.restore(*hold, now_));
    EXPECT_FALSE(a_.scheduler().next(now_));
}

TEST_F(DestinationTest, OnlyTheOneThatChangesHasFormerAnswers) {
    a_.active().add(event(1));
    b_.active().add(event(2));
    const Assignment of_a = given_by(a_);
    const Assignment of_b = given_by(b_);
    a_.change();
    options_a_.destination = "https://c.example";
    EXPECT_TRUE(a_.is_outdated(of_a));
    EXPECT_EQ(a_.url_of(of_a.with), "https://a.example");
    EXPECT_EQ(a_.url_of(a_.sent_with_now(ci)), "https://c.example");
    EXPECT_FALSE(b_.is_outdated(of_b));
    EXPECT_EQ(b_.url_of(of_b.with), "https://b.example");
}

TEST_F(DestinationTest, WhatWasAcceptedBeforeMayHaveBeenSent) {
    EXPECT_FALSE(a_.is_own(Seq{5})) << "nothing was accepted";
    a_.accepted(Seq{5});
    a_.accepted(Seq{6});
    EXPECT_FALSE(a_.is_own(Seq{4}));
    EXPECT_TRUE(a_.is_own(Seq{5}));
    a_.accepted_before();
    EXPECT_FALSE(a_.is_own(Seq{5}));
}

}  // namespace
}  // namespace flowrelay::core
