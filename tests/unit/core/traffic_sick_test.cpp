// One token, or one thread, that always fails beside one that is well: how long the events of the
// healthy one wait.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include <cstdint>
#include <map>
#include <memory>

#include "unit/core/traffic.hpp"

namespace flowrelay::test {
namespace {

constexpr std::uint64_t good = 1;
constexpr std::uint64_t bad = 2;

struct Sickness {
    const char* name;
    Answer answer;
};

void PrintTo(const Sickness& sickness, std::ostream* out) {
    *out << sickness.name;
}

const Sickness sicknesses[] = {
    {"always500", [](LaneId, MonoTime) { return status(500); }},
    {"always503", [](LaneId, MonoTime) { return status(503); }},
    {"slow502", [](LaneId, MonoTime) { return status(502, 2s); }},
    {"asks_to_wait", [](LaneId, MonoTime) { return status(503, 1ms, 10s); }},
    {"asks_to_wait_long", [](LaneId, MonoTime) { return status(503, 1ms, 600s); }},
    {"hangs", [](LaneId, MonoTime) { return hang(); }},
    {"wrong_url", [](LaneId, MonoTime) { return status(404); }},
    {"throttled", [](LaneId, MonoTime) { return status(429); }},
    {"refused", [](LaneId, MonoTime) { return status(401); }},
};

struct Load {
    std::uint64_t bad_threads;
    MonoTime::duration pace;  ///< of the healthy token's events
    std::uint64_t good_threads;
    bool one_thread;  ///< only one thread of the sick token is sick, and it is of the healthy one
    MonoTime::duration good_from{0s};  ///< the sick ones are there from 10 s on, or from the start
};

class SickToken : public testing::TestWithParam<std::tuple<Sickness, int>> {};

constexpr Load loads[] = {{30, 20s, 1, false},  {60, 500ms, 1, false}, {60, 200ms, 10, false},
                          {3, 1s, 3, false},    {1, 1s, 1, false},     {500, 2s, 4, false},
                          {1, 200ms, 10, true}, {2, 20s, 2, false},    {60, 500ms, 1, false, 2s}};

Milliseconds p99_of_good(const Load& load, const Answer& sick, std::uint64_t seed) {
    const std::uint64_t sick_token = load.one_thread ? good : bad;
    constexpr std::uint64_t sick_thread = 1000;
    Traffic traffic(
        [&](LaneId lane, MonoTime now) {
            const bool is_sick =
                load.one_thread ? lane.thread_hash == sick_thread : lane.token == TokenId(bad);
            return is_sick ? sick(lane, now) : status(202, 20ms);
        },
        seed);
    constexpr auto length = 20min;
    for (std::uint64_t n = 0; n < load.bad_threads; ++n) {
        traffic.submit(sick_token, load.one_thread ? sick_thread : n,
                       load.good_from > 0s ? 0s : 10s);
        // And it goes on: others of its threads, and more for the same ones.
        if (load.one_thread) continue;
        for (int again = 1; again < 10; ++again) {
            traffic.submit(bad, n + 1'000'000 * static_cast<std::uint64_t>(again % 3), 60s * again);
        }
    }
    for (MonoTime::duration at = load.good_from; at < length; at += load.pace) {
        for (std::uint64_t n = 0; n < load.good_threads; ++n) traffic.submit(good, n, at);
    }
    traffic.run(length + 1s);
    if (!load.one_thread) return traffic.p99(good);
    // What waits for the sick thread waits rightly.
    std::uint64_t sum = traffic.delivered(good);
    EXPECT_GE(sum, load.good_threads * static_cast<std::uint64_t>(length / load.pace) - 10);
    return traffic.p99(good);
}

TEST_P(SickToken, DoesNotDelayTheHealthyOne) {
    const auto& [sickness, load] = GetParam();
    // A 429 is the token's, whatever thread it comes to.
    if (loads[load].one_thread && sickness.name == std::string_view("throttled")) return;
    for (std::uint64_t seed = 1; seed <= 2; ++seed) {
        const auto alone =
            p99_of_good(loads[load], [](LaneId, MonoTime) { return status(202, 20ms); }, seed);
        const auto beside = p99_of_good(loads[load], sickness.answer, seed);
        EXPECT_LE(beside, 2 * alone) << "seed " << seed << ", load " << load;
    }
}

INSTANTIATE_TEST_SUITE_P(All, SickToken,
                         testing::Combine(testing::ValuesIn(sicknesses),
                                          testing::Range(0, static_cast<int>(std::size(loads)))),
                         [](const auto& of) {
                             return std::string(std::get<0>(of.param).name) + "_" +
                                    std::to_string(std::get<1>(of.param));
                         });

// What several tokens get need not be what all get, as long as another one is answered well.
class SeveralSickTokens : public testing::TestWithParam<std::tuple<Sickness, std::uint64_t>> {};

void expect_no_delay(const Sickness& sickness, std::uint64_t sick_tokens, MonoTime::duration pace) {
    Traffic traffic([&](LaneId lane, MonoTime now) {
        return lane.token == TokenId(good) ? status(202, 20ms) : sickness.answer(lane, now);
    });
    for (MonoTime::duration at = 0s; at < 10min; at += pace) traffic.submit(good, 1, at);
    // All at once, and then it goes on.
    for (std::uint64_t token = 0; token < sick_tokens; ++token) {
        for (std::uint64_t n = 0; n < 60; ++n) {
            traffic.submit(bad + token, n % 20, 30s + (n / 20) * 60s);
        }
    }
    traffic.run(10min + 1s);
    EXPECT_EQ(traffic.delivered(good), static_cast<std::uint64_t>((10min + pace - 1ms) / pace));
    EXPECT_LE(traffic.longest(good), 3s)
        << "an event every " << std::chrono::duration<double>(pace).count() << " s";
}

TEST_P(SeveralSickTokens, DoNotDelayTheHealthyOne) {
    const auto& [sickness, sick_tokens] = GetParam();
    expect_no_delay(sickness, sick_tokens, 300ms);
    expect_no_delay(sickness, sick_tokens, 1s);
    expect_no_delay(sickness, sick_tokens, 20s);
}

INSTANTIATE_TEST_SUITE_P(All, SeveralSickTokens,
                         testing::Combine(testing::ValuesIn(sicknesses),
                                          testing::Values(2, 3, 6, 8)),
                         [](const auto& of) {
                             return std::string(std::get<0>(of.param).name) + "_" +
                                    std::to_string(std::get<1>(of.param));
                         });

// Some tokens have limits of their own, by rate (ten a second) or by number (four at a time, forty
// a second), another one has none: it goes on as without them, and each of the others gets most of
// what it may.
class TokensWithLimits : public testing::TestWithParam<std::tuple<std::uint64_t, int, bool>> {
protected:
    static constexpr auto takes = 100ms;
    static constexpr auto length = 120s;
    static constexpr std::uint64_t unlimited = 10;

