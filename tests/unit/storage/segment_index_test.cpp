#include "storage/segment_index.hpp"

#include <algorithm>
#include <map>

#include "flowrelay/base/bytes.hpp"
#include "flowrelay/base/random.hpp"
#include "hex.hpp"
#include "log_fixture.hpp"

namespace flowrelay::storage {
namespace {

IndexedEvent event_of(std::uint64_t seq, std::uint64_t token, std::uint32_t offset) {
    return {Seq{seq},
            TokenId{token},
            0x1122334455667788 + token,
            WallTime(Milliseconds(1'700'000'000'000)),
            WallTime::max(),
            offset,
            584};
}

IndexContents example_contents() {
    IndexContents contents;
    contents.number = 12;
    contents.salt = 0x5a175a17;
    contents.end = 65432;
    contents.highest_seq = Seq{1004};
    contents.newest_own_id = WallTime(Milliseconds(1'700'000'000'001));
    contents.events = {event_of(1001, 7, 4096), event_of(1003, 5, 4680), event_of(1004, 7, 5264)};
    contents.tokens = {TokenId{5}, TokenId{6}, TokenId{7}};
    contents.settled = {{Seq{900}, 3}, {Seq{950}, 1}};
    return contents;
}

SegmentIndex index_of(const IndexContents& contents) {
    return SegmentIndex::in_memory(encode_index(contents), std::make_shared<IndexCache>(4));
}

// docs/spool-format.md shows the same fields: a change here is a new version of the index.
TEST(SegmentIndex, HasItsGoldenBytes) {
    const auto bytes = encode_index(example_contents());
    ASSERT_EQ(bytes.size(), 5 * index_block_size);
    EXPECT_EQ(test::hex(std::span(bytes).first(112)),
              "c148e524 00000000 466c6f77 72496478\n"
              "01000000 175a175a 0c000000 00000000\n"
              "98ff0000 00000000 ec030000 00000000\n"
              "0168e5cf 8b010000 e9030000 00000000\n"
              "03000000 00000000 03000000 00000000\n"
              "02000000 00000000 00000000 00000000\n"
              "d8060000 00000000 00000000 00000000\n");
    EXPECT_EQ(test::hex(std::span(bytes).subspan(index_block_size, 56)),
              "838eddf5 01000000 e9030000 00000000\n"
              "07000000 00000000 8f776655 44332211\n"
              "0068e5cf 8b010000 ffffffff ffffff7f\n"
              "00100000 48020000\n");
    EXPECT_EQ(test::hex(std::span(bytes).subspan(2 * index_block_size, 24)),
              "ed2e67d4 02000000 01000000 00000000\n"
              "02000000 00000000\n");
    EXPECT_EQ(test::hex(std::span(bytes).subspan(3 * index_block_size, 56)),
              "58c62ce9 03000000 05000000 00000000\n"
              "00000000 01000000 06000000 00000000\n"
              "01000000 00000000 07000000 00000000\n"
              "01000000 02000000\n");
    EXPECT_EQ(test::hex(std::span(bytes).subspan(4 * index_block_size, 40)),
              "51cb54d8 04000000 84030000 00000000\n"
              "03000000 00000000 b6030000 00000000\n"
              "01000000 00000000\n");
}

TEST(SegmentIndex, GivesBackWhatItWasMadeOf) {
    const IndexContents contents = example_contents();
    const SegmentIndex index = index_of(contents);
    EXPECT_EQ(index.end(), contents.end);
    EXPECT_EQ(index.highest_seq(), contents.highest_seq);
    EXPECT_EQ(index.newest_own_id(), contents.newest_own_id);
    EXPECT_FALSE(index.damaged());
    EXPECT_EQ(index.event_bytes(), 3 * 584U);
    ASSERT_EQ(index.size(), 3U);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(index.at(i).value(), contents.events[i]);
    ASSERT_EQ(index.settled_ranges(), 2U);
    EXPECT_EQ(index.settled_at(1).value(), (SeqRange{Seq{950}, 1}));
}

TEST(SegmentIndex, FindsEventsBySeq) {
    const SegmentIndex index = index_of(example_contents());
    EXPECT_EQ(index.find(Seq{1000}).value(), std::nullopt);
    EXPECT_EQ(index.find(Seq{1001}).value(), 0U);
    EXPECT_EQ(index.find(Seq{1002}).value(), std::nullopt);
    EXPECT_EQ(index.find(Seq{1003}).value(), 1U);
    EXPECT_EQ(index.find(Seq{1004}).value(), 2U);
    EXPECT_EQ(index.find(Seq{1005}).value(), std::nullopt);
}

TEST(SegmentIndex, FindsTheEventsOfAToken) {
    const SegmentIndex index = index_of(example_contents());
    const auto run = index.find(TokenId{7}).value();
    ASSERT_TRUE(run);
    ASSERT_EQ(run->count, 2U);
    EXPECT_EQ(index.by_token(run->begin).value(), 0U);
    EXPECT_EQ(index.by_token(run->begin + 1).value(), 2U);
    EXPECT_EQ(index.find(TokenId{6}).value()->count, 0U) << "all its events are settled";
    EXPECT_FALSE(index.find(TokenId{8}).value());
}

TEST(SegmentIndex, GivesItsMemoryBackOnceItIsInAFile) {
    test::SimFileSystem fs{1};
    ASSERT_TRUE(fs.make_directory("/state").has_value());
    auto file = fs.create("/state/index");
    ASSERT_TRUE(file.has_value());
    SegmentIndex index = index_of(example_contents());
    ASSERT_TRUE((*file)->write_at(0, index.memory()).has_value());
    index.move_to(std::move(*file));
    EXPECT_EQ(index.memory().data(), nullptr) << "ten million events have a hundred indexes";
    EXPECT_EQ(index.find(Seq{1003}).value(), 1U);
}

TEST(SegmentIndex, OfNothingIsOneBlock) {
    const auto bytes = encode_index({});
    EXPECT_EQ(bytes.size(), index_block_size);
    const SegmentIndex index = SegmentIndex::in_memory(bytes, std::make_shared<IndexCache>(4));
    EXPECT_EQ(index.size(), 0U);
    EXPECT_EQ(index.lower_bound(Seq{1}).value(), 0U);
    EXPECT_FALSE(index.find(TokenId{1}).value());
}

TEST(SegmentIndex, AgreesWithAModelWhateverTheGaps) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        IndexContents contents;
        std::map<TokenId, std::vector<std::size_t>> by_token;
        std::uint64_t seq = random.below(1000);
        const std::uint64_t gap = 1 + random.below(4);
        for (std::size_t i = 0; i < 700; ++i) {
            seq += 1 + random.below(gap);
            if (seed % 3 == 0 && random.below(200) == 0) seq += random.below(5000);
            const std::uint64_t token = 1 + random.below(300);
            contents.events.push_back(event_of(seq, token, 4096));
            by_token[TokenId{token}].push_back(i);
        }
        contents.highest_seq = Seq{seq};
        for (const auto& [token, places] : by_token) contents.tokens.push_back(token);
        const SegmentIndex index = index_of(contents);
        for (std::uint64_t wanted = 0; wanted <= seq + 2; ++wanted) {
            const auto place =
                std::ranges::lower_bound(contents.events, Seq{wanted}, {}, &IndexedEvent::seq) -
                contents.events.begin();
            ASSERT_EQ(index.lower_bound(Seq{wanted}).value(), static_cast<std::size_t>(place));
        }
        for (const auto& [token, places] : by_token) {
            const auto run = index.find(token).value();
            ASSERT_TRUE(run);
            ASSERT_EQ(run->count, places.size());
            for (std::size_t i = 0; i < places.size(); ++i) {
                ASSERT_EQ(index.by_token(run->begin + i).value(), places[i]);
            }
        }
    }
}

