#include "core/timer_queue.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "flowrelay/base/random.hpp"

namespace flowrelay::core::scheduling {
namespace {

using std::chrono::milliseconds;

constexpr MonoTime at(int ms) {
    return MonoTime(milliseconds(ms));
}

TEST(TimerQueueTest, GivesNothingBeforeItsTime) {
    Timer timer(Timer::Owner::lane);
    TimerQueue queue;
    queue.arm(timer, at(10));
    EXPECT_TRUE(timer.is_armed());
    EXPECT_EQ(queue.take_due(at(9)), nullptr);
    EXPECT_EQ(queue.take_due(at(10)), &timer);
    EXPECT_FALSE(timer.is_armed());
    EXPECT_EQ(queue.take_due(at(10)), nullptr);
}

TEST(TimerQueueTest, TheEarliestComesFirstAndEqualOnesInTheOrderOfArming) {
    Timer a(Timer::Owner::lane), b(Timer::Owner::lane), c(Timer::Owner::token);
    TimerQueue queue;
    queue.arm(a, at(20));
    queue.arm(b, at(10));
    queue.arm(c, at(10));
    EXPECT_EQ(queue.take_due(at(100)), &b);
    EXPECT_EQ(queue.take_due(at(100)), &c);
    EXPECT_EQ(queue.take_due(at(100)), &a);
}

TEST(TimerQueueTest, ArmedAnewItEndsOnce) {
    Timer timer(Timer::Owner::lane);
    TimerQueue queue;
    queue.arm(timer, at(10));
    queue.arm(timer, at(30));
    EXPECT_EQ(queue.take_due(at(29)), nullptr);
    EXPECT_EQ(queue.take_due(at(30)), &timer);
    EXPECT_EQ(queue.armed(Timer::Owner::lane), 0U);
}

TEST(TimerQueueTest, DisarmedItNeverEnds) {
    Timer timer(Timer::Owner::lane);
    TimerQueue queue;
    queue.arm(timer, at(10));
    queue.disarm(timer);
    queue.disarm(timer);
    EXPECT_EQ(queue.take_due(at(100)), nullptr);
}

TEST(TimerQueueTest, FirstAfterSkipsWhatIsDue) {
    Timer a(Timer::Owner::lane), b(Timer::Owner::lane);
    TimerQueue queue;
    EXPECT_FALSE(queue.first_after(at(0)));
    queue.arm(a, at(10));
    queue.arm(b, at(20));
    EXPECT_EQ(queue.first_after(at(9)), at(10));
    EXPECT_EQ(queue.first_after(at(10)), at(20));
    EXPECT_FALSE(queue.first_after(at(20)));
    EXPECT_TRUE(queue.has_due(at(10)));
    EXPECT_FALSE(queue.has_due(at(9)));
}

TEST(TimerQueueTest, CountsByOwner) {
    Timer a(Timer::Owner::lane), b(Timer::Owner::lane), c(Timer::Owner::token);
    TimerQueue queue;
    queue.arm(a, at(1));
    queue.arm(b, at(2));
    queue.arm(c, at(3));
    EXPECT_EQ(queue.armed(Timer::Owner::lane), 2U);
    EXPECT_EQ(queue.armed(Timer::Owner::token), 1U);
    queue.take_due(at(1));
    EXPECT_EQ(queue.armed(Timer::Owner::lane), 1U);
}

TEST(TimerQueueTest, ManyTimersEndInOrder) {
    Random random(1);
    std::vector<Timer> timers(1000, Timer(Timer::Owner::lane));
    TimerQueue queue;
    for (auto& timer : timers) queue.arm(timer, at(static_cast<int>(random.below(500))));
    MonoTime last = at(0);
    std::size_t taken = 0;
    while (const Timer* timer = queue.take_due(at(500))) {
        EXPECT_LE(last, timer->at);
        last = timer->at;
        ++taken;
    }
    EXPECT_EQ(taken, timers.size());
}

}  // namespace
}  // namespace flowrelay::core::scheduling
