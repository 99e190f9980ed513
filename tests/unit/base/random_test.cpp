#include "flowrelay/base/random.hpp"

#include <gtest/gtest.h>

#include <array>

namespace flowrelay {
namespace {

// The values of the reference implementation for a state filled by splitmix64(0).
TEST(Random, GivesTheReferenceSequence) {
    Random random(0);
    EXPECT_EQ(random.next(), 0x99EC5F36CB75F2B4ULL);
    EXPECT_EQ(random.next(), 0xBF6E1F784956452AULL);
    EXPECT_EQ(random.next(), 0x1A5F849D4933E6E0ULL);
}

TEST(Random, SameSeedSameSequence) {
    Random a(42);
    Random b(42);
    for (int i = 0; i < 100; ++i) ASSERT_EQ(a.next(), b.next());
}

TEST(Random, OtherSeedOtherSequence) {
    EXPECT_NE(Random(1).next(), Random(2).next());
}

TEST(Random, FromTheSystemDiffersEachTime) {
    EXPECT_NE(Random::from_system().next(), Random::from_system().next());
}

TEST(Random, BelowZeroIsZero) {
    EXPECT_EQ(Random(1).below(0), 0U);
}
TEST(Random, BelowOneIsZero) {
    EXPECT_EQ(Random(1).below(1), 0U);
}

TEST(Random, BelowStaysUnderItsBound) {
    Random random(7);
    for (const std::uint64_t bound : {2ULL, 3ULL, 1000ULL, (1ULL << 63) + 1, ~0ULL}) {
        for (int i = 0; i < 1000; ++i) ASSERT_LT(random.below(bound), bound);
    }
}

TEST(Random, BelowIsUniform) {
    Random random(3);
    std::array<int, 6> hits{};
    for (int i = 0; i < 60'000; ++i) ++hits[random.below(6)];
    for (const int n : hits) EXPECT_NEAR(n, 10'000, 500);
}

TEST(Random, ChanceOfZeroNeverHappens) {
    Random random(5);
    for (int i = 0; i < 10'000; ++i) ASSERT_FALSE(random.chance(0));
}
TEST(Random, ChanceOfOneAlwaysHappens) {
    Random random(5);
    for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(random.chance(1));
}
TEST(Random, ChanceHappensAsOftenAsItSays) {
    Random random(5);
    int hits = 0;
    for (int i = 0; i < 100'000; ++i) hits += random.chance(0.25) ? 1 : 0;
    EXPECT_NEAR(hits, 25'000, 700);
}

}  // namespace
}  // namespace flowrelay
