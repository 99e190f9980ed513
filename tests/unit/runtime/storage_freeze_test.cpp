#include "flowrelay/runtime/storage_freeze.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace flowrelay::runtime {
namespace {

TEST(StorageFreeze, HoldsUntilItIsThawed) {
    StorageFreeze freeze;
    ASSERT_TRUE(freeze.begin());
    EXPECT_FALSE(freeze.begin()) << "one at a time";
    std::atomic<bool> holding{true};
    std::thread storage([&] {
        EXPECT_TRUE(freeze.hold());
        holding = false;
    });
    // If the thread has not reached hold() yet, it will not block.
    std::this_thread::sleep_for(Milliseconds(50));
    EXPECT_TRUE(holding);
    EXPECT_TRUE(freeze.thaw());
    storage.join();
    EXPECT_FALSE(holding);
    EXPECT_FALSE(freeze.thaw()) << "it is over";
    EXPECT_TRUE(freeze.begin()) << "the next one";
}

TEST(StorageFreeze, OneThatIsThawedBeforeItBeganDoesNotHold) {
    StorageFreeze freeze;
    ASSERT_TRUE(freeze.begin());
    EXPECT_FALSE(freeze.thaw());
    EXPECT_FALSE(freeze.hold([] { FAIL() << "nothing is held"; })) << "it returns at once";
    EXPECT_TRUE(freeze.begin());
}

}  // namespace
}  // namespace flowrelay::runtime
