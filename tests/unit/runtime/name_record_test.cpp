#include "flowrelay/runtime/name_record.hpp"

#include <gtest/gtest.h>

#include <boost/asio/error.hpp>

namespace flowrelay::runtime {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

tcp::endpoint at(const char* address) {
    return {asio::ip::make_address(address), 443};
}

const auto v4a = at("192.0.2.1");
const auto v4b = at("192.0.2.2");
const auto v6a = at("2001:db8::1");
const auto v6b = at("2001:db8::2");
const auto v6c = at("2001:db8::3");

const MonoTime start{std::chrono::hours(1)};
const error_code trouble = asio::error::host_not_found_try_again;

TEST(InterleaveFamilies, AlternatesBeginningWithTheFirst) {
    EXPECT_EQ(interleave_families({v6a, v6b, v6c, v4a, v4b}), (Endpoints{v6a, v4a, v6b, v4b, v6c}));
    EXPECT_EQ(interleave_families({v4a, v6a, v6b}), (Endpoints{v4a, v6a, v6b}));
    EXPECT_EQ(interleave_families({v4b, v4a}), (Endpoints{v4b, v4a}));
    EXPECT_EQ(interleave_families({v4a, v4a, v6a, v4a}), (Endpoints{v4a, v6a}));
    EXPECT_EQ(interleave_families({}), Endpoints{});
}

TEST(NameRecord, AsksWhenNothingIsKnown) {
    NameRecord record;
    EXPECT_TRUE(record.wants_look_up(start));
    EXPECT_TRUE(record.endpoints(start).empty());
    EXPECT_FALSE(record.has(v4a, start));
}

TEST(NameRecord, AsksAgainWhenTheAnswerIsNoLongerFresh) {
    NameRecord record({Seconds(60), Seconds(5), Seconds(3600)});
    record.found({v4a}, start);
    EXPECT_FALSE(record.wants_look_up(start + Seconds(59)));
    EXPECT_TRUE(record.wants_look_up(start + Seconds(60)));
    EXPECT_EQ(record.endpoints(start + Seconds(60)), Endpoints{v4a});
}

TEST(NameRecord, ANewAnswerTakesThePlaceOfTheOldOne) {
    NameRecord record;
    record.found({v4a, v4b}, start);
    record.found({v4b, v6a}, start + Seconds(60));
    EXPECT_TRUE(record.has(v6a, start + Seconds(60)));
    EXPECT_EQ(record.endpoints(start + Seconds(60)), (Endpoints{v4b, v6a}));
}

TEST(NameRecord, AnAddressThatIsNoLongerAnsweredLingersForConnections) {
    NameRecord record({Seconds(60), Seconds(5), Seconds(3600), Seconds(300)});
    record.found({v4a, v6a}, start);
    const MonoTime moved = start + Seconds(60);
    record.found({v4b, v6a}, moved);
    for (int minute = 0; minute < 5; ++minute) {
        EXPECT_TRUE(record.has(v4a, moved + Seconds(60 * minute)));
        record.found({v4b}, moved + Seconds(60 * minute));
    }
    EXPECT_FALSE(record.has(v4a, moved + Seconds(300)));
    EXPECT_EQ(record.endpoints(moved + Seconds(300)), Endpoints{v4b}) << "no new ones to it";
}

TEST(NameRecord, ANameThatHasMovedIsFollowedAtOnce) {
    NameRecord record;
    record.found({v4a, v6a}, start);
    record.found({v4b, v6a}, start + Seconds(60));
    record.found({v6b, v6c}, start + Seconds(120));
    for (const auto& old : {v4a, v4b, v6a}) EXPECT_FALSE(record.has(old, start + Seconds(120)));
    EXPECT_TRUE(record.has(v6b, start + Seconds(120)));
}

TEST(NameRecord, AddressesThatTakeTurnsAreKept) {
    NameRecord record;
    for (int minute = 0; minute < 100; ++minute) {
        const MonoTime now = start + Seconds(60 * minute);
        record.found({minute % 3 == 0 ? v4a : minute % 3 == 1 ? v4b : v6a, v6b}, now);
        EXPECT_TRUE(record.has(v4a, now));
    }
}

TEST(NameRecord, KeepsItsAnswerWhileLookUpsFail) {
    NameRecord record({Seconds(60), Seconds(5), Seconds(3600)});
    record.found({v4a}, start);
    record.failed(trouble, start + Seconds(60));
    EXPECT_EQ(record.error(), trouble);
    EXPECT_FALSE(record.wants_look_up(start + Seconds(64)));
    EXPECT_TRUE(record.wants_look_up(start + Seconds(65)));
    EXPECT_EQ(record.endpoints(start + Seconds(3659)), Endpoints{v4a});
    EXPECT_TRUE(record.endpoints(start + Seconds(3660)).empty());
    EXPECT_TRUE(record.wants_look_up(start + Seconds(3660)));
    record.found({v4b}, start + Seconds(3660));
    EXPECT_EQ(record.error(), error_code());
    EXPECT_EQ(record.endpoints(start + Seconds(3660)), Endpoints{v4b});
}

TEST(NameRecord, DoesNotWaitAfterAFailureWhenNothingIsKnown) {
    NameRecord record;
    record.failed(trouble, start);
    EXPECT_TRUE(record.wants_look_up(start));
}

TEST(NameRecord, AnEmptyAnswerIsAFailure) {
    NameRecord record;
    record.found({v4a}, start);
    record.found({}, start + Seconds(60));
    EXPECT_TRUE(record.error());
    EXPECT_TRUE(record.has(v4a, start));
}

TEST(NameRecord, WhatWasPassedOverComesLastUntilTheNextAnswer) {
    NameRecord record;
    record.found({v6a, v4a, v4b}, start);
    record.pass_over(v6a);
    EXPECT_EQ(record.endpoints(start), (Endpoints{v4a, v4b, v6a}));
    EXPECT_TRUE(record.has(v6a, start));
    record.pass_over(v4a);
    record.pass_over(v6a);  // again
    record.pass_over(v6b);  // an address of another host
    EXPECT_EQ(record.endpoints(start), (Endpoints{v4b, v6a, v4a}));
    record.found({v6a, v4a, v4b}, start + Seconds(60));
    EXPECT_EQ(record.endpoints(start + Seconds(60)), (Endpoints{v6a, v4a, v4b}));
}

}  // namespace
}  // namespace flowrelay::runtime
