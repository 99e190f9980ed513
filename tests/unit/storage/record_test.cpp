#include "storage/record.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "hex.hpp"

namespace flowrelay::storage {
namespace {

using test::hex;

constexpr std::uint32_t salt = 0x5A175A17;

core::EventRecord example_event() {
    core::EventRecord event;
    event.token = TokenId{7};
    event.thread_hash = 0x1122334455667788;
    event.accepted = WallTime(Milliseconds(1'795'424'400'123));
    event.expires = WallTime(Milliseconds(1'795'431'600'123));
    event.own_id = true;
    event.id = "build-42-failed";
    event.thread = "build-42";
    event.body = R"({"title":"failed"})";
    return event;
}

std::vector<std::uint8_t> written(const core::EventRecord& event) {
    std::vector<std::uint8_t> bytes(event_record_size(event), 0xEE);
    EXPECT_EQ(write_event(bytes.data(), event, Seq{1001}, {3, 4096}, salt), bytes.size());
    return bytes;
}

std::span<const std::uint8_t> payload_of(const std::vector<std::uint8_t>& bytes,
                                         const RecordHeader& header) {
    return std::span(bytes).subspan(record_header_size, header.payload_length);
}

// docs/spool-format.md shows the same bytes: a change here is a new version of the format.
TEST(Record, EventHasItsGoldenBytes) {
    EXPECT_EQ(hex(written(example_event())),
              "e44f4af1 f0060604 2d000000 01010000\n"
              "03000000 00100000 e9030000 00000000\n"
              "07000000 00000000 88776655 44332211\n"
              "fb32a207 a2010000 fb0f1008 a2010000\n"
              "0f000800 6275696c 642d3432 2d666169\n"
              "6c656462 75696c64 2d34327b 22746974\n"
              "6c65223a 22666169 6c656422 7d000000\n");
}

TEST(Record, EventWithItsProducerHasItsGoldenBytes) {
    core::EventRecord event = example_event();
    event.producer = core::Producer{1000, 4711, "cron.service"};
    EXPECT_EQ(hex(written(event)),
              "279c512a 02d6be61 42000000 01030000\n"
              "03000000 00100000 e9030000 00000000\n"
              "07000000 00000000 88776655 44332211\n"
              "fb32a207 a2010000 fb0f1008 a2010000\n"
              "0f000800 e8030000 67120000 0c63726f\n"
              "6e2e7365 72766963 65627569 6c642d34\n"
              "322d6661 696c6564 6275696c 642d3432\n"
              "7b227469 746c6522 3a226661 696c6564\n"
              "227d0000 00000000\n");
}

TEST(Record, SettlementsHaveTheirGoldenBytes) {
    const std::vector<core::Settlement> settlements = {{Seq{1001}, core::Outcome::delivered},
                                                       {Seq{1002}, core::Outcome::dropped}};
    std::vector<std::uint8_t> bytes(settlements_record_size(2), 0xEE);
    EXPECT_EQ(write_settlements(bytes.data(), settlements, {4, 4232}, salt), bytes.size());
    EXPECT_EQ(hex(bytes),
              "ebf7aa35 9695d005 10000000 02000000\n"
              "04000000 88100000 00000000 00000000\n"
              "00000000 00000000 00000000 00000000\n"
              "00000000 00000000 00000000 00000000\n"
              "e9030000 00000001 ea030000 00000005\n");
}

TEST(Record, SettledBeforeHasItsGoldenBytes) {
    const std::vector<SeqRange> ranges = {{Seq{900}, 3}, {Seq{950}, 1}};
    std::vector<std::uint8_t> bytes(settled_before_record_size(2), 0xEE);
    EXPECT_EQ(write_settled_before(bytes.data(), ranges, {4, 4232}, salt), bytes.size());
    EXPECT_EQ(hex(bytes),
              "d94ea49d 25e8575c 20000000 03000000\n"
              "04000000 88100000 00000000 00000000\n"
              "00000000 00000000 00000000 00000000\n"
              "00000000 00000000 00000000 00000000\n"
              "84030000 00000000 03000000 00000000\n"
              "b6030000 00000000 01000000 00000000\n");
    const auto payload = std::span<const std::uint8_t>(bytes).subspan(record_header_size);
    EXPECT_EQ(read_settled_before(payload), ranges);
}

TEST(Record, SettledBeforeThatMakesNoSenseIsRefused) {
    const auto payload_with = [](std::vector<SeqRange> ranges) {
        std::vector<std::uint8_t> bytes(settled_before_record_size(ranges.size()));
        write_settled_before(bytes.data(), ranges, {4, 4232}, salt);
        bytes.erase(bytes.begin(), bytes.begin() + record_header_size);
        return bytes;
    };
    EXPECT_FALSE(read_settled_before(payload_with({{Seq{9}, 0}})));
    EXPECT_FALSE(read_settled_before(payload_with({{Seq{9}, 2}, {Seq{10}, 1}})));
    EXPECT_FALSE(read_settled_before(payload_with({{Seq{9}, 1}, {Seq{3}, 1}})));
    EXPECT_FALSE(read_settled_before(payload_with({{Seq{9}, 1ULL << 60}})));
    auto cut = payload_with({{Seq{9}, 1}});
    cut.pop_back();
    EXPECT_FALSE(read_settled_before(cut));
}

TEST(Record, EventComesBackAsItWas) {
    const auto event = example_event();
    const auto bytes = written(event);
    const auto header = parse_record_header(bytes, salt);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->seq, Seq{1001});
    EXPECT_EQ(header->commit, (CommitMark{3, 4096}));
    EXPECT_EQ(record_size(*header), bytes.size());
    ASSERT_TRUE(payload_intact(*header, payload_of(bytes, *header), salt));
    const auto back = read_event(*header, payload_of(bytes, *header));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->token, event.token);
    EXPECT_EQ(back->thread_hash, event.thread_hash);
    EXPECT_EQ(back->accepted, event.accepted);
    EXPECT_EQ(back->expires, event.expires);
    EXPECT_EQ(back->own_id, event.own_id);
    EXPECT_EQ(back->id, event.id);
    EXPECT_EQ(back->thread, event.thread);
    EXPECT_EQ(back->body, event.body);
}

