#include "flowrelay/core/backoff.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace flowrelay::core {
namespace {

constexpr BackoffOptions defaults{};

struct Range {
    Milliseconds least = Milliseconds::max();
    Milliseconds most = Milliseconds::min();
};

Range observed(const BackoffOptions& options, unsigned failures) {
    Random random(failures);
    Range range;
    for (int i = 0; i < 5000; ++i) {
        const Milliseconds wait = backoff(options, failures, random);
        range.least = std::min(range.least, wait);
        range.most = std::max(range.most, wait);
    }
    return range;
}

// The range of waits is [c/10, c], and of 5000 draws some come close to both ends.
void expect_ceiling(const BackoffOptions& options, unsigned failures, Milliseconds c) {
    const Range range = observed(options, failures);
    EXPECT_GE(range.least, c / 10);
    EXPECT_LE(range.least, c / 10 + c / 100);
    EXPECT_LE(range.most, c);
    EXPECT_GE(range.most, c - c / 100);
}

TEST(Backoff, FirstFailure) {
    expect_ceiling(defaults, 1, Seconds(1));
}
TEST(Backoff, SecondFailureDoubles) {
    expect_ceiling(defaults, 2, Seconds(2));
}
TEST(Backoff, NinthFailure) {
    expect_ceiling(defaults, 9, Seconds(256));
}
TEST(Backoff, StopsAtTheMaximum) {
    expect_ceiling(defaults, 10, Seconds(300));
}
TEST(Backoff, StaysAtTheMaximum) {
    expect_ceiling(defaults, 11, Seconds(300));
    expect_ceiling(defaults, std::numeric_limits<unsigned>::max(), Seconds(300));
}
TEST(Backoff, NoFailureCountsAsOne) {
    expect_ceiling(defaults, 0, Seconds(1));
}
TEST(Backoff, InitialMayBeTheMaximum) {
    expect_ceiling({Seconds(5), Seconds(5)}, 1, Seconds(5));
    expect_ceiling({Seconds(5), Seconds(5)}, 7, Seconds(5));
}
TEST(Backoff, SmallestOptions) {
    Random random(1);
    const Milliseconds wait = backoff({Milliseconds(1), Milliseconds(1)}, 3, random);
    EXPECT_GE(wait, Milliseconds(0));
    EXPECT_LE(wait, Milliseconds(1));
}
TEST(Backoff, LargestOptionsDoNotOverflow) {
    Random random(1);
    const BackoffOptions options{Milliseconds(3), Milliseconds::max()};
    for (unsigned failures = 1; failures < 200; ++failures) {
        const Milliseconds wait = backoff(options, failures, random);
        ASSERT_GE(wait, Milliseconds(0)) << failures;
        if (failures >= 63) {
            ASSERT_GE(wait, options.max / 10) << failures;
        }
    }
}
TEST(Backoff, IsSpreadEvenly) {
    Random random(4);
    int lower_half = 0;
    for (int i = 0; i < 10'000; ++i) {
        if (backoff(defaults, 1, random) < Milliseconds(550)) ++lower_half;
    }
    EXPECT_NEAR(lower_half, 5000, 250);
}

}  // namespace
}  // namespace flowrelay::core
