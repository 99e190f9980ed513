#include "flowrelay/base/time.hpp"

#include <gtest/gtest.h>

#include <cstdint>

namespace flowrelay {
namespace {

WallTime wall_at(std::int64_t ms) {
    return WallTime(Milliseconds(ms));
}

TEST(FormatTime, Epoch) {
    EXPECT_EQ(format_time(wall_at(0)), "1970-01-01T00:00:00.000Z");
}
TEST(FormatTime, PadsEveryField) {
    EXPECT_EQ(format_time(wall_at(1'488'589'506'007)), "2017-03-04T01:05:06.007Z");
}
TEST(FormatTime, LeapDay) {
    EXPECT_EQ(format_time(wall_at(1'709'251'199'999)), "2024-02-29T23:59:59.999Z");
}
TEST(FormatTime, BeforeTheEpoch) {
    EXPECT_EQ(format_time(wall_at(-1)), "1969-12-31T23:59:59.999Z");
}
TEST(FormatTime, LargestTimeIsShownAsTheLastOfTheYear9999) {
    EXPECT_EQ(format_time(WallTime::max()), "9999-12-31T23:59:59.999Z");
}
TEST(FormatTime, SmallestTimeIsShownAsTheFirstOfTheYear0) {
    EXPECT_EQ(format_time(WallTime::min()), "0000-01-01T00:00:00.000Z");
}

TEST(FormatDuration, Zero) {
    EXPECT_EQ(format_duration(Milliseconds(0)), "0s");
}
TEST(FormatDuration, Milliseconds) {
    EXPECT_EQ(format_duration(Milliseconds(850)), "850ms");
}
TEST(FormatDuration, WholeSeconds) {
    EXPECT_EQ(format_duration(Seconds(8)), "8s");
}
TEST(FormatDuration, SecondsAndMilliseconds) {
    EXPECT_EQ(format_duration(Milliseconds(1'500)), "1s500ms");
}
TEST(FormatDuration, MinutesAndSeconds) {
    EXPECT_EQ(format_duration(Seconds(90)), "1m30s");
}
TEST(FormatDuration, WholeHours) {
    EXPECT_EQ(format_duration(std::chrono::hours(2)), "2h");
}
TEST(FormatDuration, WholeDays) {
    EXPECT_EQ(format_duration(std::chrono::days(5)), "5d");
}
TEST(FormatDuration, UnitsBelowTheSecondAreCutOff) {
    EXPECT_EQ(format_duration(Seconds(2 * 3600 + 59 * 60 + 59)), "2h59m");
}
TEST(FormatDuration, UnitsThatDoNotTouchAreNotJoined) {
    EXPECT_EQ(format_duration(Seconds(3600 + 30)), "1h");
}
TEST(FormatDuration, Negative) {
    EXPECT_EQ(format_duration(Milliseconds(-90'000)), "-1m30s");
}
TEST(FormatDuration, SmallestDuration) {
    EXPECT_EQ(format_duration(Milliseconds::min()), "-106751991167d7h");
}

struct DurationText {
    std::string_view text;
    std::int64_t milliseconds;
};

class ParseDuration : public testing::TestWithParam<DurationText> {};

INSTANTIATE_TEST_SUITE_P(
    Accepted, ParseDuration,
    testing::Values(DurationText{"0", 0}, DurationText{"0s", 0}, DurationText{"850ms", 850},
                    DurationText{"8s", 8'000}, DurationText{"1m30s", 90'000},
                    DurationText{"2h", 7'200'000}, DurationText{"5d", 432'000'000},
                    DurationText{"1d1h1m1s1ms", 90'061'001}, DurationText{"90m", 5'400'000},
                    DurationText{"36500d", 3'153'600'000'000}));

TEST_P(ParseDuration, GivesMilliseconds) {
    EXPECT_EQ(parse_duration(GetParam().text), Milliseconds(GetParam().milliseconds));
}

class ParseDurationRefuses : public testing::TestWithParam<std::string_view> {};

INSTANTIATE_TEST_SUITE_P(Texts, ParseDurationRefuses,
                         testing::Values("", "5", "s", "-5s", "+5s", "1.5s", " 5s", "5s ", "5 s",
                                         "5S", "5sec", "30s1m", "1s1s", "1m1", "36500d1ms",
                                         "36501d", "18446744073709551616ms", "9223372036854775807d",
                                         "1w"));

TEST_P(ParseDurationRefuses, Text) {
    EXPECT_EQ(parse_duration(GetParam()), std::nullopt);
}

TEST(SystemClock, MonotonicTimeDoesNotGoBack) {
    const SystemClock clock;
    const Now first = clock.now();
    EXPECT_GE(clock.now().mono, first.mono);
}
TEST(SystemClock, WallTimeIsThatOfTheSystem) {
    const auto before = std::chrono::floor<Milliseconds>(std::chrono::system_clock::now());
    const WallTime wall = SystemClock().now().wall;
    EXPECT_GE(wall, before);
    EXPECT_LT(wall, before + Seconds(60));
}

}  // namespace
}  // namespace flowrelay