TEST(Record, ProducerComesBackAsItWas) {
    for (const std::size_t unit : {0U, 12U, 255U}) {
        core::EventRecord event = example_event();
        event.producer = core::Producer{4294967294, 1, std::string(unit, 'u')};
        const auto bytes = written(event);
        const auto header = parse_record_header(bytes, salt);
        ASSERT_TRUE(header);
        const auto back = read_event(*header, payload_of(bytes, *header));
        ASSERT_TRUE(back);
        EXPECT_EQ(back->producer, event.producer);
        EXPECT_EQ(back->id, event.id);
        EXPECT_EQ(back->body, event.body);
    }
    core::EventRecord event = example_event();
    event.producer = core::Producer{0, 1, std::string(256, 'u')};
    EXPECT_THROW(event_record_size(event), std::invalid_argument);
}

TEST(Record, ProducerThatIsCutOffIsRefused) {
    core::EventRecord event = example_event();
    event.producer = core::Producer{1000, 4711, "cron.service"};
    const auto bytes = written(event);
    const auto header = parse_record_header(bytes, salt);
    ASSERT_TRUE(header);
    for (std::size_t length = 0; length < 4 + 9 + 12; ++length) {
        EXPECT_FALSE(read_event(*header, payload_of(bytes, *header).first(length))) << length;
    }
}

TEST(Record, AnEventWithoutAnEndKeepsThat) {
    core::EventRecord event = example_event();
    event.expires = WallTime::max();
    const auto header = parse_record_header(written(event), salt);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->expires, WallTime::max());
}

TEST(Record, EveryFlippedBitOfAHeaderIsNoticed) {
    auto bytes = written(example_event());
    for (std::size_t bit = 0; bit < record_header_size * 8; ++bit) {
        bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1U << (bit % 8)));
        EXPECT_FALSE(parse_record_header(bytes, salt)) << "bit " << bit;
        bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1U << (bit % 8)));
    }
}

TEST(Record, EveryFlippedBitOfAPayloadIsNoticed) {
    auto bytes = written(example_event());
    const auto header = parse_record_header(bytes, salt);
    ASSERT_TRUE(header);
    for (std::size_t bit = 0; bit < header->payload_length * 8; ++bit) {
        std::uint8_t& byte = bytes[record_header_size + bit / 8];
        byte = static_cast<std::uint8_t>(byte ^ (1U << (bit % 8)));
        EXPECT_FALSE(payload_intact(*header, payload_of(bytes, *header), salt)) << "bit " << bit;
        byte = static_cast<std::uint8_t>(byte ^ (1U << (bit % 8)));
    }
}