class SegmentIndexFileTest : public ::testing::Test {
protected:
    SegmentIndexFileTest() { write(encode_index(example_contents())); }

    void write(const std::vector<std::uint8_t>& bytes) {
        fs.drop(path);
        fs.overwrite(path, 0, bytes);
    }

    Result<SegmentIndex> open(std::uint64_t number = 12, std::uint32_t salt = 0x5a175a17) {
        return SegmentIndex::open(fs.open_read_only(path).value(), number, salt,
                                  std::make_shared<IndexCache>(4));
    }

    static constexpr const char* path = "/state/000000000012.idx";
    test::SimFileSystem fs{1};
};

TEST_F(SegmentIndexFileTest, IsReadFromItsFile) {
    const auto index = open();
    ASSERT_TRUE(index.has_value());
    EXPECT_EQ(index->at(2).value(), example_contents().events[2]);
    EXPECT_EQ(index->bytes(), fs.contents(path).size());
}

TEST_F(SegmentIndexFileTest, OfAnotherSegmentOrLifeIsRefused) {
    EXPECT_TRUE(open(13).has_error());
    EXPECT_TRUE(open(12, 1).has_error());
}

TEST_F(SegmentIndexFileTest, CutShortIsRefused) {
    const std::size_t size = fs.contents(path).size();
    for (const std::size_t left : {std::size_t{0}, std::size_t{100}, index_block_size, size - 1}) {
        fs.cut(path, left);
        EXPECT_TRUE(open().has_error()) << left;
    }
}

TEST_F(SegmentIndexFileTest, EveryFlippedByteIsNoticedWhenItIsRead) {
    const auto whole = fs.contents(path);
    for (std::size_t at = 0; at < whole.size(); ++at) {
        write(whole);
        fs.flip_bit(path, at, at % 8);
        const auto index = open();
        if (index.has_error()) continue;
        const bool noticed = index->at(0).has_error() || index->by_token(0).has_error() ||
                             index->token_at(0).has_error() || index->settled_at(0).has_error();
        ASSERT_TRUE(noticed) << at;
    }
}

}  // namespace
}  // namespace flowrelay::storage
