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

// A sandbox may hide the boot id (ProcSubset=pid): before that was told from a reboot, each restart
// added the time since the boot, so that everything queued on a host that was up for long expired.
TEST_F(TimelineTest, ARestartWithoutABootIdIsNoReboot) {
    const auto restart = [&](const std::string& before, const std::string& after) {
        boot_ = before;
        Timeline first(std::nullopt, read());
        const auto anchor = first.anchor(read());
        const WallTime time = on(first);
        pass(Seconds(3));
        boot_ = after;
        Timeline second(anchor, read());
        EXPECT_EQ(on(second), time + Seconds(3)) << before << " to " << after;
        EXPECT_FALSE(second.distrusts_wall());
        EXPECT_FALSE(second.look(read()));
    };
    for (const Milliseconds up :
         {Milliseconds(1), Milliseconds(hours(1)), Milliseconds(days(400))}) {
        since_boot_ = up;
        restart("", "");
        restart("1", "");
        restart("", "1");
    }
}

TEST_F(TimelineTest, WithoutABootIdAClockSinceTheBootThatWentBackIsAReboot) {
    boot_.clear();
    Timeline first(std::nullopt, read());
    const auto anchor = first.anchor(read());
    const WallTime before = on(first);
    wall_ += days(2);
    since_boot_ = Seconds(10);
    EXPECT_EQ(on(Timeline(anchor, read())), before + days(2));
    // That of a later boot may be further on: what must have passed is counted, and no more.
    since_boot_ = hours(101);
    EXPECT_EQ(on(Timeline(anchor, read())), before + hours(1));
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
                case 2: {
                    const auto kept = timeline.anchor(read());
                    boot_ = random.below(2) == 0 ? "1" : "";
                    timeline = Timeline(kept, read());
                    break;
                }
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