    Answer server() const {
        const auto places = std::make_shared<std::map<TokenId, LimitConn>>();
        const auto buckets = std::make_shared<std::map<TokenId, LimitReq>>();
        return [=, refusal = std::get<int>(GetParam()), by_rate = std::get<bool>(GetParam())](
                   LaneId lane, MonoTime now) {
            if (lane.token == TokenId(unlimited)) return status(202, takes);
            auto& bucket = buckets->try_emplace(lane.token, 10, 0).first->second;
            auto& place = places->try_emplace(lane.token, 4).first->second;
            const bool taken = by_rate ? bucket.take(now).has_value() : place.take(now, takes);
            return taken ? status(202, takes) : status(refusal);
        };
    }

    // Of a limited token.
    std::uint64_t most() const {
        return (std::get<bool>(GetParam()) ? 10 : 40) * static_cast<std::uint64_t>(length / 1s);
    }

    void submit_limited(Traffic& traffic) const {
        for (std::uint64_t token = 1; token <= std::get<0>(GetParam()); ++token) {
            for (std::uint64_t n = 0; n < most(); ++n) traffic.submit(token, n % 50, 0s);
        }
    }

    // Where several are refused they may be kept in step, which costs those that could go faster.
    void expect_most_delivered(Traffic& traffic) const {
        const std::uint64_t percent = std::get<0>(GetParam()) > 2 ? 40 : 60;
        for (std::uint64_t token = 1; token <= std::get<0>(GetParam()); ++token) {
            EXPECT_GE(traffic.delivered(token), most() * percent / 100) << "token " << token;
        }
    }
};

TEST_P(TokensWithLimits, GetAllThatTheyMayBesideOneWithout) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        Traffic traffic(server(), seed);
        submit_limited(traffic);
        for (std::uint64_t n = 0; n < 40'000; ++n) traffic.submit(unlimited, n % 200, 0s);
        traffic.run(length);
        expect_most_delivered(traffic);
        // A third of the places, a request on each every 100 ms.
        EXPECT_GE(traffic.delivered(unlimited), 9000U) << "seed " << seed;
    }
}

TEST_P(TokensWithLimits, DoNotDelayOneWithout) {
    for (const MonoTime::duration pace : {100ms, 1000ms, 20'000ms}) {
        for (const MonoTime::duration from : {0s, 20s}) {
            Traffic traffic(server());
            submit_limited(traffic);
            for (auto at = from; at < length; at += pace)
                traffic.submit(unlimited, static_cast<std::uint64_t>(at / pace) % 10, at);
            traffic.run(length);
            expect_most_delivered(traffic);
            EXPECT_LE(traffic.p99(unlimited), 2 * takes)
                << "an event every " << std::chrono::duration<double>(pace).count() << " s, from "
                << std::chrono::duration<double>(from).count() << " s on";
        }
    }
}

INSTANTIATE_TEST_SUITE_P(All, TokensWithLimits,
                         testing::Combine(testing::Values(1, 2, 3, 6), testing::Values(503, 429),
                                          testing::Bool()),
                         [](const auto& of) {
                             return std::to_string(std::get<0>(of.param)) + "_" +
                                    std::to_string(std::get<1>(of.param)) +
                                    (std::get<2>(of.param) ? "_rate" : "_number");
                         });

// A firewall that does not like the contents of some events, say: a park of the token would delay
// all others by minutes, and be tried with the same event again.
TEST(SickEvent, DelaysNoOtherThreadWhateverItIsRefusedWith) {
    // Threads with such an event, and whether there is no other token.
    const std::pair<std::uint64_t, bool> kinds[] = {{1, false}, {3, false}, {10, false},
                                                    {1, true},  {3, true},  {10, true}};
    for (const int refusal : {401, 402, 403, 404, 405, 411, 421, 451, 501}) {
        for (const auto& [sick_threads, is_alone] : kinds) {
            Traffic traffic([&](LaneId lane, MonoTime) {
                return lane.thread_hash >= 1000 ? status(refusal) : status(202, 20ms);
            });
            for (std::uint64_t n = 0; n < 2400; ++n) {
                traffic.submit(good, n % 10, 500ms * n);
                if (!is_alone) traffic.submit(bad, n % 10, 500ms * n);
            }
            for (std::uint64_t n = 0; n < sick_threads; ++n) {
                traffic.submit(good, 1000 + n, 20s * n + 10s);
            }
            traffic.run(20min + 1s);
            EXPECT_EQ(traffic.delivered(good), 2400U) << refusal;
            EXPECT_LE(traffic.longest(good), 2s)
                << refusal << ", threads: " << sick_threads << (is_alone ? ", alone" : "");
            if (!is_alone) {
                EXPECT_LE(traffic.longest(bad), 100ms) << refusal;
            }
            EXPECT_EQ(traffic.scheduler().status().queued, sick_threads);
        }
    }
}

// And where it is the token after all, hardly more is sent than one request each five minutes.
TEST(SickToken, ThatIsRefusedFromSomeTimeOnIsLeftAlone) {
    for (const std::uint64_t threads : {1, 2, 50}) {
        Traffic traffic([&](LaneId, MonoTime now) {
            return now >= Traffic::start + 60s ? status(401) : status(202, 20ms);
        });
        for (std::uint64_t n = 0; n < 600; ++n) traffic.submit(good, n % threads, 200ms * n);
        traffic.run(60s);
        const auto before = traffic.requests();
        traffic.run(60s + 1h);
        EXPECT_EQ(traffic.scheduler().token_status(TokenId(good)).state, core::TokenState::parked);
        EXPECT_LE(traffic.requests() - before, 16U) << threads;
        EXPECT_GE(traffic.requests() - before, 12U) << threads;
    }
}

// What cannot be one token's takes the destination down as before.
TEST(SickDestination, IsDownWhenTwoTokensSeeIt) {
    for (const auto& sickness : {status(500), status(502, 2s), hang()}) {
        Traffic traffic([&](LaneId, MonoTime) { return sickness; });
        for (std::uint64_t n = 0; n < 20; ++n) traffic.submit(1 + n % 2, n, 0s);
        traffic.run(60s);
        EXPECT_EQ(traffic.scheduler().status().destination, core::DestinationState::down);
        EXPECT_EQ(traffic.scheduler().token_status(TokenId(1)).state, core::TokenState::active);
    }
}

TEST(SickDestination, IsDownWhenTheOnlyTokenSeesIt) {
    for (const auto& sickness : {status(500), status(502, 2s), hang()}) {
        Traffic traffic([&](LaneId, MonoTime) { return sickness; });
        for (std::uint64_t n = 0; n < 20; ++n) traffic.submit(1, n, 0s);
        traffic.run(60s);
        EXPECT_EQ(traffic.scheduler().status().destination, core::DestinationState::down);
    }
}

}  // namespace
}  // namespace flowrelay::test
