#include "flowrelay/core/repeat_limiter.hpp"

#include <gtest/gtest.h>

namespace flowrelay::core {
namespace {

MonoTime at(int seconds) {
    return MonoTime(Seconds(1000 + seconds));
}

TEST(RepeatLimiter, LetsABurstThrough) {
    RepeatLimiter limiter(3, Seconds(60));
    for (int i = 0; i < 3; ++i) EXPECT_EQ(limiter.admit(at(0)), 0U);
    EXPECT_FALSE(limiter.admit(at(0)));
}

TEST(RepeatLimiter, SaysHowManyWereLeftOut) {
    RepeatLimiter limiter(1, Seconds(60));
    limiter.admit(at(0));
    for (int i = 1; i <= 5; ++i) EXPECT_FALSE(limiter.admit(at(i)));
    EXPECT_EQ(limiter.admit(at(60)), 5U);
    EXPECT_FALSE(limiter.admit(at(61)));
}

TEST(RepeatLimiter, IsWholeAgainAfterAQuietTime) {
    RepeatLimiter limiter(2, Seconds(60));
    limiter.admit(at(0));
    limiter.admit(at(0));
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(limiter.admit(at(500)));
    EXPECT_FALSE(limiter.admit(at(500)));
}

TEST(RepeatLimiter, AMillionLinesOfADayAreSome1500) {
    RepeatLimiter limiter(10, Seconds(60));
    int lines = 0;
    for (int i = 0; i < 86'400; ++i) lines += limiter.admit(at(i)).has_value() ? 1 : 0;
    EXPECT_LE(lines, 1450);
}

}  // namespace
}  // namespace flowrelay::core
