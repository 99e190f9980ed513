#include "flowrelay/base/ids.hpp"

#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>

namespace flowrelay {
namespace {

WallTime at(std::int64_t ms) {
    return WallTime(Milliseconds(ms));
}

// Vectors of the authors: http://www.isthe.com/chongo/tech/comp/fnv/#fnv_hash_64
TEST(HashThread, OfNothingIsTheOffsetBasis) {
    EXPECT_EQ(hash_thread(""), 0xCBF29CE484222325ULL);
}
TEST(HashThread, OfOneLetter) {
    EXPECT_EQ(hash_thread("a"), 0xAF63DC4C8601EC8CULL);
}
TEST(HashThread, OfAWord) {
    EXPECT_EQ(hash_thread("foobar"), 0x85944171F73967E8ULL);
}
TEST(HashThread, CountsBytesAboveAsciiAsUnsigned) {
    EXPECT_EQ(hash_thread("\xFF"), (0xCBF29CE484222325ULL ^ 0xFF) * 0x100000001B3ULL);
}

TEST(LaneId, HashTellsTokensApart) {
    const std::hash<LaneId> hash;
    EXPECT_NE(hash({TokenId{1}, 77}), hash({TokenId{2}, 77}));
}

TEST(UuidGenerator, HasTheFormOfVersion7) {
    UuidGenerator ids(Random(1));
    const std::regex form("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
    for (int i = 0; i < 100; ++i) {
        const std::string id = ids.next(at(1'645'557'742'000));
        ASSERT_TRUE(std::regex_match(id, form)) << id;
    }
}

// The time of the example in RFC 9562, appendix A.6.
TEST(UuidGenerator, BeginsWithTheTime) {
    UuidGenerator ids(Random(1));
    EXPECT_EQ(ids.next(at(0x017F22E279B0)).substr(0, 13), "017f22e2-79b0");
}

TEST(UuidGenerator, SortsWithinOneMillisecond) {
    UuidGenerator ids(Random(1));
    std::string last = ids.next(at(1000));
    for (int i = 0; i < 10'000; ++i) {
        const std::string id = ids.next(at(1000));
        ASSERT_LT(last, id);
        last = id;
    }
}

TEST(UuidGenerator, SortsWhenTheClockGoesBack) {
    UuidGenerator ids(Random(1));
    std::string last = ids.next(at(100'000));
    for (int i = 1; i < 1000; ++i) {
        const std::string id = ids.next(at(100'000 - i * 100));
        ASSERT_LT(last, id);
        last = id;
    }
}

TEST(UuidGenerator, SortsWhenTheClockGoesBackAndOnAgain) {
    UuidGenerator ids(Random(9));
    std::string last;
    for (const std::int64_t ms : {5000, 5001, 4000, 4999, 5001, 5002, 5002, 9000}) {
        const std::string id = ids.next(at(ms));
        ASSERT_LT(last, id);
        last = id;
    }
}

TEST(UuidGenerator, ClockBeforeTheEpochCountsAsTheEpoch) {
    UuidGenerator ids(Random(1));
    EXPECT_EQ(ids.next(at(-5)).substr(0, 13), "00000000-0000");
}

TEST(UuidGenerator, GeneratorsWithOtherSeedsDoNotMeet) {
    std::set<std::string> seen;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        UuidGenerator ids{Random(seed)};
        for (int i = 0; i < 50; ++i) seen.insert(ids.next(at(1000)));
    }
    EXPECT_EQ(seen.size(), 2500U);
}

}  // namespace
}  // namespace flowrelay
