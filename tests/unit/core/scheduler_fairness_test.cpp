// How long small tokens wait beside a big one.
#include <unordered_map>

#include "flowrelay/core/scheduler.hpp"
#include "unit/core/scheduler_fixture.hpp"

namespace flowrelay::core {
namespace {

constexpr std::uint64_t small_tokens = 100'000;
constexpr std::uint64_t big_token = 1'000'000;
constexpr std::uint64_t big_events = 100'000;

class SchedulerFairnessTest : public SchedulerTest {
protected:
    /// Delivers one; gives its token, 0 when there is none.
    std::uint64_t deliver() {
        const auto given = scheduler.next(now);
        if (!given) return 0;
        scheduler.complete(given->seq, answers::ok(), now);
        return to_number(given->lane.token);
    }

    void enqueue_big(std::uint64_t lanes) {
        for (std::uint64_t i = 0; i < big_events; ++i) {
            enqueue(++seq, lane_of(big_token, i % lanes));
        }
    }

    std::uint64_t seq = 0;
};

class SchedulerFairnessTestOfLanes : public SchedulerFairnessTest,
                                     public testing::WithParamInterface<std::uint64_t> {};

TEST_P(SchedulerFairnessTestOfLanes, NoSmallTokenWaitsLongerThanARound) {
    enqueue_big(GetParam());
    for (std::uint64_t id = 1; id <= small_tokens; ++id) enqueue(++seq, lane_of(id, 1));
    std::uint64_t of_big = 0;
    for (std::uint64_t turn = 1; turn <= small_tokens + 1; ++turn) {
        if (deliver() == big_token) ++of_big;
    }
    EXPECT_EQ(of_big, 1U) << "its turn in the round, though all of its events are older";
    EXPECT_EQ(scheduler.token_status(TokenId(big_token)).queued, big_events - 1);
    EXPECT_EQ(scheduler.status().queued, big_events - 1);
}

INSTANTIATE_TEST_SUITE_P(OneOrMany, SchedulerFairnessTestOfLanes,
                         testing::Values(std::uint64_t{1}, big_events));

TEST_F(SchedulerFairnessTest, WhoComesLaterWaitsTwoTurnsBesideABigOne) {
    enqueue_big(big_events);
    for (std::uint64_t id = 1; id <= 20'000; ++id) {
        ASSERT_EQ(deliver(), big_token);
        enqueue(++seq, lane_of(id, 1));
        const std::uint64_t first = deliver();
        if (first != id) {
            EXPECT_EQ(first, big_token);
            ASSERT_EQ(deliver(), id);
        }
    }
}

TEST_F(SchedulerFairnessTest, WithSlowAnswersASmallTokenWaitsForOnePlace) {
    enqueue_big(big_events);
    std::vector<Seq> flying;
    while (const auto given = scheduler.next(now)) flying.push_back(given->seq);
    ASSERT_EQ(flying.size(), 28U) << "an eighth is free until one is answered";
    scheduler.complete(flying.back(), answers::ok(), now);
    flying.pop_back();
    while (const auto given = scheduler.next(now)) flying.push_back(given->seq);
    ASSERT_EQ(flying.size(), options.max_in_flight);
    enqueue(++seq, lane_of(1, 1));
    scheduler.complete(flying.front(), answers::ok(), now);
    const auto first = scheduler.next(now);
    ASSERT_TRUE(first);
    EXPECT_EQ(first->lane.token, TokenId(1));
}

TEST_F(SchedulerFairnessTest, RatesOfOthersDelayNobody) {
    // Half of the small ones may go once in an hour; each has two events.
    for (std::uint64_t id = 1; id <= 2000; ++id) {
        if (id % 2 == 0) scheduler.set_token_rate(TokenId(id), 1.0 / 3600);
        enqueue(++seq, lane_of(id, 1));
        enqueue(++seq, lane_of(id, 2));
    }
    std::unordered_map<std::uint64_t, int> delivered;
    while (const auto id = deliver()) ++delivered[id];
    for (std::uint64_t id = 1; id <= 2000; ++id) ASSERT_EQ(delivered[id], id % 2 == 0 ? 1 : 2);
    EXPECT_EQ(wakeup_in(), 1h);
    pass(1h);
    std::size_t rest = 0;
    while (deliver() != 0) ++rest;
    EXPECT_EQ(rest, 1000U);
    EXPECT_EQ(scheduler.status().queued, 0U);
}

}  // namespace
}  // namespace flowrelay::core
