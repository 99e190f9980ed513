#include "flowrelay/core/reminder.hpp"

#include <gtest/gtest.h>

namespace flowrelay::core {
namespace {

TEST(Reminder, IsDueOnceAnHourWhileTheTroubleLasts) {
    Reminder reminder;
    unsigned lines = 0;
    MonoTime now{Seconds(1000)};
    for (int minute = 0; minute <= 24 * 60; ++minute) {
        if (reminder.due(true, now)) ++lines;
        now += Seconds(60);
    }
    EXPECT_EQ(lines, 24U);
}

TEST(Reminder, BeginsAgainWithEachTrouble) {
    Reminder reminder;
    const MonoTime start{Seconds(1000)};
    EXPECT_FALSE(reminder.due(true, start));
    EXPECT_FALSE(reminder.due(true, start + Seconds(3599)));
    EXPECT_FALSE(reminder.due(false, start + Seconds(3600)));
    EXPECT_FALSE(reminder.due(true, start + Seconds(3601)));
    EXPECT_FALSE(reminder.due(true, start + Seconds(7200)));
    EXPECT_TRUE(reminder.due(true, start + Seconds(7201)));
}

}  // namespace
}  // namespace flowrelay::core
