#include "flowrelay/core/summing_log.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "flowrelay/core/log_events.hpp"
#include "support/recording_log.hpp"

namespace flowrelay::core {
namespace {

namespace ev = log_events;
using test::RecordingLog;

class ManualClock final : public Clock {
public:
    Now now() const override {
        return {MonoTime(elapsed), WallTime(Milliseconds(1'795'424'400'000)) + elapsed};
    }
    Milliseconds elapsed{0};
};

class SummingLogTest : public ::testing::Test {
protected:
    void retry(int times = 1) {
        for (int i = 0; i < times; ++i) log.write(ev::delivery_retry, {{"source", "ci"}});
    }
    void wait(Milliseconds time) { clock.elapsed += time; }
    /// The `suppressed` of each line of an event, "" where there is none.
    std::vector<std::string> suppressed(std::string_view name = "delivery.retry") const {
        std::vector<std::string> values;
        for (const auto& line : out.named(name)) {
            const auto found = line.fields.find("suppressed");
            values.push_back(found == line.fields.end() ? "" : found->second);
        }
        return values;
    }

    RecordingLog out;
    ManualClock clock;
    SummingLog log{out, clock};
};

TEST_F(SummingLogTest, PassesABurstUnchanged) {
    retry(5);
    EXPECT_EQ(suppressed(), std::vector<std::string>(5));
    EXPECT_EQ(out.lines[0].fields.at("source"), "ci");
}

TEST_F(SummingLogTest, CountsFurtherLinesAndReportsThemAfterAMinute) {
    retry(10);
    EXPECT_EQ(out.lines.size(), 5U);
    wait(Milliseconds(59'999));
    retry();
    EXPECT_EQ(out.lines.size(), 5U);
    wait(Milliseconds(1));
    retry();
    ASSERT_EQ(out.lines.size(), 6U);
    EXPECT_EQ(out.lines.back().fields.at("suppressed"), "6");
}

TEST_F(SummingLogTest, IncreasesTheIntervalUpToAnHour) {
    std::vector<Milliseconds> gaps;
    Milliseconds before{};
    for (std::size_t seen = 0; clock.elapsed < Seconds(6 * 3600); wait(Seconds(1))) {
        retry();
        if (out.lines.size() == seen) continue;
        seen = out.lines.size();
        if (seen > 5) gaps.push_back(clock.elapsed - before);
        before = clock.elapsed;
    }
    const std::vector<Milliseconds> first(gaps.begin(), gaps.begin() + 8);
    EXPECT_EQ(first, (std::vector<Milliseconds>{Seconds(60), Seconds(120), Seconds(240),
                                                Seconds(480), Seconds(960), Seconds(1920),
                                                Seconds(3600), Seconds(3600)}));
}

TEST_F(SummingLogTest, AccountsForADayInTensOfLines) {
    std::uint64_t written = 0;
    for (; clock.elapsed < Seconds(86'400); wait(Milliseconds(100))) {
        retry();
        ++written;
    }
    EXPECT_LT(out.lines.size(), 40U);
    wait(Seconds(600));
    log.flush();
    std::uint64_t accounted = out.named("delivery.retry").size();
    for (const auto& value : suppressed()) accounted += value.empty() ? 0 : std::stoull(value);
    accounted += std::stoull(out.lines.back().fields.at("lines"));
    EXPECT_EQ(accounted, written);
}

TEST_F(SummingLogTest, StartsAgainAfterAQuietTime) {
    retry(7);
    wait(Seconds(600));
    retry(5);
    EXPECT_EQ(out.lines.size(), 10U);
    EXPECT_EQ(suppressed()[5], "2");
}

TEST_F(SummingLogTest, ReportsWhatWasLeftOutWhenTheLinesStop) {
    retry(8);
    wait(Seconds(599));
    log.flush();  // perhaps it goes on
    EXPECT_TRUE(out.named("log.left_out").empty());
    wait(Seconds(1));
    log.flush();
    log.flush();
    const auto told = out.named("log.left_out");
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].fields.at("of"), "delivery.retry");
    EXPECT_EQ(told[0].fields.at("lines"), "3");
    EXPECT_EQ(told[0].fields.at("last"), "2026-11-23T09:00:00.000Z");
    EXPECT_FALSE(told[0].fields.contains("source"));
}

TEST_F(SummingLogTest, ReportsTheRestAtTheEnd) {
    retry(8);
    log.finish();
    ASSERT_EQ(out.named("log.left_out").size(), 1U);
    EXPECT_EQ(out.lines.back().fields.at("lines"), "3");
}

TEST_F(SummingLogTest, AddsWhatOthersHaveLeftOut) {
    for (std::uint64_t i = 0; i < 7; ++i) {
        log.write(ev::delivery_retry, {{"suppressed", std::uint64_t{3}}});
    }
    EXPECT_EQ(suppressed(), std::vector<std::string>(5, "3"));
    wait(Seconds(60));
    log.write(ev::delivery_retry, {{"suppressed", std::uint64_t{1}}});
    EXPECT_EQ(out.lines.back().fields.at("suppressed"), "9");  // two lines, 3 + 3 + 1
}

TEST_F(SummingLogTest, DoesNotLetASourceHideTheOthers) {
    for (int i = 0; i < 100; ++i) log.write(ev::token_throttled, {{"source", "ci"}});
    log.write(ev::token_throttled, {{"source", "web"}});
    EXPECT_EQ(out.lines.size(), 6U);
    EXPECT_EQ(out.lines.back().fields.at("source"), "web");
    wait(Seconds(600));
    log.flush();
    EXPECT_EQ(out.lines.back().fields.at("source"), "ci");
    EXPECT_EQ(out.lines.back().fields.at("lines"), "95");
}

TEST_F(SummingLogTest, LimitsAllSourcesTogether) {
    for (int i = 0; i < 10'000; ++i) {
        log.write(ev::token_added, {{"source", "token-" + std::to_string(i)}});
    }
    EXPECT_EQ(out.lines.size(), 50U);
    wait(Seconds(600));
    log.flush();
    ASSERT_EQ(out.lines.size(), 51U);
    EXPECT_EQ(out.lines.back().fields.at("lines"), "9950");
    EXPECT_FALSE(out.lines.back().fields.contains("source"));
}

TEST_F(SummingLogTest, PassesDebugLinesStatsAndActionsOfUsers) {
    for (int i = 0; i < 100; ++i) {
        log.write(ev::delivery_delivered, {});
        log.write(ev::relay_stats, {});
        log.write(ev::config_invalid, {{"reason", "x"}});
    }
    EXPECT_EQ(out.lines.size(), 300U);
}

TEST_F(SummingLogTest, SumsUpTheRefusalsOfEachUser) {
    for (int i = 0; i < 1000; ++i) log.write(ev::control_refused, {{"uid", 65534U}});
    log.write(ev::control_refused, {{"uid", 1000U}});
    EXPECT_EQ(out.lines.size(), 6U);
    EXPECT_EQ(out.lines.back().fields.at("uid"), "1000");
    wait(Seconds(600));
    log.flush();
    EXPECT_EQ(out.lines.back().fields.at("uid"), "65534");
    EXPECT_EQ(out.lines.back().fields.at("lines"), "995");
}

TEST_F(SummingLogTest, LimitsTheRefusalsOfManyUsers) {
    for (unsigned i = 0; i < 10'000; ++i) log.write(ev::control_refused, {{"uid", i}});
    EXPECT_EQ(out.lines.size(), 50U);
}

TEST_F(SummingLogTest, PassesTheReceiptOfEachErasedToken) {
    for (int i = 0; i < 3000; ++i) {
        log.write(ev::token_erased, {{"source", "token-" + std::to_string(i)}});
        log.write(ev::token_gone, {{"source", "token-" + std::to_string(i)}});
    }
    EXPECT_EQ(out.named("token.erased").size(), 3000U);
    EXPECT_EQ(out.named("token.gone").size(), 50U);
}

TEST_F(SummingLogTest, LosesNoLineOfSeveralThreads) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 250; ++i) log.write(ev::spool_read_failed, {});
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(out.lines.size(), 5U);
    wait(Seconds(600));
    log.flush();
    EXPECT_EQ(out.lines.back().fields.at("lines"), "995");
}

}  // namespace
}  // namespace flowrelay::core
