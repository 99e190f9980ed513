#include "app/descriptors.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

namespace flowrelay::app {
namespace {

TEST(Descriptors, AreEnoughInTheUnitsWithTheDefaults) {
    const Config config;
    const auto needs = descriptors_needed(config);
    EXPECT_LT(needs.total(), unit_descriptors / 4);
    const auto shares = share_descriptors(config, needs.total());
    EXPECT_EQ(shares.files, needs.files);
    EXPECT_EQ(shares.producers, config.ingest.max_connections);
}

TEST(Descriptors, OfTheSpoolDoNotGrowWithItsSegments) {
    Config config;
    const auto before = descriptors_needed(config).total();
    config.spool.segment_size = 64 << 10;
    config.spool.max_size = 1ULL << 40;
    EXPECT_EQ(descriptors_needed(config).total(), before);
}

TEST(Descriptors, AreNeverPromisedTwice) {
    for (const bool tcp : {false, true}) {
        for (const std::uint32_t connections : {1U, 100U, 1024U, 65536U}) {
            Config config;
            config.ingest.max_connections = connections;
            if (tcp) config.ingest.listen = "127.0.0.1:8025";
            const auto needs = descriptors_needed(config);
            for (std::uint64_t limit = needs.others + 18; limit < needs.total() + 10;
                 limit += 1 + limit / 7) {
                SCOPED_TRACE(limit);
                const auto shares = share_descriptors(config, limit);
                Config reduced = config;
                reduced.ingest.max_connections = shares.producers;
                const auto used = descriptors_needed(reduced);
                EXPECT_GE(shares.files, 16U);
                EXPECT_GE(shares.producers, 1U);
                EXPECT_LE(shares.producers, connections);
                EXPECT_LE(shares.files + used.producers + used.others, limit);
            }
            EXPECT_GE(share_descriptors(config, 0).producers, 1U);
        }
    }
}

TEST(Descriptors, TheLimitIsRaisedAsFarAsItMayBe) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit low{128, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    EXPECT_EQ(raise_descriptor_limit(100), 128U) << "it is never lowered";
    EXPECT_EQ(raise_descriptor_limit(200), 200U);
    EXPECT_EQ(raise_descriptor_limit(std::uint64_t{1} << 40), before.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace flowrelay::app
