#include "app/config_changes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace flowrelay::app {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Config config(const std::string& more = "") {
    return parse_config("destination: {base_url: \"https://api.example.com\"}\n" + more, "f");
}

TEST(ConfigChanges, FindsNoneInTheSameFile) {
    const auto changes = compare(config("log: {level: debug}"), config("log: {level: debug}"));
    EXPECT_THAT(changes.live, IsEmpty());
    EXPECT_THAT(changes.restart, IsEmpty());
}

TEST(ConfigChanges, DistinguishesLiveKeysFromThoseThatNeedARestart) {
    const auto changes =
        compare(config(), config("retry: {max: 10m}\nlog: {level: debug, format: json}\n"
                                 "spool: {directory: /srv/flowrelay}\n"));
    EXPECT_THAT(changes.live, ElementsAre("retry.max", "log.level"));
    EXPECT_THAT(changes.restart, ElementsAre("spool.directory", "log.format"));
}

TEST(ConfigChanges, KeepsTheOldValuesOfKeysThatNeedARestart) {
    const Config next = in_force(config(), config("retry: {max: 10m}\nspool: {max_size: 8GiB, "
                                                  "segment_size: 32MiB}\n"
                                                  "ingest: {unknown_tokens: reject}\n"));
    EXPECT_EQ(next.retry.max, Minutes(10));
    EXPECT_FALSE(next.ingest.accept_unknown_tokens);
    EXPECT_EQ(next.spool.max_size, 8ULL << 30);
    EXPECT_EQ(next.spool.segment_size, 64ULL << 20);
}

TEST(ConfigChanges, DefersAnEventSizeThatNeedsLargerSegments) {
    const Config running = config("spool: {segment_size: 1MiB}\ningest: {max_event_size: 64KiB}");
    const Config wanted = config("spool: {segment_size: 64MiB}\ningest: {max_event_size: 8MiB}");
    EXPECT_THAT(compare(running, wanted).live, IsEmpty());
    EXPECT_THAT(compare(running, wanted).restart,
                ElementsAre("ingest.max_event_size", "spool.segment_size"));
    EXPECT_EQ(in_force(running, wanted).ingest.max_event_size, 64ULL << 10);
    const Config small = config("spool: {segment_size: 64MiB}\ningest: {max_event_size: 512KiB}");
    EXPECT_THAT(compare(running, small).live, ElementsAre("ingest.max_event_size"));
    EXPECT_EQ(in_force(running, small).ingest.max_event_size, 512ULL << 10);
}

TEST(ConfigChanges, NamesTheSourcesThatAreNewGoneOrDifferent) {
    const Config running = config(
        "sources:\n  - {name: same, flow_token_env: A}\n  - {name: gone, flow_token_env: B}\n"
        "  - {name: other, flow_token_env: C}\n  - {name: faster, flow_token_env: D}\n");
    const Config wanted = config(
        "sources:\n  - {name: faster, flow_token_env: D, rate_limit: 5}\n"
        "  - {name: same, flow_token_env: A}\n"
        "  - {name: other, flow_token_env: C, defaults: {tags: [x]}}\n"
        "  - {name: new, flow_token_env: E}\n");
    EXPECT_THAT(changed_sources(running, wanted), ElementsAre("faster", "gone", "new", "other"));
}

TEST(ConfigChanges, CompareEveryKey) {
    std::vector<std::string_view> wanted;
    for (const auto key : config_keys()) {
        if (!key.starts_with("sources.")) wanted.push_back(key);
    }
    EXPECT_THAT(compared_keys(), ::testing::UnorderedElementsAreArray(wanted));
}

}  // namespace
}  // namespace flowrelay::app
