#include "flowrelay/core/letter_room.hpp"

#include <gtest/gtest.h>

namespace flowrelay::core {
namespace {

DeadLetterLimits limits(std::uint64_t events, std::uint64_t bytes) {
    DeadLetterLimits limits;
    limits.max_events = events;
    limits.max_bytes = bytes;
    return limits;
}

TEST(LetterRoom, CountsWhatIsStoredAndWhatIsOnItsWay) {
    LetterRoom room(limits(3, 1'000'000));
    EXPECT_EQ(room.free_letters(), 3U);
    room.stored({1, 100, 0});
    EXPECT_EQ(room.free_letters(), 2U);
    room.bury(100);
    room.bury(100);
    EXPECT_FALSE(room.has_room());
    EXPECT_FALSE(room.is_store_full());
    room.stored({2, 200, 1});
    EXPECT_FALSE(room.has_room()) << "one is still on its way";
    room.stored({3, 300, 2});
    EXPECT_FALSE(room.has_room());
    EXPECT_TRUE(room.is_store_full());
    room.stored({1, 100, 2});  // dropped or replayed
    EXPECT_EQ(room.free_letters(), 2U);
}

TEST(LetterRoom, TheLetterThatReachesTheBytesIsTheLast) {
    LetterRoom room(limits(100, 1000));
    room.bury(999);
    EXPECT_TRUE(room.has_room());
    room.bury(5000);
    EXPECT_FALSE(room.has_room());
    room.stored({2, 900, 2});  // the estimates were too large
    EXPECT_TRUE(room.has_room());
    room.stored({2, 1000, 2});
    EXPECT_FALSE(room.has_room());
}

TEST(LetterRoom, ALetterThatTheStoreCouldNotWriteYetIsOnItsWay) {
    LetterRoom room(limits(1, 1000));
    room.bury(1);
    room.stored({0, 0, 0});
    EXPECT_FALSE(room.has_room());
    room.stored({0, 0, 1});  // its event had gone
    EXPECT_TRUE(room.has_room());
}

TEST(LetterRoom, SmallerLimitsCountAtOnce) {
    LetterRoom room(limits(10, 1000));
    room.stored({5, 500, 0});
    room.set_limits(limits(3, 1000));
    EXPECT_FALSE(room.has_room());
    EXPECT_TRUE(room.is_store_full());
    room.set_limits(limits(10, 500));
    EXPECT_FALSE(room.has_room());
    room.set_limits(limits(10, 501));
    EXPECT_EQ(room.free_letters(), 5U);
}

}  // namespace
}  // namespace flowrelay::core
