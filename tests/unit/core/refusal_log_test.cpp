// Whose submissions are refused: each at debug, a sum when it goes on.
#include "flowrelay/core/refusal_log.hpp"

#include <gtest/gtest.h>

#include "support/recording_log.hpp"

namespace flowrelay::core {
namespace {

class RefusalLogTest : public testing::Test {
protected:
    void refuse(RejectCode code, std::optional<Producer> by) {
        refusals.note({code, "this is why", {}, {}}, "", by, now);
    }
    static Producer producer(std::uint32_t uid, const std::string& unit = {}) {
        Producer by;
        by.uid = uid;
        by.pid = 4711;
        by.unit = unit;
        return by;
    }
    auto sums() const { return out.named("ingest.refusing"); }

    test::RecordingLog out;
    RefusalLog refusals{out};
    MonoTime now{Seconds(1000)};
};

TEST_F(RefusalLogTest, EachHasALineWithWhoItWas) {
    for (int code = 0; code < static_cast<int>(reject_codes); ++code) {
        refuse(static_cast<RejectCode>(code), producer(1000, "ci.service"));
    }
    const auto lines = out.named("ingest.rejected");
    ASSERT_EQ(lines.size(), reject_codes);
    for (std::size_t code = 0; code < reject_codes; ++code) {
        EXPECT_EQ(lines[code].fields.at("code"), to_string(static_cast<RejectCode>(code)));
        EXPECT_EQ(lines[code].fields.at("uid"), "1000");
        EXPECT_EQ(lines[code].fields.at("pid"), "4711");
        EXPECT_EQ(lines[code].fields.at("unit"), "ci.service");
    }
    EXPECT_TRUE(sums().empty());
}

TEST_F(RefusalLogTest, OverTcpNobodyIsNamed) {
    refuse(RejectCode::invalid_json, std::nullopt);
    EXPECT_FALSE(out.lines.front().fields.contains("uid"));
}

TEST_F(RefusalLogTest, WhatStillComesAfterAMinuteIsSummedUp) {
    for (int minute = 0; minute < 3; ++minute) {
        refuse(RejectCode::bad_request, producer(1000));
        now += Seconds(40);
    }
    ASSERT_EQ(sums().size(), 1U);
    EXPECT_EQ(sums()[0].fields.at("count"), "3");
    EXPECT_EQ(sums()[0].fields.at("code"), "bad_request");
    EXPECT_EQ(sums()[0].fields.at("uid"), "1000");
}

TEST_F(RefusalLogTest, ManyAreSummedUpAtOnce) {
    for (int i = 0; i < 250; ++i) refuse(RejectCode::unsupported_type, producer(1000));
    ASSERT_EQ(sums().size(), 2U);
    EXPECT_EQ(sums()[0].fields.at("count"), "100");
}

TEST_F(RefusalLogTest, AFewNowAndThenAreNot) {
    for (int i = 0; i < 50; ++i) {
        refuse(RejectCode::invalid_event, producer(1000));
        now += Seconds(601);
    }
    EXPECT_TRUE(sums().empty());
}

TEST_F(RefusalLogTest, UsersUnitsAndCodesAreToldApart) {
    for (int i = 0; i < 60; ++i) {
        refuse(RejectCode::invalid_event, producer(1000));
        refuse(RejectCode::invalid_event, producer(1001));
        refuse(RejectCode::invalid_event, producer(1000, "ci.service"));
        refuse(RejectCode::invalid_json, producer(1000));
    }
    EXPECT_TRUE(sums().empty());
}

TEST_F(RefusalLogTest, TheStateOfTheRelayIsNotTheProducersFault) {
    for (int i = 0; i < 500; ++i) {
        refuse(RejectCode::queue_full, producer(1000));
        refuse(RejectCode::shutting_down, producer(1000));
        refuse(RejectCode::storage_failed, producer(1000));
    }
    EXPECT_TRUE(sums().empty());
}

TEST_F(RefusalLogTest, AnyNumberOfUsersLeavesABoundBehind) {
    for (std::uint32_t uid = 0; uid < 100'000; ++uid) {
        refuse(RejectCode::invalid_event, producer(uid));
    }
    EXPECT_LE(refusals.runs(), RefusalLog::max_runs + reject_codes);
    EXPECT_FALSE(sums().empty());  // those beyond the bound together
}

}  // namespace
}  // namespace flowrelay::core
