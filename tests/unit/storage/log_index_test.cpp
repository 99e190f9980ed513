// Tests the indexes of sealed segments.
#include "log_fixture.hpp"
#include "storage/segment_index.hpp"

namespace flowrelay::storage {
namespace {

using test::make_event;
using test::same;

class LogIndexTest : public test::LogFixture {
protected:
    static std::string index(std::uint64_t number) {
        return fmt::format("{}/{:012}.idx", directory, number);
    }

    std::size_t indexes() const {
        return static_cast<std::size_t>(std::ranges::count_if(
            fs.paths(), [](const std::string& path) { return path.ends_with(".idx"); }));
    }
};

TEST_F(LogIndexTest, EverySealedSegmentHasOne) {
    open();
    append(1000);
    ASSERT_GT(segments().size(), 3U);
    EXPECT_EQ(indexes(), segments().size() - 1);
}

TEST_F(LogIndexTest, SealedEventsAreReadAndSettledThroughIt) {
    open();
    append(500, TokenId{1});
    append(500, TokenId{2});
    for (const std::uint64_t seq : {1U, 2U, 400U, 999U}) {
        const auto event = queue->read(Seq{seq});
        ASSERT_TRUE(event.has_value());
        EXPECT_TRUE(same(*event, make_event(seq, TokenId{seq <= 500 ? 1U : 2U})));
    }
    settle(3, 300);
    EXPECT_EQ(queue->read(Seq{3}).error().code, QueueErrc::not_found);
    auto left = range(1, 2);
    const auto rest = range(301, 1000);
    left.insert(left.end(), rest.begin(), rest.end());
    EXPECT_EQ(queued(), left);
    open();
    EXPECT_EQ(queued(), left);
    EXPECT_EQ(unaccounted(), 0);
}

TEST_F(LogIndexTest, MadeAnewHasTheSameBytes) {
    open();
    append(400);
    settle(10, 200);
    append(400);
    settle(300, 600);
    append(200);
    std::map<std::string, std::vector<std::uint8_t>> written;
    for (const std::string& path : fs.paths()) {
        if (path.ends_with(".idx")) written[path] = fs.contents(path);
    }
    ASSERT_GT(written.size(), 2U);
    queue.reset();
    drop_indexes();
    open();
    for (const auto& [path, bytes] : written) EXPECT_EQ(fs.contents(path), bytes) << path;
}

TEST_F(LogIndexTest, WithItASealedSegmentIsNotReadAtTheStart) {
    open();
    append(1000);
    // A reader of this segment finds damage; with its index the segment is not read.
    fs.overwrite(segment(2), first_record + 5, std::vector<std::uint8_t>(20, 0xEE));
    open();
    EXPECT_TRUE(log.named("spool.damaged").empty());
    EXPECT_EQ(queued(), range(1, 1000));
}

TEST_F(LogIndexTest, DamagedStaleOrMissingItIsMadeAnew) {
    open();
    append(1000);
    settle(100, 150);
    const auto before = queued();
    queue.reset();
    fs.flip_bit(index(1), 20);
    fs.cut(index(2), 5000);
    fs.copy(index(1), index(3));
    fs.drop(index(4));
    open();
    EXPECT_EQ(queued(), before);
    EXPECT_TRUE(log.named("spool.damaged").empty());
    EXPECT_EQ(unaccounted(), 0);
}

TEST_F(LogIndexTest, DamageWhileItIsUsedIsMadeGood) {
    open();
    append(1000);
    settle(100, 150);
    const auto before = queued();
    for (const std::string& path : fs.paths()) {
        if (!path.ends_with(".idx")) continue;
        for (std::size_t at = 4096; at < fs.contents(path).size(); at += 4096) {
            fs.flip_bit(path, at + 77);
        }
    }
    EXPECT_EQ(queued(), before);
    settle(200, 300);
    EXPECT_EQ(queued().size(), before.size() - 101);
    EXPECT_EQ(unaccounted(), 0);
}

TEST_F(LogIndexTest, WithoutSpaceForItItStaysInMemory) {
    open();
    // Segments have their space reserved; an index needs some more.
    fs.refuse(".idx", ENOSPC);
    append(900);
    EXPECT_EQ(indexes(), 0U);
    EXPECT_EQ(queued(), range(1, 900));
    settle(1, 450);
    EXPECT_EQ(queued(), range(451, 900));
    power_failure();
    open();
    EXPECT_EQ(queued(), range(451, 900));
    EXPECT_EQ(indexes(), 0U);
}

TEST_F(LogIndexTest, OneWithoutItsSegmentIsRemoved) {
    open();
    append(10);
    fs.overwrite(index(77), 0, std::vector<std::uint8_t>(4096));
    open();
    EXPECT_FALSE(fs.exists(index(77)).value());
}

TEST_F(LogIndexTest, DamagedTogetherWithItsSegmentItIsMadeAnewByTheNextStart) {
    open();
    append(1000);
    queue.reset();
    const Seq first = parse_segment_header(fs.contents(segment(2))).header.next_seq;
    const Seq second{to_number(first) + 1};
    fs.flip_bit(index(2), index_block_size + 8);
    fs.flip_bit(segment(2), first_record + 5);
    open();
    EXPECT_EQ(queue->read(second).error().code, QueueErrc::damaged);
    open();
    EXPECT_TRUE(queue->read(second).has_value());
    EXPECT_EQ(queued().size(), 999U);
}

}  // namespace
}  // namespace flowrelay::storage
