// Servers that limit by rate or by concurrency: how much of what they let through is delivered.
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "unit/core/traffic.hpp"

namespace flowrelay::test {
namespace {

struct Limit {
    std::string name;
    double per_second;  ///< what it lets through
    int places;         ///< at a time; 0: as many as come
    std::function<Answer()> server;
};

void PrintTo(const Limit& limit, std::ostream* out) {
    *out << limit.name;
}

Limit by_rate(int refusal, int rate, int burst, bool delays) {
    const auto server = [=]() -> Answer {
        const auto bucket = std::make_shared<LimitReq>(rate, burst, delays);
        return [=](LaneId, MonoTime now) {
            const auto delay = bucket->take(now);
            return delay ? status(202, 5ms + *delay) : status(refusal);
        };
    };
    const std::string kind = burst == 0 ? "_strict" : delays ? "_delay" : "_nodelay";
    return {"rate" + std::to_string(rate) + kind + "_" + std::to_string(refusal),
            static_cast<double>(rate), 0, server};
}

Limit by_number(int refusal, int number, Milliseconds takes) {
    const auto server = [=]() -> Answer {
        const auto places = std::make_shared<LimitConn>(static_cast<std::size_t>(number));
        return [=](LaneId, MonoTime now) {
            return places->take(now, takes) ? status(202, takes) : status(refusal);
        };
    };
    return {"number" + std::to_string(number) + "_" + std::to_string(takes.count()) + "ms_" +
                std::to_string(refusal),
            1000.0 * number / static_cast<double>(takes.count()), number, server};
}

std::vector<Limit> all_limits() {
    std::vector<Limit> limits;
    for (const int refusal : {503, 429}) {
        for (const int rate : {2, 10, 100}) {
            limits.push_back(by_rate(refusal, rate, 0, false));
            limits.push_back(by_rate(refusal, rate, 5, true));
            limits.push_back(by_rate(refusal, rate, 20, false));
        }
        for (const int number : {1, 4, 16}) {
            for (const auto takes : {20ms, 200ms}) {
                limits.push_back(by_number(refusal, number, takes));
            }
        }
    }
    return limits;
}

// Until many tokens have learned at once of a slow limit, each by a refusal of its own.
MonoTime::duration settling(std::uint64_t tokens) {
    return tokens > 4 ? 30s : 0s;
}

class ServerThatLimits : public testing::TestWithParam<std::tuple<Limit, std::uint64_t>> {};

TEST_P(ServerThatLimits, IsSentMostOfWhatItLetsThrough) {
    const auto& [limit, tokens] = GetParam();
    constexpr double seconds = 120;
    const auto events = static_cast<std::uint64_t>(1.4 * seconds * limit.per_second) + 100;
    constexpr std::uint64_t seeds = 4;
    double sum = 0;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        Traffic traffic(limit.server(), seed);
        for (std::uint64_t n = 0; n < events; ++n) traffic.submit(1 + n % tokens, n % 50, 0s);
        traffic.run(settling(tokens));
        const auto before = traffic.delivered();
        const auto requests_before = traffic.requests();
        traffic.run(settling(tokens) + 120s);
        const auto delivered = static_cast<double>(traffic.delivered() - before);
        sum += delivered;
        EXPECT_GE(delivered, 0.7 * seconds * limit.per_second) << "seed " << seed;
        EXPECT_LE(static_cast<double>(traffic.requests() - requests_before), 2 * delivered)
            << "that is a storm, seed " << seed;
    }
    EXPECT_GE(sum, seeds * 0.8 * seconds * limit.per_second);
}

// The same where a request, and an answer, takes up to 2 ms longer than another, as on a busy
// machine (of a strict limit a tenth of its interval: what comes sooner than that is refused).
TEST_P(ServerThatLimits, IsSentMostOfItOverAnUnevenNetwork) {
    const auto& [limit, tokens] = GetParam();
    constexpr double seconds = 120;
    const auto interval = std::chrono::duration<double>(1 / limit.per_second);
    const auto lag = std::min<MonoTime::duration>(
        2ms,
        std::chrono::duration_cast<MonoTime::duration>(limit.places == 0 ? interval / 10 : 1s));
    // A place is taken until its answer has arrived and the next request is there.
    const double most = limit.places == 0
                            ? limit.per_second
                            : limit.places / (limit.places / limit.per_second +
                                              std::chrono::duration<double>(lag).count());
    const auto events = static_cast<std::uint64_t>(1.4 * seconds * most) + 100;
    constexpr std::uint64_t seeds = 4;
    double sum = 0;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        Traffic traffic(limit.server(), seed);
        traffic.set_lag(lag);
        for (std::uint64_t n = 0; n < events; ++n) traffic.submit(1 + n % tokens, n % 50, 0s);
        traffic.run(settling(tokens));
        const auto before = traffic.delivered();
        traffic.run(settling(tokens) + 120s);
        const auto delivered = static_cast<double>(traffic.delivered() - before);
        sum += delivered;
        EXPECT_GE(delivered, 0.7 * seconds * most) << "seed " << seed;
    }
    EXPECT_GE(sum, seeds * 0.8 * seconds * most);
}

