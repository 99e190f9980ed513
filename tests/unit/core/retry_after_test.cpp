#include <gtest/gtest.h>

#include "flowrelay/core/verdict.hpp"

namespace flowrelay::core {
namespace {

using namespace std::chrono;

// Sun, 06 Nov 1994 08:49:37 GMT: the example of RFC 9110.
constexpr WallTime example = sys_days(November / 6 / 1994) + hours(8) + minutes(49) + seconds(37);
constexpr Milliseconds hundred_years = days(36'600);

std::optional<Milliseconds> at_example(std::string_view value) {
    return parse_retry_after(value, example);
}

// The time that a date means, found by looking at it from long before.
std::optional<WallTime> date(std::string_view value, WallTime now) {
    const auto wait = parse_retry_after(value, now);
    if (!wait) return std::nullopt;
    return now + *wait;
}

constexpr WallTime in_1980 = sys_days(January / 1 / 1980);
constexpr WallTime in_2026 = sys_days(July / 1 / 2026);

TEST(RetryAfter, Seconds) {
    EXPECT_EQ(at_example("120"), seconds(120));
}
TEST(RetryAfter, ZeroSeconds) {
    EXPECT_EQ(at_example("0"), seconds(0));
}
TEST(RetryAfter, LeadingZeros) {
    EXPECT_EQ(at_example("007"), seconds(7));
}
TEST(RetryAfter, BlanksAround) {
    EXPECT_EQ(at_example(" \t15 "), seconds(15));
}
TEST(RetryAfter, NumberThatFitsNothingIsTheLongestWait) {
    EXPECT_EQ(at_example(std::string(1000, '9')), hundred_years);
    EXPECT_EQ(at_example("9223372036854775808"), hundred_years);
    EXPECT_EQ(at_example("18446744073709551617"), hundred_years);
}

TEST(RetryAfter, PartsOfASecondAreRoundedUp) {
    EXPECT_EQ(at_example("28.7"), seconds(29));
    EXPECT_EQ(at_example("0.001"), seconds(1));
    EXPECT_EQ(at_example("5.000"), seconds(5));
    for (const auto* wrong : {"5.", "5.x", "5.1.2", "5, x", "x, 5", "1e3", "5s", "5 6"}) {
        EXPECT_EQ(at_example(wrong), std::nullopt) << wrong;
    }
}
TEST(RetryAfter, OfAListTheLongestCounts) {
    EXPECT_EQ(at_example("5, 5"), seconds(5));
    EXPECT_EQ(at_example("5,30 , 7"), seconds(30));
    EXPECT_EQ(at_example("5, 28.7"), seconds(29));
}
TEST(RetryAfter, EmptyElementsOfAListDoNotCount) {
    for (const auto* five : {"5,", ",5", " , 5", "5,,", "5, ,3", ",\t,5 ,"}) {
        EXPECT_EQ(at_example(five), seconds(5)) << five;
    }
    for (const auto* nothing : {",", " , ,", ",,x"}) {
        EXPECT_EQ(at_example(nothing), std::nullopt) << nothing;
    }
}
TEST(RetryAfter, OfTwoDatesTheLaterCounts) {
    const std::string_view early = "Sun, 06 Nov 1994 08:50:37 GMT";
    for (const std::string late :
         {"Sun, 06 Nov 1994 08:51:37 GMT", "Sunday, 06-Nov-94 08:51:37 GMT",
          "Sun Nov  6 08:51:37 1994", "120"}) {
        for (const std::string between : {",", ", ", " ,, "}) {
            EXPECT_EQ(at_example(late + between + std::string(early)), seconds(120)) << late;
            EXPECT_EQ(at_example(std::string(early) + between + late), seconds(120)) << late;
        }
        EXPECT_EQ(at_example(late + ",5,"), seconds(120)) << late;
        EXPECT_EQ(at_example(late + ", soon"), std::nullopt) << late;
        EXPECT_EQ(at_example(late + ", Sun"), std::nullopt) << late;
        EXPECT_EQ(at_example(late + ", Sun, "), std::nullopt) << late;
    }
}
TEST(RetryAfter, ImfFixdate) {
    EXPECT_EQ(date("Sun, 06 Nov 1994 08:49:37 GMT", in_1980), example);
}
TEST(RetryAfter, Rfc850Date) {
    EXPECT_EQ(date("Sunday, 06-Nov-94 08:49:37 GMT", in_1980), example);
}
TEST(RetryAfter, AsctimeDate) {
    EXPECT_EQ(date("Sun Nov  6 08:49:37 1994", in_1980), example);
}
TEST(RetryAfter, AsctimeDateWithTwoDigits) {
    EXPECT_EQ(date("Wed Nov 16 08:49:37 1994", in_1980), example + days(10));
}
TEST(RetryAfter, DateAheadIsTheTimeUntilThen) {
    EXPECT_EQ(at_example("Sun, 06 Nov 1994 08:50:37 GMT"), seconds(60));
}
TEST(RetryAfter, DateThatHasPassedIsZero) {
    EXPECT_EQ(at_example("Sun, 06 Nov 1994 08:49:36 GMT"), seconds(0));
    EXPECT_EQ(at_example("Thu, 01 Jan 1970 00:00:00 GMT"), seconds(0));
    EXPECT_EQ(at_example("Sat, 01 Jan 0000 00:00:00 GMT"), seconds(0));
}
TEST(RetryAfter, DateFarAheadIsTheLongestWait) {
    EXPECT_EQ(at_example("Fri, 31 Dec 9999 23:59:59 GMT"), hundred_years);
}
TEST(RetryAfter, MillisecondsOfNowCount) {
    EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:38 GMT", example + milliseconds(1)),
              milliseconds(999));
}
TEST(RetryAfter, LeapSecond) {
    EXPECT_EQ(date("Sat, 31 Dec 2016 23:59:60 GMT", in_1980),
              WallTime(sys_days(January / 1 / 2017)));
}
TEST(RetryAfter, LeapDay) {
    EXPECT_EQ(date("Thu, 29 Feb 2024 00:00:00 GMT", in_1980),
              WallTime(sys_days(February / 29 / 2024)));
}
TEST(RetryAfter, WeekdayNeedNotFit) {
    EXPECT_EQ(date("Mon, 06 Nov 1994 08:49:37 GMT", in_1980), example);
}

TEST(RetryAfter, TwoDigitsOfThisCentury) {
    EXPECT_EQ(date("Thursday, 02-Jul-26 00:00:00 GMT", in_2026),
              WallTime(sys_days(July / 2 / 2026)));
}
TEST(RetryAfter, TwoDigitsUpToFiftyYearsAhead) {
    EXPECT_EQ(date("Wednesday, 01-Jul-76 00:00:00 GMT", in_2026),
              WallTime(sys_days(July / 1 / 2076)));
}
TEST(RetryAfter, TwoDigitsFurtherAheadHavePassed) {
    EXPECT_EQ(parse_retry_after("Friday, 01-Jul-77 00:00:00 GMT", in_2026), seconds(0));
}

class RetryAfterRefuses : public testing::TestWithParam<std::string_view> {};

INSTANTIATE_TEST_SUITE_P(
    Values, RetryAfterRefuses,
    testing::Values("", " ", "-1", "+1", "1s", "1 2", "0x10", "soon", "12\n",
                    "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
                    "Sun, 06 Nov 1994 08:49:37 GMT+1", "Sun, 6 Nov 1994 08:49:37 GMT",
                    "Sun, 06 nov 1994 08:49:37 GMT", "Son, 06 Nov 1994 08:49:37 GMT",
                    "Sun 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 94 08:49:37 GMT",
                    "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT",
                    "Sun, 29 Feb 2023 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
                    "Sun, 06 Nov 1994 08:60:00 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
                    "Sun, 06 Nov 1994 8:49:37 GMT", "Sun, 06 Nov 1994 08:49 GMT",
                    "Sun, 06-Nov-94 08:49:37 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT",
                    "Sunday, 06 Nov 94 08:49:37 GMT", "Sun Nov 6 08:49:37 1994",
                    "Sun Nov  6 08:49:37 1994 GMT", "Sunday Nov  6 08:49:37 1994",
                    "1994-11-06T08:49:37Z"));

TEST_P(RetryAfterRefuses, Value) {
    EXPECT_EQ(at_example(GetParam()), std::nullopt);
}

}  // namespace
}  // namespace flowrelay::core
