#include "storage/segment_header.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "hex.hpp"

namespace flowrelay::storage {
namespace {

using Status = ParsedSegmentHeader::Status;

SegmentHeader example_header() {
    SegmentHeader header;
    header.salt = 0x5A175A17;
    header.number = 12;
    header.next_seq = Seq{1001};
    header.previous_end = 65432;
    header.ledger = {1000, 900, 5, 4, 3, 2};
    header.size = 65536;
    header.log = 0x0123456789ABCDEF;
    return header;
}

std::vector<std::uint8_t> written(const SegmentHeader& header) {
    std::vector<std::uint8_t> block(segment_header_size, 0xEE);
    write_segment_header(block.data(), header);
    return block;
}

// docs/spool-format.md shows the same bytes: a change here is a new version of the format.
TEST(SegmentHeader, HasItsGoldenBytes) {
    const auto block = written(example_header());
    EXPECT_EQ(test::hex(std::span(block).first(128)),
              "466c6f77 72536567 03000000 175a175a\n"
              "0c000000 00000000 e9030000 00000000\n"
              "98ff0000 00000000 e8030000 00000000\n"
              "84030000 00000000 05000000 00000000\n"
              "04000000 00000000 03000000 00000000\n"
              "02000000 00000000 00000000 00000000\n"
              "00000000 00000000 00000100 00000000\n"
              "efcdab89 67452301 00000000 00000000\n");
    EXPECT_EQ(test::hex(std::span(block).subspan(496, 16)),
              "00000000 00000000 00000000 04fa8809\n");
    const std::vector<std::uint8_t> first(block.begin(), block.begin() + 512);
    const std::vector<std::uint8_t> second(block.begin() + 2048, block.begin() + 2560);
    EXPECT_EQ(first, second);
    for (std::size_t at = 120; at < 508; ++at) EXPECT_EQ(block[at], 0);
    for (std::size_t at = 512; at < 2048; ++at) EXPECT_EQ(block[at], 0);
    for (std::size_t at = 2560; at < block.size(); ++at) EXPECT_EQ(block[at], 0);
}

TEST(SegmentHeader, HasTheGoldenBytesOfTheDurableEndAndOfTheLosses) {
    SegmentHeader header = example_header();
    header.durable_end = 4711;
    header.durable_seq = Seq{1234};
    header.ledger.lost = 7;
    header.last_loss = {WallTime(Milliseconds(1'700'000'000'000)), 1000};
    header.skipped_seqs = 0x1000000;
    const auto block = written(header);
    EXPECT_EQ(test::hex(std::span(block).subspan(112, 64)),
              "efcdab89 67452301 67120000 00000000\n"
              "d2040000 00000000 07000000 00000000\n"
              "0068e5cf 8b010000 e8030000 00000000\n"
              "00000001 00000000 00000000 00000000\n");
    EXPECT_EQ(parse_segment_header(block).header, header);
}

TEST(SegmentHeader, ComesBackAsItWas) {
    const auto parsed = parse_segment_header(written(example_header()));
    EXPECT_EQ(parsed.status, Status::valid);
    EXPECT_EQ(parsed.header, example_header());
}

TEST(SegmentHeader, OneBadSectorIsMadeGoodByTheCopy) {
    for (std::size_t sector = 0; sector < 8; ++sector) {
        auto block = written(example_header());
        std::fill_n(block.begin() + static_cast<std::ptrdiff_t>(512 * sector), 512,
                    std::uint8_t{0xFF});
        const auto parsed = parse_segment_header(block);
        EXPECT_EQ(parsed.status, Status::valid) << "sector " << sector;
        EXPECT_EQ(parsed.header, example_header()) << "sector " << sector;
    }
}

TEST(SegmentHeader, EveryFlippedBitOfBothCopiesIsNoticed) {
    auto block = written(example_header());
    for (std::size_t bit = 0; bit < 512 * 8; ++bit) {
        const auto mask = static_cast<std::uint8_t>(1U << (bit % 8));
        block[bit / 8] ^= mask;
        block[2048 + bit / 8] ^= mask;
        EXPECT_EQ(parse_segment_header(block).status, Status::damaged) << "bit " << bit;
        block[bit / 8] ^= mask;
        block[2048 + bit / 8] ^= mask;
    }
}

TEST(SegmentHeader, ANewerFormatIsTold) {
    SegmentHeader header = example_header();
    header.version = segment_format_version + 1;
    const auto parsed = parse_segment_header(written(header));
    EXPECT_EQ(parsed.status, Status::newer);
    EXPECT_EQ(parsed.header.version, segment_format_version + 1);
}

TEST(SegmentHeader, TheFormatBeforeIsRead) {
    SegmentHeader header = example_header();
    header.version = segment_format_version - 1;
    const auto parsed = parse_segment_header(written(header));
    EXPECT_EQ(parsed.status, Status::valid);
    EXPECT_EQ(parsed.header, header);
}

TEST(SegmentHeader, AShortBlockIsDamagedUnlessACopyIsWhole) {
    const auto block = written(example_header());
    EXPECT_EQ(parse_segment_header({}).status, Status::damaged);
    EXPECT_EQ(parse_segment_header(std::span(block).first(511)).status, Status::damaged);
    EXPECT_EQ(parse_segment_header(std::span(block).first(512)).status, Status::valid);
}

}  // namespace
}  // namespace flowrelay::storage
