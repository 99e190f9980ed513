// Tests full disks, limits, failed writes and failed syncs.
#include "log_fixture.hpp"

namespace flowrelay::storage {
namespace {

using test::make_event;
using test::same;
using test::SimOp;

class LogFailureTest : public test::LogFixture {
protected:
    /// Appends until an append is refused. Returns how many events were taken.
    std::uint64_t fill(std::size_t batch = 10, std::size_t body_size = 100) {
        std::uint64_t taken = 0;
        for (int i = 0; i < 100000; ++i) {
            const auto first = try_append(batch, TokenId{1}, body_size);
            if (first.has_error()) {
                EXPECT_EQ(first.error().code, QueueErrc::full) << first.error().message;
                return taken;
            }
            taken += batch;
        }
        ADD_FAILURE() << "it never got full";
        return taken;
    }
};

TEST_F(LogFailureTest, TheLimitOfBytesRefusesEvents) {
    options.max_size = 4 * options.segment_size;
    open();
    const std::uint64_t taken = fill();
    EXPECT_LE(queue->usage().disk_bytes, options.max_size);
    EXPECT_GT(taken * event_size(), 2 * options.segment_size);
    EXPECT_EQ(queue->ledger().accepted, taken);
    EXPECT_EQ(queued().size(), taken);
    EXPECT_NE(try_append(10).error().message.find("spool.max_size"), std::string::npos);
    open();
    EXPECT_EQ(queued().size(), taken);
}

TEST_F(LogFailureTest, TheLimitOfEventsRefusesEvents) {
    options.max_events = 25;
    open();
    EXPECT_EQ(fill(), 20U);
    EXPECT_NE(try_append(10).error().message.find("spool.max_events"), std::string::npos);
    append(5);
    EXPECT_TRUE(try_append(1).has_error());
    settle(1, 3);
    append(3);
    EXPECT_TRUE(try_append(1).has_error());
}

TEST_F(LogFailureTest, OtherLimitsHoldFromNowOn) {
    options.max_size = 4 * options.segment_size;
    open();
    const std::uint64_t taken = fill();
    queue->set_limits({8 * options.segment_size, taken + 30, Milliseconds(0)});
    EXPECT_EQ(fill(), 30U) << "there is room, as far as the number of events goes";
    EXPECT_NE(try_append(10).error().message.find("spool.max_events"), std::string::npos);
    // Existing events stay, even with a limit that is too small to use.
    queue->set_limits({1, 0, Milliseconds(0)});
    EXPECT_NE(try_append(1000).error().message.find("spool.max_size"), std::string::npos);
    EXPECT_EQ(queued().size(), taken + 30);
}

TEST_F(LogFailureTest, ARefusedBatchLeavesNothingBehind) {
    options.max_size = 2 * options.segment_size;
    open();
    const std::uint64_t taken = fill();
    const core::Ledger before = queue->ledger();
    EXPECT_TRUE(try_append(10).has_error());
    EXPECT_EQ(queue->ledger(), before);
    open();
    EXPECT_EQ(queued(), range(1, taken));
    settle(1, taken);
    EXPECT_EQ(append(1), Seq{taken + 1});
}

TEST_F(LogFailureTest, OutcomesAreWrittenWhenEventsAreRefused) {
    for (const bool one_by_one : {true, false}) {
        SCOPED_TRACE(one_by_one);
        test::SimFileSystem disk(1);
        options.max_size = 3 * options.segment_size;
        auto small = open_segmented_log(disk, directory, options, log);
        std::uint64_t taken = 0;
        std::vector<EventRecord> batch;
        for (std::uint64_t i = 0; i < 7; ++i) batch.push_back(make_event(i));
        while ((*small)->commit(batch, {}).has_value()) taken += batch.size();
        // The disk has no byte left: the space for outcomes must be reserved already.
        disk.set_capacity((*small)->usage().disk_bytes);
        // The oldest event stays, so that no space is freed.
        if (one_by_one) {
            for (std::uint64_t seq = 2; seq <= taken; ++seq) {
                const Settlement outcome{Seq{seq}, core::Outcome::delivered};
                ASSERT_TRUE((*small)->commit({}, {&outcome, 1}).has_value()) << seq;
            }
        } else {
            std::vector<Settlement> outcomes;
            for (std::uint64_t seq = 2; seq <= taken; ++seq) {
                outcomes.push_back({Seq{seq}, core::Outcome::delivered});
            }
            ASSERT_TRUE((*small)->commit({}, outcomes).has_value());
        }
        EXPECT_EQ((*small)->usage().events, 1U);
        EXPECT_LE((*small)->usage().disk_bytes, options.max_size);
        small->reset();
        disk.power_failure();
        small = open_segmented_log(disk, directory, options, log);
        EXPECT_EQ((*small)->usage().events, 1U);
        EXPECT_EQ((*small)->ledger().unaccounted(1), 0);
    }
}

TEST_F(LogFailureTest, OutcomesThatCameWithRefusedEventsAreKept) {
    options.max_size = 2 * options.segment_size;
    open();
    fill();
    const EventRecord event = make_event(1, TokenId{1}, 2000);
    const Settlement outcome{Seq{1}, core::Outcome::delivered};
    EXPECT_TRUE(queue->commit({&event, 1}, {&outcome, 1}).has_error());
    ASSERT_TRUE(queue->commit({}, {}).has_value());
    EXPECT_EQ(queue->ledger().delivered, 1U);
    open();
    EXPECT_EQ(queued().front(), 2U);
}

TEST_F(LogFailureTest, AFailedSyncIsToldAlsoWhenTheEventsWereRefusedAnyway) {
    options.max_events = 5;
    open();
    append(5);
    const EventRecord event = make_event(6);
    const Settlement outcome{Seq{1}, core::Outcome::delivered};
    fs.fail_next(SimOp::sync, EIO);
    const EventRecord more[] = {event, event};
    const auto result = queue->commit(more, {&outcome, 1});
    ASSERT_TRUE(result.has_error());
    EXPECT_EQ(result.error().code, QueueErrc::failed);
}

TEST_F(LogFailureTest, RoomReturnsAsEventsAreSettled) {
    options.max_size = 3 * options.segment_size;
    open();
    std::uint64_t settled = 0;
    std::uint64_t appended = 0;
    for (int round = 0; round < 20; ++round) {
        appended += fill(5);
        settle(settled + 1, appended);
        settled = appended;
        EXPECT_LE(queue->usage().disk_bytes, options.max_size);
    }
    EXPECT_EQ(unaccounted(), 0);
}

TEST_F(LogFailureTest, AFullDiskRefusesEventsAndRecoversByItself) {
    fs.set_capacity(150 * 1024);
    open();
    const std::uint64_t taken = fill();
    EXPECT_GT(taken, 100U);
    EXPECT_NE(try_append(10).error().message.find("the disk is full"), std::string::npos);
    EXPECT_EQ(queue->ledger().accepted, taken);
    settle(1, 10);
    fs.set_capacity(1 << 20);
    append(100);
    EXPECT_EQ(queued().size(), taken + 90);
    open();
    EXPECT_EQ(queued().size(), taken + 90);
    EXPECT_EQ(unaccounted(), 0);
}

TEST_F(LogFailureTest, WithoutADescriptorForANewSegmentEventsAreRefusedUntilThereIsOne) {
    open();
    fs.refuse_opening(EMFILE);
    const std::uint64_t taken = fill();
    EXPECT_NE(try_append(10).error().message.find("Too many open files"), std::string::npos);
    settle(1, 10);
    fs.refuse_opening(0);
    append(1000);
    EXPECT_EQ(queued().size(), taken + 990);
    EXPECT_EQ(unaccounted(), 0);
}

TEST_F(LogFailureTest, NoDescriptorIsNeededInTheMidstOfACommit) {
    open();
    fs.refuse("3.spare", ENOSPC);
    fill();
    fs.refuse("", 0);
    settle(1, 10'000);
    EXPECT_EQ(segments().size(), 1U);
    fs.refuse_opening(EMFILE);
    // Into the rest of one segment and the next, whose space is reserved already.
    std::vector<std::size_t> counts;
    while (try_append(20).has_value()) counts.push_back(segments().size());
    EXPECT_GT(counts.back(), 1U);
    fs.refuse_opening(0);
    append(1000);
    EXPECT_EQ(unaccounted(), 0);
}

TEST_F(LogFailureTest, AWriteThatFindsNoSpaceIsUndone) {
    // On a file system that copies on write, a write into allocated space can also find no space.
    open();
    append(3);
    fs.fail_next(SimOp::write, ENOSPC);
    EXPECT_EQ(try_append(5).error().code, QueueErrc::full);
    EXPECT_EQ(queued(), range(1, 3));
    EXPECT_EQ(append(1), Seq{4});
    power_failure();
    open();
    EXPECT_EQ(queued(), range(1, 4));
    EXPECT_TRUE(log.named("spool.damaged").empty());
    EXPECT_EQ(unaccounted(), 0);
}

TEST_F(LogFailureTest, WhatAnUndoneWriteLeftDoesNotPassForRecords) {
    open();
    append(3);
    for (std::size_t i = 0; i < 20; ++i) {
        fs.fail_next(SimOp::write, EDQUOT);
        EXPECT_EQ(try_append(5).error().code, QueueErrc::full);
        append(1);  // as long as the first of the five: whole records follow it
        open();
        // The seqs of the remains are skipped: they may have been seen.
        EXPECT_EQ(queued().size(), 4 + i);
        EXPECT_TRUE(log.named("spool.damaged").empty());
    }
}

TEST_F(LogFailureTest, AFailedSyncIsFinal) {
    open();
    append(3);
    fs.fail_next(SimOp::sync, EIO);
    EXPECT_EQ(try_append(2).error().code, QueueErrc::failed);
    EXPECT_EQ(try_append(1).error().code, QueueErrc::failed);
    EXPECT_EQ(try_settle(1, 1).error().code, QueueErrc::failed);
    EXPECT_EQ(queue->erase(TokenId{1}).error().code, QueueErrc::failed);
    EXPECT_NE(try_append(1).error().message.find("sync"), std::string::npos);
    EXPECT_EQ(queued(), range(1, 3));
    EXPECT_TRUE(same(*queue->read(Seq{2}), make_event(2))) << "reads go on";
}

TEST_F(LogFailureTest, AFailedWriteIsFinal) {
    open();
    append(3);
    fs.fail_next(SimOp::write, EIO);
    EXPECT_EQ(try_append(2).error().code, QueueErrc::failed);
    EXPECT_EQ(try_append(1).error().code, QueueErrc::failed);
    EXPECT_EQ(queued(), range(1, 3));
}

TEST_F(LogFailureTest, AfterAFailedSyncTheNextStartGoesOn) {
    open();
    append(3);
    fs.fail_next(SimOp::sync, EIO);
    EXPECT_TRUE(try_append(2).has_error());
    power_failure();
    open();
    const auto found = queued();
    EXPECT_GE(found.size(), 3U);
    EXPECT_LE(found.size(), 5U);
    EXPECT_EQ(found, range(1, found.size()));
    EXPECT_GT(append(1), Seq{found.size()});
    EXPECT_TRUE(log.named("spool.damaged").empty());
    EXPECT_EQ(unaccounted(), 0);
}

TEST_F(LogFailureTest, AFailedSyncOfTheDirectoryIsFinal) {
    open();
    append(500);
    fs.fail_next(SimOp::sync_directory, EIO);
    Result<Seq> result = Seq::none;
    for (int i = 0; i < 100 && result.has_value(); ++i) result = try_append(10);
    ASSERT_TRUE(result.has_error());
    EXPECT_EQ(result.error().code, QueueErrc::failed);
    const std::size_t accepted = queue->ledger().accepted;
    power_failure();
    open();
    EXPECT_EQ(queued(), range(1, accepted));
}

TEST_F(LogFailureTest, AFailedSyncAtTheStartIsAnErrorOfTheStart) {
    open();
    append(3);
    queue.reset();
    fs.fail_next(SimOp::sync, EIO);
    EXPECT_TRUE(try_open().has_error());
    open();
    EXPECT_EQ(queued(), range(1, 3));
}

TEST_F(LogFailureTest, ARecordThatCannotBeReadIsDamaged) {
    open();
    append(3);
    fs.flip_bit(segment(1), first_record + event_size() + 100);
    EXPECT_EQ(queue->read(Seq{2}).error().code, QueueErrc::damaged);
    EXPECT_TRUE(same(*queue->read(Seq{3}), make_event(3)));
}

TEST_F(LogFailureTest, AnErrorOfReadingMayPassUntilItHasComeOftenInARow) {
    open();
    append(3);
    for (int run = 0; run < 2; ++run) {
        fs.make_unreadable(segment(1), first_record, 8);
        for (int i = 1; i < 10; ++i) {
            const auto read = queue->read(Seq{1});
            ASSERT_TRUE(read.has_error());
            EXPECT_EQ(read.error().code, boost::system::errc::io_error);
        }
        if (run == 1) continue;
        fs.make_readable(segment(1));
        EXPECT_TRUE(same(*queue->read(Seq{1}), make_event(1)));
    }
    EXPECT_TRUE(log.named("spool.damaged").empty());
    EXPECT_EQ(queue->read(Seq{1}).error().code, QueueErrc::damaged);
    EXPECT_EQ(log.named("spool.damaged").size(), 1U);
}

TEST_F(LogFailureTest, ASegmentThatCannotBeRemovedIsTriedAgain) {
    open();
    append(1000);
    fs.fail_next(SimOp::rename, EBUSY);
    settle(1, 900);
    EXPECT_TRUE(fs.exists(segment(1)).value());
    settle(901, 901);
    EXPECT_FALSE(fs.exists(segment(1)).value());
}

}  // namespace
}  // namespace flowrelay::storage
