#include "app/setup.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace flowrelay::app {
namespace {

TEST(Setup, PassesTheLimitsOfTheDestinationOn) {
    Config config;
    config.destination.rate_limit = 2.5;
    config.destination.max_connections = 7;
    config.retry.max_age = Hours(3);
    const auto options = relay_options(config);
    EXPECT_EQ(options.scheduler.rate_limit, 2.5);
    EXPECT_EQ(options.scheduler.max_in_flight, 7U);
    EXPECT_EQ(options.scheduler.max_age, Hours(3));
}

TEST(Setup, PassesTheRateOfASourceOn) {
    ::setenv("FLOWRELAY_SETUP_TEST_TOKEN", "0123456789abcdef0123456789abcdef", 1);
    Config config;
    SourceConfig source;
    source.name = "ci";
    source.flow_token_env = "FLOWRELAY_SETUP_TEST_TOKEN";
    source.rate_limit = 5;
    config.sources.push_back(source);
    const auto sources = load_sources(config);
    ASSERT_EQ(sources.size(), 1U);
    EXPECT_EQ(sources[0].name, "ci");
    EXPECT_EQ(sources[0].rate_limit, 5);
}

}  // namespace
}  // namespace flowrelay::app
