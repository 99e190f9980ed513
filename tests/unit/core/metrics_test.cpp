#include "flowrelay/core/metrics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

namespace flowrelay::core {
namespace {

using Format = MetricsText::Format;
using Type = MetricsText::Type;

TEST(Histogram, CountsValuesUpToEachBound) {
    Histogram histogram{0.1, 1, 10};
    for (const double value : {0.05, 0.1, 0.11, 1.0, 9.0, 11.0, 1e9}) histogram.observe(value);
    const auto reading = histogram.read();
    ASSERT_EQ(reading.buckets.size(), 3U);
    EXPECT_EQ(reading.buckets[0], std::pair(0.1, std::uint64_t{2}));
    EXPECT_EQ(reading.buckets[1], std::pair(1.0, std::uint64_t{4}));
    EXPECT_EQ(reading.buckets[2], std::pair(10.0, std::uint64_t{5}));
    EXPECT_EQ(reading.count, 7U);
    EXPECT_DOUBLE_EQ(reading.sum, 0.05 + 0.1 + 0.11 + 1 + 9 + 11 + 1e9);
}

TEST(MetricsText, HasTheNamesOfOpenmetrics) {
    MetricsText out(Format::openmetrics);
    out.family("x_events", Type::counter, "events", "Events.");
    out.sample(std::uint64_t{3}, {{"outcome", "dead"}, {"source", "ci"}});
    out.family("x_age_seconds", Type::gauge, "seconds", "Age.");
    out.sample(1.5);
    out.family("x_missing", Type::gauge, "", "May be negative.");
    out.sample(std::int64_t{-2});
    out.family("x_build", Type::info, "", "The version.");
    out.sample(std::uint64_t{1}, {{"version", "1.2"}});
    EXPECT_EQ(out.take(),
              "# TYPE x_events counter\n# UNIT x_events events\n# HELP x_events Events.\n"
              "x_events_total{outcome=\"dead\",source=\"ci\"} 3\n"
              "# TYPE x_age_seconds gauge\n# UNIT x_age_seconds seconds\n"
              "# HELP x_age_seconds Age.\nx_age_seconds 1.5\n"
              "# TYPE x_missing gauge\n# HELP x_missing May be negative.\nx_missing -2\n"
              "# TYPE x_build info\n# HELP x_build The version.\n"
              "x_build_info{version=\"1.2\"} 1\n# EOF\n");
}

TEST(MetricsText, HasTheNamesOfTheOlderFormat) {
    MetricsText out(Format::prometheus);
    out.family("x_events", Type::counter, "events", "Events.");
    out.sample(std::uint64_t{3});
    out.family("x_state", Type::stateset, "", "The state.");
    out.sample(std::uint64_t{1}, {{"x_state", "up"}});
    EXPECT_EQ(out.take(),
              "# TYPE x_events_total counter\n# HELP x_events_total Events.\nx_events_total 3\n"
              "# TYPE x_state gauge\n# HELP x_state The state.\nx_state{x_state=\"up\"} 1\n");
}

TEST(MetricsText, EndsAHistogramWithTheBucketOfAll) {
    Histogram histogram{0.5, 2, 1000};
    histogram.observe(0.25);
    histogram.observe(3);
    MetricsText out(Format::openmetrics);
    out.family("x_seconds", Type::histogram, "seconds", "H.");
    out.sample(histogram);
    EXPECT_EQ(out.take(),
              "# TYPE x_seconds histogram\n# UNIT x_seconds seconds\n# HELP x_seconds H.\n"
              "x_seconds_bucket{le=\"0.5\"} 1\nx_seconds_bucket{le=\"2.0\"} 1\n"
              "x_seconds_bucket{le=\"1000.0\"} 2\nx_seconds_bucket{le=\"+Inf\"} 2\n"
              "x_seconds_sum 3.25\nx_seconds_count 2\n# EOF\n");
}

TEST(MetricsText, EscapesWhatWouldEndALabel) {
    MetricsText out(Format::prometheus);
    out.family("x", Type::gauge, "", "h");
    out.sample(std::uint64_t{1}, {{"a", "q\"b\\s\nx 9"}});
    EXPECT_EQ(out.take(), "# TYPE x gauge\n# HELP x h\nx{a=\"q\\\"b\\\\s\\nx 9\"} 1\n");
}

TEST(MetricsText, WritesInfinityAndNotANumber) {
    MetricsText out(Format::prometheus);
    out.family("x", Type::gauge, "", "h");
    out.sample(std::nan(""));
    out.sample(std::numeric_limits<double>::infinity());
    out.sample(-std::numeric_limits<double>::infinity());
    EXPECT_EQ(out.take(), "# TYPE x gauge\n# HELP x h\nx NaN\nx +Inf\nx -Inf\n");
}

}  // namespace
}  // namespace flowrelay::core
