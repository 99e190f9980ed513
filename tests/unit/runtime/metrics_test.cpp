#include "flowrelay/runtime/metrics.hpp"

#include <gtest/gtest.h>

#include <string>

namespace flowrelay::runtime {
namespace {

core::Producer producer(std::uint32_t uid, const std::string& unit = {}) {
    core::Producer who;
    who.uid = uid;
    who.unit = unit;
    return who;
}

TEST(ProducerCounts, CountsUsersAndUnitsApart) {
    ProducerCounts producers;
    producers.note(producer(1000, "ci.service"));
    producers.note(producer(1000, "cron.service"));
    producers.note(producer(1000, "ci.service"));
    producers.note(std::nullopt);
    ASSERT_EQ(producers.counts().size(), 3U);
    EXPECT_EQ(producers.counts()[0].uid, "");
    EXPECT_EQ(producers.counts()[0].events, 1U);
    EXPECT_EQ(producers.counts()[1].uid, "1000");
    EXPECT_EQ(producers.counts()[1].unit, "ci.service");
    EXPECT_EQ(producers.counts()[1].events, 2U);
    EXPECT_EQ(producers.counts()[2].events, 1U);
}

TEST(ProducerCounts, CountsThoseBeyondTheBoundTogether) {
    ProducerCounts producers;
    for (std::uint32_t round = 0; round < 2; ++round) {
        for (std::uint32_t uid = 0; uid < 200; ++uid) producers.note(producer(uid));
    }
    ASSERT_EQ(producers.counts().size(), ProducerCounts::most + 1);
    EXPECT_EQ(producers.counts().back().uid, "other");
    EXPECT_EQ(producers.counts().back().events, 302U);
    EXPECT_EQ(producers.counts()[1].events, 2U);
}

TEST(Metrics, CountsAttemptsByHowTheyEnded) {
    Metrics metrics;
    core::AttemptResult result;
    result.status = 202;
    result.elapsed = Milliseconds(3);
    metrics.note_attempt(result);
    result.status = 503;
    metrics.note_attempt(result);
    result.end = core::AttemptEnd::timed_out;
    result.status = 0;
    metrics.note_attempt(result);
    EXPECT_EQ(metrics.answers.at(2), 1U);
    EXPECT_EQ(metrics.answers.at(5), 1U);
    EXPECT_EQ(metrics.failures.at(static_cast<std::size_t>(core::AttemptEnd::timed_out)), 1U);
    EXPECT_EQ(metrics.request_duration.read().count, 2U);
}

TEST(MetricsFormat, IsWhatIsAskedFor) {
    using Format = core::MetricsText::Format;
    EXPECT_EQ(metrics_format("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"),
              Format::openmetrics);
    EXPECT_EQ(metrics_format("text/plain"), Format::prometheus);
    EXPECT_EQ(metrics_format(""), Format::prometheus);
}

}  // namespace
}  // namespace flowrelay::runtime
