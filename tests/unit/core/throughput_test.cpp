#include "flowrelay/core/throughput.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace flowrelay::core {
namespace {

using Drained = DrainEstimate::State;

constexpr MonoTime first_look{Seconds(1000)};

/// Looks once a second: `accepted` and `left` events come and go in each.
void look_each_second(Throughput& throughput, int seconds, std::uint64_t accepted,
                      std::uint64_t left, std::uint64_t queued) {
    for (int i = 0; i <= seconds; ++i) {
        const auto n = static_cast<std::uint64_t>(i);
        throughput.note(first_look + Seconds(i), accepted * n, queued + accepted * n - left * n);
    }
}

TEST(Throughput, KnowsNothingAtFirst) {
    Throughput throughput;
    EXPECT_TRUE(throughput.rates().empty());
    look_each_second(throughput, 9, 5, 5, 100);
    EXPECT_TRUE(throughput.rates().empty());
    EXPECT_EQ(throughput.watched(), Seconds(9));
}

TEST(Throughput, CountsWhatComesAndWhatLeaves) {
    Throughput throughput;
    look_each_second(throughput, 31, 5, 8, 1000);
    const auto rates = throughput.rates();
    ASSERT_EQ(rates.size(), 2U);
    EXPECT_DOUBLE_EQ(rates[0].accepted, 5);
    EXPECT_DOUBLE_EQ(rates[0].left, 8);
    EXPECT_EQ(rates[0].over, Seconds(10));
    EXPECT_EQ(rates[1].over, Seconds(30));
}

TEST(Throughput, ForgetsWhatIsOlderThanAMinute) {
    Throughput throughput;
    look_each_second(throughput, 600, 5, 5, 10);
    EXPECT_EQ(throughput.watched(), Throughput::memory);
    EXPECT_EQ(throughput.rates().size(), 3U);
    EXPECT_EQ(throughput.rates().back().over, Throughput::memory);
}

TEST(Throughput, ReplayedLettersDoNotLeave) {
    Throughput throughput;
    throughput.note(first_look, 0, 10);
    throughput.note(first_look + Seconds(10), 0, 30);
    EXPECT_DOUBLE_EQ(throughput.rates().front().left, 0);
}

std::vector<Rates> flow_rates(std::vector<std::pair<double, double>> accepted_and_left) {
    std::vector<Rates> rates;
    for (const auto& [accepted, left] : accepted_and_left) {
        rates.push_back({accepted, left, Seconds(10)});
    }
    return rates;
}

TEST(DrainEstimate, IsTheRangeOfTheRates) {
    const auto estimate = estimate_drain({1000, 0, false}, flow_rates({{0, 100}, {10, 60}}));
    EXPECT_EQ(estimate.state, Drained::drains);
    EXPECT_EQ(estimate.from, Seconds(10));
    EXPECT_EQ(estimate.to, Seconds(20));
}

TEST(DrainEstimate, HasNoEndIfTheQueueGrewAtATime) {
    const auto estimate = estimate_drain({1000, 0, false}, flow_rates({{0, 100}, {50, 20}}));
    EXPECT_EQ(estimate.state, Drained::drains);
    EXPECT_EQ(estimate.from, Seconds(10));
    EXPECT_FALSE(estimate.to);
}

TEST(DrainEstimate, IsNeverWhereNoLessComesThanLeaves) {
    EXPECT_EQ(estimate_drain({10, 0, false}, flow_rates({{5, 5}, {6, 5}})).state, Drained::never);
    EXPECT_EQ(estimate_drain({10, 0, false}, flow_rates({{0, 0}})).state, Drained::never);
}

TEST(DrainEstimate, LeavesOutWhatIsStuck) {
    EXPECT_EQ(estimate_drain({1000, 900, false}, flow_rates({{0, 100}})).from, Seconds(1));
    EXPECT_EQ(estimate_drain({1000, 1000, false}, flow_rates({{0, 100}})).state, Drained::held);
    EXPECT_EQ(estimate_drain({1000, 1001, false}, flow_rates({{0, 100}})).state, Drained::held);
}

TEST(DrainEstimate, SaysNothingWhileNothingMayLeaveOrLittleIsKnown) {
    EXPECT_EQ(estimate_drain({0, 0, true}, {}).state, Drained::empty);
    EXPECT_EQ(estimate_drain({5, 0, true}, flow_rates({{0, 100}})).state, Drained::held);
    EXPECT_EQ(estimate_drain({5, 0, false}, {}).state, Drained::unknown);
}

TEST(DrainEstimate, StaysInRangeAtATinyRate) {
    const auto estimate = estimate_drain({~0ULL, 0, false}, flow_rates({{0, 1e-9}}));
    EXPECT_EQ(estimate.state, Drained::drains);
    EXPECT_GT(estimate.from, Seconds(0));
}

}  // namespace
}  // namespace flowrelay::core