TEST(Record, AnotherSaltIsAnotherLife) {
    const auto bytes = written(example_event());
    EXPECT_FALSE(parse_record_header(bytes, salt + 1));
}

TEST(Record, ASeqThatCouldNotBeSettledIsNoRecord) {
    std::vector<std::uint8_t> bytes(event_record_size(example_event()));
    write_event(bytes.data(), example_event(), max_seq, CommitMark{3, 4096}, salt);
    EXPECT_TRUE(parse_record_header(bytes, salt));
    write_event(bytes.data(), example_event(), Seq{to_number(max_seq) + 1}, CommitMark{3, 4096},
                salt);
    EXPECT_FALSE(parse_record_header(bytes, salt));
}

TEST(Record, ZerosAreNoRecordWhateverTheSalt) {
    const std::vector<std::uint8_t> zeros(record_header_size);
    EXPECT_FALSE(parse_record_header(zeros, 0));
    EXPECT_FALSE(parse_record_header(zeros, salt));
}

TEST(Record, PayloadIsPaddedWithZerosToEightBytes) {
    core::EventRecord event = example_event();
    for (std::size_t length = 0; length < 16; ++length) {
        event.body.assign(length, 'x');
        const auto bytes = written(event);
        ASSERT_EQ(bytes.size() % record_alignment, 0U);
        const auto header = parse_record_header(bytes, salt);
        ASSERT_TRUE(header);
        for (std::size_t at = record_header_size + header->payload_length; at < bytes.size();
             ++at) {
            EXPECT_EQ(bytes[at], 0) << "body of " << length;
        }
    }
}

TEST(Record, AnEmptyOrOverlongIdIsRefused) {
    core::EventRecord event = example_event();
    event.id.clear();
    EXPECT_THROW(event_record_size(event), std::invalid_argument);
    event.id.assign(256, 'i');
    EXPECT_THROW(event_record_size(event), std::invalid_argument);
    event.id.assign(255, 'i');
    EXPECT_NO_THROW(event_record_size(event));
}

TEST(Record, AnOverlongThreadIsRefused) {
    core::EventRecord event = example_event();
    event.thread.assign(65536, 't');
    EXPECT_THROW(event_record_size(event), std::invalid_argument);
    event.thread.assign(65535, 't');
    const auto bytes = written(event);
    const auto header = parse_record_header(bytes, salt);
    ASSERT_TRUE(header);
    EXPECT_EQ(read_event(*header, payload_of(bytes, *header))->thread, event.thread);
}

TEST(Record, LengthsThatPointBehindThePayloadAreNoEvent) {
    const auto bytes = written(example_event());
    const auto header = parse_record_header(bytes, salt);
    ASSERT_TRUE(header);
    for (std::size_t length = 0; length < 4 + 15 + 8; ++length) {
        EXPECT_FALSE(read_event(*header, payload_of(bytes, *header).first(length))) << length;
    }
}

TEST(Record, SettlementsComeBackAsTheyWere) {
    using core::Outcome;
    const std::vector<core::Settlement> settlements = {{Seq{1}, Outcome::delivered},
                                                       {Seq{2}, Outcome::dead},
                                                       {Seq{(1ULL << 56) - 1}, Outcome::expired},
                                                       {Seq{4}, Outcome::erased},
                                                       {Seq{5}, Outcome::dropped}};
    std::vector<std::uint8_t> bytes(settlements_record_size(settlements.size()));
    write_settlements(bytes.data(), settlements, {1, 4096}, salt);
    const auto header = parse_record_header(bytes, salt);
    ASSERT_TRUE(header);
    const auto back = read_settlements(payload_of(bytes, *header));
    ASSERT_TRUE(back);
    ASSERT_EQ(back->size(), settlements.size());
    for (std::size_t i = 0; i < settlements.size(); ++i) {
        EXPECT_EQ((*back)[i].seq, settlements[i].seq);
        EXPECT_EQ((*back)[i].outcome, settlements[i].outcome);
    }
}

TEST(Record, AnUnknownOutcomeIsNoSettlement) {
    const std::vector<std::uint8_t> none = {1, 0, 0, 0, 0, 0, 0, 0};
    const std::vector<std::uint8_t> six = {1, 0, 0, 0, 0, 0, 0, 6};
    EXPECT_FALSE(read_settlements(none));
    EXPECT_FALSE(read_settlements(six));
    EXPECT_FALSE(read_settlements(std::span(six).first(7)));
}

}  // namespace
}  // namespace flowrelay::storage
