// Tests that old events do not pin the disk: the queued rest of segments is copied together.
#include <fmt/format.h>

#include "log_fixture.hpp"

namespace flowrelay::storage {
namespace {

using test::make_event;
using test::same;

class LogCompactionTest : public test::LogFixture {
protected:
    LogCompactionTest() { options.max_size = 8 << 20; }

    void maintain() {
        for (int i = 0; i < 1000; ++i) {
            const auto more = queue->maintain();
            ASSERT_TRUE(more.has_value()) << more.error().message;
            if (!*more) return;
        }
        FAIL() << "there is no end to it";
    }

    /// Appends `count` events and settles all but every `kept`-th of them, `rounds` times.
    void work(int rounds, std::uint64_t kept, std::size_t count = 100) {
        for (int round = 0; round < rounds; ++round) {
            const std::uint64_t first = to_number(append(count));
            std::vector<Settlement> outcomes;
            for (std::uint64_t seq = first; seq < first + count; ++seq) {
                if (seq % kept != 0) outcomes.push_back({Seq{seq}, core::Outcome::delivered});
            }
            ASSERT_TRUE(queue->commit({}, outcomes).has_value());
            for (std::uint64_t seq = first; seq < first + count; ++seq) {
                if (seq % kept == 0) left.push_back(seq);
            }
            maintain();
        }
    }

    void check() {
        EXPECT_EQ(queued(), left);
        EXPECT_EQ(unaccounted(), 0);
        for (const std::uint64_t seq : left) {
            const auto event = queue->read(Seq{seq});
            ASSERT_TRUE(event.has_value()) << event.error().message;
            EXPECT_TRUE(same(*event, make_event(seq)));
        }
    }

    std::uint64_t compacted(const char* field) const {
        std::uint64_t sum = 0;
        for (const auto& line : log.named("spool.compacted")) {
            sum += std::stoull(line.fields.at(field));
        }
        return sum;
    }

    std::vector<std::uint64_t> left;
};

TEST_F(LogCompactionTest, AFewOldEventsDoNotPinTheDisk) {
    open();
    work(300, 100);  // 30,000 events, about 8 MB, of which 300 stay
    check();
    const std::uint64_t share = left.size() * event_size();
    EXPECT_LT(queue->usage().disk_bytes, 4 * share + 8 * options.segment_size);
    open();
    check();
}

TEST_F(LogCompactionTest, CostsAThirdOfWhatItFrees) {
    open();
    work(300, 10);
    check();
    EXPECT_GT(log.named("spool.compacted").size(), 0U);
    EXPECT_LE(compacted("written"), compacted("freed") / 3 + 4096 * compacted("segments"));
}

// Measures the cost of compaction for a log in which one event in N stays for ever: bytes written
// by the log for each byte that producers submitted.
TEST_F(LogCompactionTest, WritesAtMostAThirdOfWhatWasAccepted) {
    options.max_size = 64 << 20;
    for (const std::uint64_t kept : {2U, 3U, 4U, 5U, 8U, 20U, 100U, 1000U}) {
        queue.reset();
        for (const std::string& path : fs.paths()) fs.drop(path);
        left.clear();
        next_number = 1;
        open();
        const std::size_t before = fs.operations().size();
        work(300, kept);
        double copied = 0;
        double accepted = 0;
        for (std::size_t i = before; i < fs.operations().size(); ++i) {
            const auto& operation = fs.operations()[i];
            if (operation.op != test::SimOp::write) continue;
            if (operation.path.ends_with(".tmp")) copied += static_cast<double>(operation.bytes);
        }
        for (std::uint64_t number = 1; number < next_number; ++number) {
            accepted += static_cast<double>(event_size(number));
        }
        fmt::print("one event in {} stays: {:.3f} bytes copied for each accepted\n", kept,
                   copied / accepted);
        EXPECT_LE(copied / accepted, 0.34) << "one in " << kept;
        check();
    }
}

TEST_F(LogCompactionTest, SmallSegmentsBecomeOne) {
    open();
    work(600, 1000);
    check();
    EXPECT_LT(segments().size(), 16U);
}

TEST_F(LogCompactionTest, WhatIsOnItsWayOutIsLeftAlone) {
    open();
    append(2000);
    for (std::uint64_t seq = 1; seq <= 2000; seq += 10) {
        settle(seq, seq + 8);
        maintain();
    }
    EXPECT_EQ(log.named("spool.compacted").size(), 0U);
}

TEST_F(LogCompactionTest, AFullSpoolTakesEvenThat) {
    options.max_size = 10 * options.segment_size;
    open();
    std::uint64_t last = 0;
    while (try_append(50).has_value()) last += 50;
    for (std::uint64_t seq = 1; seq + 9 <= last; seq += 10) settle(seq, seq + 8);
    ASSERT_TRUE(try_append(500).has_error());
    maintain();
    EXPECT_TRUE(try_append(500).has_value());
}

TEST_F(LogCompactionTest, OutcomesForEarlierEventsAreKept) {
    open();
    append(600);  // more than two segments that stay as they are
    append(400);
    settle(100, 199);  // the outcomes are in later segments, which are emptied now
    for (int i = 0; i < 40; ++i) {
        const std::uint64_t first = to_number(append(100));
        settle(first, first + 97);
        maintain();
    }
    ASSERT_GT(log.named("spool.compacted").size(), 0U);
    const auto before = queued();
    drop_indexes();
    power_failure();
    open();
    EXPECT_EQ(queued(), before);
    EXPECT_EQ(unaccounted(), 0);
}

TEST_F(LogCompactionTest, WhatIsSettledMeanwhileStaysSettled) {
    open();
    work(60, 50);
    std::size_t steps = 0;
    while (!left.empty() && steps < 2000) {
        ++steps;
        ASSERT_TRUE(queue->maintain().has_value());
        settle(left.front(), left.front());
        left.erase(left.begin());
        append(20);
        const std::uint64_t first = next_number - 20;
        settle(first, first + 19);
    }
    check();
    drop_indexes();
    open();
    check();
}

TEST_F(LogCompactionTest, ErasureReachesWhatWasCopied) {
    open();
    work(100, 50);
    ASSERT_GT(log.named("spool.compacted").size(), 0U);
    const auto erased = queue->erase(TokenId{1});
    ASSERT_TRUE(erased.has_value());
    EXPECT_EQ(*erased, left.size());
    EXPECT_FALSE(fs.holds("token-1-mark"));
    EXPECT_TRUE(queued().empty());
}

TEST_F(LogCompactionTest, ADamagedRecordKeepsItsSegment) {
    open();
    work(4, 50);
    const auto bytes = fs.contents(segment(1));
    fs.flip_bit(segment(1), first_record + 49 * event_size() + 80);
    work(100, 50);
    EXPECT_TRUE(fs.exists(segment(1)).value());
    EXPECT_EQ(queue->read(Seq{50}).error().code, QueueErrc::damaged);
    EXPECT_FALSE(log.named("spool.compaction_failed").empty());
}

TEST_F(LogCompactionTest, AFullDiskIsNoReasonToLoseAnything) {
    open();
    for (int i = 0; i < 200; ++i) {
        const auto first = to_number(append(20));
        settle(first, first + 18);
        left.push_back(first + 19);
        fs.set_capacity(i % 7 == 0 ? 1ULL << 40 : 0);
        maintain();
        fs.set_capacity(1ULL << 40);
    }
    check();
    EXPECT_FALSE(log.named("spool.compaction_failed").empty());
    EXPECT_FALSE(log.named("spool.compacted").empty());
}

}  // namespace
}  // namespace flowrelay::storage
