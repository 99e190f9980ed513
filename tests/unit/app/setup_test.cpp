#include "app/setup.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace flowrelay::app {
namespace {

TEST(Setup, PassesTheLimitsOfTheDestinationOn) {
    Config config;
    config.destination.rate_limit = 2.5;
    config.destination.rate_burst = 4;
    config.destination.max_connections = 7;
    config.retry.max_age = Hours(3);
    const auto options = relay_options(config);
    EXPECT_EQ(options.scheduler.rate_limit, 2.5);
    EXPECT_EQ(options.scheduler.rate_burst, 4);
    EXPECT_EQ(options.scheduler.max_in_flight, 7U);
    EXPECT_EQ(options.scheduler.max_age, Hours(3));
}

TEST(Setup, PassesTheRateOfASourceOn) {
    ::setenv("FLOWRELAY_SETUP_TEST_TOKEN", "0123456789abcdef0123456789abcdef", 1);
    Config config;
    SourceConfig source;
    source.name = "ci";
    source.flow_token_env = "FLOWRELAY_SETUP_TEST_TOKEN";
    source.rules.rate_limit = 5;
    source.rules.report_problems = true;
    config.sources.push_back(source);
    config.destination.base_url = "http://127.0.0.1:1";
    const auto sources = read_surroundings(config).sources;
    ASSERT_EQ(sources.size(), 1U);
    EXPECT_EQ(sources[0].name, "ci");
    EXPECT_EQ(sources[0].rules.rate_limit, 5);
    EXPECT_TRUE(sources[0].rules.report_problems);
}

TEST(Setup, TellsEverythingThatIsWrongAroundTheFile) {
    Config config;
    config.destination.base_url = "https://127.0.0.1:1";
    config.destination.ca_file = "/does/not/exist.pem";
    config.ingest.socket_group = "no-such-group-here";
    for (const char* name : {"a", "b"}) {
        SourceConfig source;
        source.name = name;
        source.flow_token_file = std::string("/does/not/exist.") + name;
        config.sources.push_back(source);
    }
    try {
        read_surroundings(config);
        FAIL() << "nothing was found";
    } catch (const ConfigError& error) {
        const std::string all = error.what();
        EXPECT_EQ(error.problems().size(), 4U) << all;
        for (const char* words : {"exist.a", "exist.b", "exist.pem", "no-such-group-here"}) {
            EXPECT_NE(all.find(words), std::string::npos) << all;
        }
    }
}

}  // namespace
}  // namespace flowrelay::app
