// Tests docs/spool-format.md byte by byte, where no other test does. A change here is a change of
// the format.
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "hex.hpp"
#include "log_fixture.hpp"
#include "storage/id_rows.hpp"
#include "storage/letter_record.hpp"
#include "storage/registry.hpp"

namespace flowrelay::storage {
namespace {

using test::hex;

constexpr WallTime moment{Milliseconds(1'700'000'000'000)};

TEST(Format, TheHeaderOfACompactedSegmentAndItsDurableEndHaveTheirGoldenBytes) {
    SegmentHeader header;
    header.ledger.dropped = 2;
    header.replaces_from = 9;
    header.own_end = 70'000;
    header.size = 65'536;
    header.log = 0x0123456789ABCDEF;
    header.durable_end = 61'440;
    header.durable_seq = Seq{1050};
    std::vector<std::uint8_t> block(segment_header_size, 0xEE);
    write_segment_header(block.data(), header);
    EXPECT_EQ(hex(std::span(block).subspan(80, 64)),
              "02000000 00000000 09000000 00000000\n"
              "70110100 00000000 00000100 00000000\n"
              "efcdab89 67452301 00f00000 00000000\n"
              "1a040000 00000000 00000000 00000000\n");
    EXPECT_EQ(parse_segment_header(block).header, header);
    // The durable end comes from the intact copy.
    std::fill_n(block.begin(), 512, std::uint8_t{0});
    EXPECT_EQ(parse_segment_header(block).header.durable_end, 61'440U);
    EXPECT_EQ(parse_segment_header(block).header.durable_seq, Seq{1050});
}

TEST(Format, AConfirmationHasItsGoldenBytes) {
    std::vector<std::uint8_t> bytes(record_header_size, 0xEE);
    write_confirmation(bytes.data(), Seq{1002}, {5, 4232}, 0x5A175A17);
    EXPECT_EQ(hex(std::span(bytes).subspan(8)),
              "00000000 04000000 05000000 88100000\n"
              "ea030000 00000000 00000000 00000000\n"
              "00000000 00000000 00000000 00000000\n"
              "00000000 00000000\n");
}

TEST(Format, TheRecordsOfTheRegistryHaveTheirGoldenBytes) {
    test::SimFileSystem fs(1);
    test::RecordingLog log;
    const std::string path = "/state/tokens";
    const auto registry = Registry::open(fs, path, log).value();
    // The salt is the first record.
    auto file = fs.contents(path);
    EXPECT_EQ(hex(std::span(file).subspan(journal_header_size + 8, 8)), "10000000 10000000\n");

    core::TokenEntry entry;
    entry.id = TokenId{7};
    entry.source = "ci";
    entry.secret = Secret("tok");
    entry.state = core::TokenEntry::State::paused;
    entry.since = moment;
    std::iota(entry.fingerprint.begin(), entry.fingerprint.end(), std::uint8_t{0});
    ASSERT_TRUE(registry->put({&entry, 1}).has_value());
    file = fs.contents(path);
    const auto slot = std::span(file).last(record_header_size + 56);
    EXPECT_EQ(hex(slot.subspan(8, 8)), "31000000 11000000\n");
    EXPECT_EQ(hex(slot.subspan(32, 8)), "07000000 00000000\n");
    EXPECT_EQ(hex(slot.subspan(record_header_size, 49)),
              "04000000 00000000 0068e5cf 8b010000\n"
              "00000000 00000000 00010203 04050607\n"
              "08090a0b 0c0d0e0f 02000300 6369746f\n"
              "6b\n");

    const core::Hold hold{TokenId{7}, entry.fingerprint, 0x1122334455667788, moment};
    ASSERT_TRUE(registry->put_hold(hold).has_value());
    file = fs.contents(path);
    const auto record = std::span(file).last(record_header_size + 16);
    EXPECT_EQ(hex(record.subspan(8, 8)), "10000000 12000000\n");
    EXPECT_EQ(hex(record.subspan(24)),
              "00000000 00000000 07000000 00000000\n"
              "88776655 44332211 00000000 00000000\n"
              "0068e5cf 8b010000 00010203 04050607\n"
              "08090a0b 0c0d0e0f\n");
}

TEST(Format, ALetterHasItsGoldenBytes) {
    core::DeadLetter letter;
    letter.seq = Seq{1001};
    letter.died = moment;
    letter.attempts = 3;
    letter.status = 422;
    letter.outcome = core::Outcome::dead;
    letter.reason = "no";
    letter.server_errors = "{}";
    letter.event.id = "a1";
    letter.event.thread = "e:t";
    letter.event.body = R"({"x":1})";
    const JournalRecord record = to_record(letter);
    EXPECT_EQ(record.header.type, RecordType{32});
    EXPECT_EQ(hex(record.payload),
              "0068e5cf 8b010000 03000000 a6010000\n"
              "02000200 03000000 02000000 02000000\n"
              "6131653a 746e6f7b 7d7b2278 223a317d\n");
}

TEST(Format, AKnownIdHasItsGoldenBytes) {
    IdRows rows(10);
    EventQueue::KnownId known;
    known.accepted = moment;
    known.token = TokenId{7};
    known.id = "a1";
    rows.add(known);
    EXPECT_EQ(hex(rows.take()),
              "0068e5cf 8b010000 07000000 00000000\n"
              "026131\n");
}

}  // namespace
}  // namespace flowrelay::storage
