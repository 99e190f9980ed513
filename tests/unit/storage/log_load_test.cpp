// Tests which records are returned with a part of the backlog.
#include "log_fixture.hpp"
#include "storage/block_reader.hpp"

namespace flowrelay::storage {
namespace {

using test::make_event;
using test::same;

class LogLoadTest : public test::LogFixture {};

TEST_F(LogLoadTest, ALoadBringsTheRecordsOfItsFirstEvents) {
    options.max_size = 8 << 20;
    open();
    append(1000);  // in several segments
    for (std::uint64_t n = 1001; n <= 1200; n += 2) {
        append(1, TokenId{2}, 5000);  // other events, and their bytes, in between
        append(1);
    }
    const auto load = [this](std::uint64_t after, std::uint64_t record_bytes) {
        core::LoadRequest request;
        request.token = TokenId{1};
        request.after = Seq{after};
        request.limit = 2000;
        return queue->load(request, record_bytes).value();
    };
    EXPECT_TRUE(load(0, 0).records.empty());
    EXPECT_EQ(load(0, 1).records.size(), 1U) << "the first in any case";
    EXPECT_EQ(load(0, 3 * event_size(1) + event_size(2) / 2).records.size(), 3U);
    const auto all = load(0, 10 << 20);
    ASSERT_EQ(all.slice.events.size(), 1100U);
    ASSERT_EQ(all.records.size(), all.slice.events.size());
    for (std::size_t i = 0; i < all.records.size(); ++i) {
        const std::uint64_t number = to_number(all.slice.events[i].seq);
        ASSERT_TRUE(same(all.records[i], make_event(number))) << number;
    }
    settle(500, 900);
    EXPECT_TRUE(same(load(499, 1).records.at(0), make_event(901)));
}

TEST_F(LogLoadTest, ALoadBringsNoRecordsFromADamagedOneOn) {
    open();
    append(10);
    fs.flip_bit(segment(1), first_record + 4 * event_size(1) + record_header_size + 40);
    core::LoadRequest request;
    request.token = TokenId{1};
    request.limit = 10;
    const auto loaded = queue->load(request, 1 << 20).value();
    EXPECT_EQ(loaded.slice.events.size(), 10U);
    EXPECT_EQ(loaded.records.size(), 4U);
    EXPECT_EQ(queue->read(Seq{5}).error().code, QueueErrc::damaged);
    EXPECT_TRUE(queue->read(Seq{6}).has_value());
}

TEST_F(LogLoadTest, AnIndexThatPointsBehindTheFileIsDamage) {
    open();
    append(1);
    queue.reset();
    const auto contents = fs.contents(segment(1));
    const auto header = parse_segment_header(contents).header;
    Segment holder;
    holder.file = fs.open(segment(1)).value();
    holder.size = contents.size();
    BlockReader reader;
    IndexedEvent event;
    event.seq = Seq{1};
    event.offset = first_record;
    event.bytes = static_cast<std::uint32_t>(event_size(1));
    EXPECT_TRUE(parse_event(reader.read(holder, event).value(), event.seq, header.salt));
    event.bytes = 8;
    EXPECT_FALSE(parse_event(reader.read(holder, event).value(), event.seq, header.salt));
    event.bytes = 4096;
    event.offset = static_cast<std::uint32_t>(contents.size() - 8);
    EXPECT_FALSE(parse_event(reader.read(holder, event).value(), event.seq, header.salt));
    fs.cut(segment(1), first_record + 16);
    event.offset = first_record;
    event.bytes = static_cast<std::uint32_t>(event_size(1));
    EXPECT_FALSE(parse_event(BlockReader().read(holder, event).value(), event.seq, header.salt));
}

}  // namespace
}  // namespace flowrelay::storage
