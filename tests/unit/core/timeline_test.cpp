#include "flowrelay/core/timeline.hpp"

#include <gtest/gtest.h>

#include "flowrelay/base/random.hpp"

namespace flowrelay::core {
namespace {

using std::chrono::days;
using std::chrono::hours;

/// A machine: time passes, its wall clock is set, it is booted.
class TimelineTest : public testing::Test {
protected:
    ClockReading read() const { return {wall_, since_boot_, boot_}; }
    void pass(Milliseconds time) {
        wall_ += time;
        since_boot_ += time;
    }
    void reboot(Milliseconds off) {
        wall_ += off;
        since_boot_ = Seconds(10);
        boot_ += "x";
    }
    WallTime on(const Timeline& timeline) const { return timeline.at(since_boot_); }

    WallTime wall_{hours(490'000)};
    Milliseconds since_boot_ = hours(100);
    std::string boot_ = "1";
};

TEST_F(TimelineTest, BeginsWithTheWallClockAndPassesWithTheTime) {
    Timeline timeline(std::nullopt, read());
    EXPECT_EQ(on(timeline), wall_);
    pass(hours(3));
    EXPECT_EQ(on(timeline), wall_);
    EXPECT_FALSE(timeline.look(read()));
}

TEST_F(TimelineTest, AStepOfTheWallClockIsSaidOnceAndChangesNothing) {
    for (const Milliseconds step : {Milliseconds(days(20'000)), Milliseconds(-days(400)),
                                    Milliseconds(1500), Milliseconds(-1500)}) {
        Timeline timeline(std::nullopt, read());
        const WallTime before = on(timeline);
        wall_ += step;
        EXPECT_EQ(on(timeline), before);
        EXPECT_EQ(timeline.look(read()), step);
        EXPECT_FALSE(timeline.look(read()));
        pass(hours(1));
        EXPECT_EQ(on(timeline), before + hours(1));
        EXPECT_FALSE(timeline.look(read()));
        wall_ -= step;
        EXPECT_EQ(timeline.look(read()), -step);
    }
}

TEST_F(TimelineTest, GoesOnOverARestartWhateverTheWallClockDidMeanwhile) {
    Timeline first(std::nullopt, read());
    const auto anchor = first.anchor(read());
    const WallTime before = on(first);
    pass(hours(5));
    wall_ += days(9000);
    Timeline second(anchor, read());
    EXPECT_EQ(on(second), before + hours(5));
    EXPECT_EQ(second.look(read()), days(9000)) << "nobody has said that yet";
    EXPECT_FALSE(second.distrusts_wall());
}

TEST_F(TimelineTest, OverARebootTheWallClockSaysHowLongItWasOff) {
    Timeline first(std::nullopt, read());
    const auto anchor = first.anchor(read());
    const WallTime before = on(first);
    reboot(days(2));
    Timeline second(anchor, read());
    EXPECT_EQ(on(second), before + days(2));
    EXPECT_FALSE(second.distrusts_wall());
    EXPECT_FALSE(second.look(read()));
}

TEST_F(TimelineTest, OverARebootAWallClockThatCanNotBeRightIsNotBelieved) {
    for (const Milliseconds off : {Milliseconds(-days(20'000)), Milliseconds(-hours(1)),
                                   Milliseconds(days(31)), Milliseconds(days(20'000))}) {
        const WallTime wall = wall_;
        Timeline first(std::nullopt, read());
        const auto anchor = first.anchor(read());
        const WallTime before = on(first);
        reboot(off);
        Timeline second(anchor, read());
        EXPECT_EQ(on(second), before + Seconds(10)) << "since it was booted";
        EXPECT_TRUE(second.distrusts_wall());
        // The next anchor has the right distance: later restarts agree.
        pass(hours(1));
        Timeline third(second.anchor(read()), read());
        EXPECT_EQ(on(third), before + Seconds(10) + hours(1));
        wall_ = wall;
    }
}

TEST_F(TimelineTest, NeverGoesBackNorFasterThanTheTimeWithinABoot) {
    Random random(7);
    for (int life = 0; life < 300; ++life) {
        std::optional<ClockAnchor> anchor;
        Timeline timeline(anchor, read());
        for (int n = 0; n < 50; ++n) {
            const WallTime before = on(timeline);
            Milliseconds passed{0};
            switch (random.below(4)) {
                case 0:
                    wall_ += Milliseconds(random.below(2'000'000'000'000)) - days(10'000);
                    break;
                case 1:
                    timeline.look(read());
                    break;
                case 2:
                    timeline = Timeline(timeline.anchor(read()), read());
                    break;
                default:
                    passed = Milliseconds(random.below(100'000'000));
                    pass(passed);
            }
            ASSERT_EQ(on(timeline) - before, passed);
        }
    }
}

}  // namespace
}  // namespace flowrelay::core