// Sixty events at once, and then one every two seconds, which any of these limits lets through.
TEST_P(ServerThatLimits, GetsATrickleAfterABurst) {
    const auto& [limit, tokens] = GetParam();
    Traffic traffic(limit.server());
    for (std::uint64_t n = 0; n < 60; ++n) traffic.submit(1 + n % tokens, n, 0s);
    for (std::uint64_t n = 0; n < 585; ++n) traffic.submit(1 + n % tokens, n % 20, n * 2s);
    traffic.run(20min);
    EXPECT_GE(traffic.delivered(), 643U);
    EXPECT_EQ(traffic.scheduler().status().destination, core::DestinationState::up);
    EXPECT_LE(traffic.p99(1), 60s + 60s / limit.per_second);
}

INSTANTIATE_TEST_SUITE_P(All, ServerThatLimits,
                         testing::Combine(testing::ValuesIn(all_limits()),
                                          testing::Values(1, 4, 30)),
                         [](const auto& of) {
                             return std::get<0>(of.param).name + "_tokens" +
                                    std::to_string(std::get<1>(of.param));
                         });

// Of two tokens one has a limit of its own: the other goes as fast as without it.
TEST(LimitOfOneToken, DoesNotSlowTheOtherOne) {
    for (const int refusal : {503, 429}) {
        const auto bucket = std::make_shared<LimitReq>(2, 0);
        Traffic traffic([=](LaneId lane, MonoTime now) {
            const bool refused = lane.token == TokenId(1) && !bucket->take(now);
            return refused ? status(refusal) : status(202, 20ms);
        });
        for (std::uint64_t n = 0; n < 300; ++n) traffic.submit(1, n % 30, 0s);
        for (std::uint64_t n = 0; n < 6000; ++n) traffic.submit(2, n % 30, n * 20ms);
        traffic.run(120s);
        EXPECT_GE(traffic.delivered(1), 0.8 * 240) << refusal;
        EXPECT_LE(traffic.p99(2), 40ms) << refusal;
    }
}

// A limit that is lifted, or that was none, is found out.
TEST(LimitThatGoesAway, IsForgotten) {
    const auto bucket = std::make_shared<LimitReq>(10, 0);
    constexpr auto lifted = Traffic::start + 60s;
    Traffic traffic([=](LaneId, MonoTime now) {
        return now >= lifted || bucket->take(now) ? status(202, 5ms) : status(503);
    });
    for (std::uint64_t n = 0; n < 20'000; ++n) traffic.submit(1, n % 50, 0s);
    traffic.run(60s);
    EXPECT_LE(traffic.delivered(), 601U);
    traffic.run(180s);
    EXPECT_EQ(traffic.delivered(), 20'000U);
}

// The pace says until when an event waits, and the scheduler is awake then.
TEST(LimitOfTheDestination, IsAReasonToWait) {
    const auto bucket = std::make_shared<LimitReq>(2, 0);
    Traffic traffic(
        [=](LaneId, MonoTime now) { return bucket->take(now) ? status(202, 5ms) : status(503); });
    bool was_told = false;
    traffic.completed = [&](const core::Completion&) {
        const auto why = traffic.scheduler().why(Seq(100));
        was_told = was_told || (why && why->destination_paced_until);
    };
    for (std::uint64_t n = 0; n < 100; ++n) traffic.submit(1, n, 0s);
    traffic.run(30s);
    EXPECT_TRUE(was_told);
}

}  // namespace
}  // namespace flowrelay::test
