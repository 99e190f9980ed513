// Compares the log with a model, on a disk that loses what was not synced: randomized sequences of
// operations from a seed, and short ones with a crash at each operation.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "log_life.hpp"

namespace flowrelay::test {
namespace {

TEST(LogCrash, WhateverWasAnsweredHolds) {
    std::size_t compactions = 0;
    const auto run = [&compactions](std::uint64_t seed) {
        SCOPED_TRACE("FLOWRELAY_SEED=" + std::to_string(seed));
        compactions += Life(seed).live(60, 0.15);
    };
    if (const char* seed = std::getenv("FLOWRELAY_SEED")) return run(std::stoull(seed));
    std::uint64_t seeds = 1000;
    if (const char* given = std::getenv("FLOWRELAY_SEEDS")) seeds = std::stoull(given);
    for (std::uint64_t seed = 1; seed <= seeds && !testing::Test::HasFailure(); ++seed) run(seed);
    EXPECT_GT(compactions, seeds / 20) << "the lives are too quiet";
}

// Each kind of operation fails on each kind of file, once or for long.
TEST(LogCrash, WhateverWasAnsweredHoldsOnABadDisk) {
    const auto run = [](std::uint64_t seed) {
        SCOPED_TRACE("FLOWRELAY_SEED=" + std::to_string(seed));
        Life(seed, true).live(60, 0.1);
    };
    if (const char* seed = std::getenv("FLOWRELAY_SEED")) return run(std::stoull(seed));
    std::uint64_t seeds = 1000;
    if (const char* given = std::getenv("FLOWRELAY_SEEDS")) seeds = std::stoull(given);
    for (std::uint64_t seed = 1; seed <= seeds && !testing::Test::HasFailure(); ++seed) run(seed);
}

// Damage between two starts is reported where it loses something.
TEST(LogCrash, DamageAtRestIsTold) {
    const auto run = [](std::uint64_t seed) {
        SCOPED_TRACE("FLOWRELAY_SEED=" + std::to_string(seed));
        Life(seed, seed % 2 == 0).live_and_rot(15);
    };
    if (const char* seed = std::getenv("FLOWRELAY_SEED")) return run(std::stoull(seed));
    std::uint64_t seeds = 1000;
    if (const char* given = std::getenv("FLOWRELAY_SEEDS")) seeds = std::stoull(given);
    for (std::uint64_t seed = 1; seed <= seeds && !testing::Test::HasFailure(); ++seed) run(seed);
}

TEST(LogCrash, ACrashAtEveryOperation) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        for (std::uint64_t operation = 1; !testing::Test::HasFailure(); ++operation) {
            SCOPED_TRACE("seed " + std::to_string(seed) + ", crash at " +
                         std::to_string(operation));
            if (!Life(seed).live_until(20, operation)) break;
            ASSERT_LT(operation, 10'000U);
        }
    }
}

TEST(LogCrash, ACrashAtEveryOperationOfACompaction) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        for (std::uint64_t operation = 1; !testing::Test::HasFailure(); ++operation) {
            SCOPED_TRACE("seed " + std::to_string(seed) + ", crash at " +
                         std::to_string(operation));
            if (!Life(seed).live_compacting(operation)) break;
            ASSERT_LT(operation, 10'000U);
        }
    }
}

}  // namespace
}  // namespace flowrelay::test
