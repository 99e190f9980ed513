// Tests the log through its public interface.
#include <algorithm>
#include <set>

#include "log_fixture.hpp"

namespace flowrelay::storage {
namespace {

using test::make_event;
using test::same;
using test::SimOp;

class LogTest : public test::LogFixture {};

TEST_F(LogTest, StartsEmpty) {
    open();
    EXPECT_TRUE(queued().empty());
    EXPECT_EQ(queue->ledger(), core::Ledger{});
    EXPECT_EQ(queue->usage().events, 0U);
    EXPECT_TRUE(log.named("spool.damaged").empty());
}

TEST_F(LogTest, SeqsBeginAtOneAndAreConsecutive) {
    open();
    EXPECT_EQ(append(3), Seq{1});
    EXPECT_EQ(append(2), Seq{4});
    EXPECT_EQ(queued(), range(1, 5));
}

TEST_F(LogTest, ReadsBackWhatWasAppended) {
    open();
    append(3);
    for (std::uint64_t n = 1; n <= 3; ++n) {
        const auto event = queue->read(Seq{n});
        ASSERT_TRUE(event.has_value());
        EXPECT_TRUE(same(*event, make_event(n)));
    }
}

TEST_F(LogTest, QueuedTellsWhatSchedulingNeeds) {
    open();
    EventRecord event = make_event(1, TokenId{7});
    event.expires = WallTime(Milliseconds(5));
    ASSERT_TRUE(queue->commit({&event, 1}, {}).has_value());
    for (int run = 0; run < 2; ++run) {
        const auto all = test::queued_events(*queue);
        ASSERT_EQ(all.size(), 1U);
        EXPECT_EQ(all[0].seq, Seq{1});
        EXPECT_EQ(all[0].lane, (LaneId{TokenId{7}, event.thread_hash}));
        EXPECT_EQ(all[0].accepted, event.accepted);
        EXPECT_EQ(all[0].expires, event.expires);
        EXPECT_EQ(all[0].bytes, event_record_size(event));
        open();
    }
}

TEST_F(LogTest, ReadingWhatIsNotQueuedIsNotFound) {
    open();
    append(2);
    settle(1, 1);
    EXPECT_EQ(queue->read(Seq{1}).error().code, QueueErrc::not_found);
    EXPECT_EQ(queue->read(Seq{3}).error().code, QueueErrc::not_found);
    EXPECT_EQ(queue->read(Seq::none).error().code, QueueErrc::not_found);
}

TEST_F(LogTest, ACommitIsSyncedBeforeItReturns) {
    open();
    for (int i = 0; i < 50; ++i) {
        append(16, TokenId{1}, 200);
        settle(queued().front(), queued().front() + 3);
        ASSERT_FALSE(fs.operations().empty());
        const auto last_write =
            std::find_if(fs.operations().rbegin(), fs.operations().rend(),
                         [](const auto& operation) { return operation.op == SimOp::write; });
        const auto synced =
            std::find_if(fs.operations().rbegin(), last_write, [&](const auto& operation) {
                return operation.op == SimOp::sync && operation.path == last_write->path;
            });
        ASSERT_NE(synced, last_write) << "commit " << i;
    }
}

TEST_F(LogTest, ACommitIsOneWriteAndOneSync) {
    open();
    append(1);
    const std::size_t before = fs.operations().size();
    const std::vector<EventRecord> events = {make_event(2), make_event(3)};
    const Settlement outcome{Seq{1}, core::Outcome::delivered};
    ASSERT_TRUE(queue->commit(events, {&outcome, 1}).has_value());
    ASSERT_EQ(fs.operations().size(), before + 2);
    EXPECT_EQ(fs.operations()[before].op, SimOp::write);
    EXPECT_EQ(fs.operations()[before + 1].op, SimOp::sync);
}

TEST_F(LogTest, ANewSegmentIsWrittenToAheadOfItsCommits) {
    options.segment_size = 4 << 20;
    options.max_size = 64 << 20;
    open();
    std::uint64_t written = first_record;  // of the active segment, without gaps
    std::size_t ahead = 0;
    for (int i = 0; i < 4000; ++i) {
        const std::size_t before = fs.operations().size();
        append(10);
        for (const auto& done : std::span(fs.operations()).subspan(before)) {
            if (done.op != SimOp::write || done.path.ends_with(".idx")) continue;
            if (done.path.starts_with(options.high_water)) continue;
            if (done.offset == 0) written = 0;  // another segment
            ASSERT_LE(done.offset, written);
            if (done.offset + done.bytes > written) ++ahead;
            written = std::max(written, done.offset + done.bytes);
        }
    }
    EXPECT_GT(segments().size(), 2U);
    EXPECT_LT(ahead, 100U) << "commits whose sync has to write metadata";
}

TEST_F(LogTest, ARecycledSegmentIsNotWrittenToAhead) {
    open();
    for (int i = 0; i < 40; ++i) {
        const Seq first = append(100);
        settle(to_number(first), to_number(first) + 99);
    }
    std::uint64_t largest = 0;
    const std::size_t before = fs.operations().size();
    for (int i = 0; i < 40; ++i) {
        const Seq first = append(10);
        settle(to_number(first), to_number(first) + 9);
    }
    for (const auto& done : std::span(fs.operations()).subspan(before)) {
        if (done.op != SimOp::write || done.path.ends_with(".idx")) continue;
        largest = std::max(largest, done.bytes);
    }
    EXPECT_LT(largest, 8192U);
}

TEST_F(LogTest, AnEmptyCommitWritesNothing) {
    open();
    append(1);
    const std::size_t before = fs.operations().size();
    const auto next = queue->commit({}, {});
    ASSERT_TRUE(next.has_value());
    EXPECT_EQ(fs.operations().size(), before);
}

TEST_F(LogTest, WhatWasAppendedIsThereAfterReopening) {
    open();
    append(5);
    open();
    EXPECT_EQ(queued(), range(1, 5));
    for (std::uint64_t n = 1; n <= 5; ++n) EXPECT_TRUE(same(*queue->read(Seq{n}), make_event(n)));
    EXPECT_EQ(append(1), Seq{6});
}

TEST_F(LogTest, WhatWasAppendedSurvivesAPowerFailure) {
    open();
    append(5);
    settle(2, 3);
    power_failure();
    open();
    EXPECT_EQ(queued(), (std::vector<std::uint64_t>{1, 4, 5}));
}

TEST_F(LogTest, SettledEventsStaySettled) {
    open();
    append(5);
    settle(2, 4);
    EXPECT_EQ(queued(), (std::vector<std::uint64_t>{1, 5}));
    open();
    EXPECT_EQ(queued(), (std::vector<std::uint64_t>{1, 5}));
}

TEST_F(LogTest, SettlingTwiceCountsOnce) {
    open();
    append(2);
    settle(1, 1);
    settle(1, 1, core::Outcome::dead);
    const std::vector<Settlement> twice = {{Seq{2}, core::Outcome::dead},
                                           {Seq{2}, core::Outcome::dead}};
    ASSERT_TRUE(queue->commit({}, twice).has_value());
    EXPECT_EQ(queue->ledger().delivered, 1U);
    EXPECT_EQ(queue->ledger().dead, 1U);
    EXPECT_EQ(unaccounted(), 0);
}

TEST_F(LogTest, SettlingAnUnknownSeqChangesNothing) {
    open();
    append(1);
    const core::Ledger before = queue->ledger();
    settle(99, 99);
    settle(0, 0);
    EXPECT_EQ(queue->ledger(), before);
}

TEST_F(LogTest, LedgerCountsEachOutcome) {
    using core::Outcome;
    open();
    append(15);
    settle(1, 1, Outcome::delivered);
    settle(2, 3, Outcome::dead);
    settle(4, 6, Outcome::expired);
    settle(7, 10, Outcome::dropped);
    const core::Ledger expected{15, 1, 2, 3, 0, 4};
    EXPECT_EQ(queue->ledger(), expected);
    EXPECT_EQ(unaccounted(), 0);
    open();
    EXPECT_EQ(queue->ledger(), expected);
    EXPECT_EQ(unaccounted(), 0);
}

TEST_F(LogTest, LedgerOutlivesTheSegmentsItCounted) {
    open();
    for (std::uint64_t seq = 1; seq < 3000; seq += 100) {
        append(100);
        settle(seq, seq + 99);
    }
    EXPECT_GT(segments().front(), segment(1)) << "nothing was removed";
    open();
    EXPECT_EQ(queue->ledger().accepted, 3000U);
    EXPECT_EQ(queue->ledger().delivered, 3000U);
    EXPECT_EQ(unaccounted(), 0);
    EXPECT_EQ(append(1), Seq{3001});
}

TEST_F(LogTest, SeqsGoOnWhenEverythingWasSettled) {
    open();
    append(4);
    settle(1, 4);
    open();
    EXPECT_EQ(append(1), Seq{5});
}

TEST_F(LogTest, SeqsThatSomethingElseKnowsAreNotGivenOut) {
    open();
    append(2);
    queue->reserve(Seq{10});
    EXPECT_EQ(append(1), Seq{11});
    queue->reserve(Seq{5});
    EXPECT_EQ(append(1), Seq{12});
    open();
    EXPECT_EQ(queued(), (std::vector<std::uint64_t>{1, 2, 11, 12}));
    EXPECT_EQ(unaccounted(), 0);
    EXPECT_TRUE(log.named("spool.damaged").empty());
}

TEST_F(LogTest, RollsOverToANewSegment) {
    open();
    append(1000);
    EXPECT_GT(segments().size(), 2U);
    EXPECT_EQ(queued(), range(1, 1000));
    open();
    EXPECT_EQ(queued(), range(1, 1000));
    for (std::uint64_t n = 1; n <= 1000; n += 37) {
        EXPECT_TRUE(same(*queue->read(Seq{n}), make_event(n)));
    }
}

TEST_F(LogTest, ASegmentIsDurableBeforeItIsUsed) {
    open();
    append(1000);
    bool header_synced = false;
    bool named = false;
    for (const auto& operation : fs.operations()) {
        if (operation.path.ends_with(".idx")) continue;  // derived, and never synced
        if (operation.op == SimOp::rename) named = false;
        if (operation.op == SimOp::sync_directory) named = true;
        if (operation.op == SimOp::write && operation.offset == 0) header_synced = false;
        if (operation.op == SimOp::sync) header_synced = true;
        if (operation.op == SimOp::write && operation.offset > 0) {
            EXPECT_TRUE(header_synced);
            EXPECT_TRUE(named);
        }
    }
}

TEST_F(LogTest, ARecordThatFillsASegmentExactlyFits) {
    open();
    const std::size_t room = options.segment_size - segment_header_size;
    EventRecord event = make_event(1);
    event.body.clear();
    event.body.assign(room - event_record_size(event), 'x');
    while (event_record_size(event) > room) event.body.pop_back();
    ASSERT_EQ(event_record_size(event), room);
    ASSERT_TRUE(queue->commit({&event, 1}, {}).has_value());
    ASSERT_EQ(append(1), Seq{2});
    open();
    EXPECT_EQ(queued(), range(1, 2));
    EXPECT_TRUE(same(*queue->read(Seq{1}), event));
}

TEST_F(LogTest, AnEventThatFitsInNoSegmentIsRefusedAlone) {
    open();
    append(1);
    const auto refused = try_append(1, TokenId{1}, options.segment_size);
    ASSERT_TRUE(refused.has_error());
    EXPECT_EQ(refused.error().code, boost::system::errc::message_size);
    EXPECT_NE(refused.error().message.find("spool.segment_size"), std::string::npos);
    EXPECT_EQ(append(1), Seq{2});
}

TEST_F(LogTest, ACommitLargerThanASegmentIsSplit) {
    open();
    append(100, TokenId{1}, 2000);
    EXPECT_EQ(queued(), range(1, 100));
    EXPECT_GT(segments().size(), 3U);
    open();
    EXPECT_EQ(queued(), range(1, 100));
    EXPECT_EQ(unaccounted(), 0);
}

TEST_F(LogTest, SettledSegmentsAreRemoved) {
    open();
    append(1000);
    const std::size_t full = segments().size();
    settle(1, 900);
    EXPECT_LT(segments().size(), full);
    EXPECT_FALSE(fs.exists(segment(1)).value());
    open();
    EXPECT_EQ(queued(), range(901, 1000));
}

TEST_F(LogTest, AnOldEventKeepsTheOutcomesBehindIt) {
    open();
    append(1000);
    settle(2, 1000);
    EXPECT_TRUE(fs.exists(segment(1)).value());
    power_failure();
    open();
    EXPECT_EQ(queued(), range(1, 1));
    settle(1, 1);
    EXPECT_EQ(segments().size(), 1U);
}

TEST_F(LogTest, RemovalsAreDurableOneByOne) {
    open();
    append(1500);
    settle(1, 1500);
    bool synced = true;
    std::string last;
    int removed = 0;
    for (const auto& operation : fs.operations()) {
        if (operation.op == SimOp::sync_directory) synced = true;
        if (operation.op != SimOp::remove || !operation.path.ends_with(".seg")) continue;
        EXPECT_TRUE(synced) << operation.path << " after " << last;
        EXPECT_GT(operation.path, last);
        last = operation.path;
        synced = false;
        ++removed;
    }
    EXPECT_GT(removed, 2);
}

TEST_F(LogTest, SparesAreGivenBackWhenTheQueueDrains) {
    options.max_size = 8 << 20;
    open();
    append(20000, TokenId{1}, 10);
    const std::uint64_t full = queue->usage().disk_bytes;
    settle(1, 20000);
    EXPECT_LT(queue->usage().disk_bytes, full / 8);
    EXPECT_LE(queue->usage().disk_bytes, 3 * options.segment_size);
}

TEST_F(LogTest, UsageCountsAllFiles) {
    open();
    append(700);
    std::uint64_t bytes = 0;
    for (const std::string& path : fs.paths()) {
        if (path != options.high_water) bytes += fs.contents(path).size();
    }
    EXPECT_EQ(queue->usage().disk_bytes, bytes);
    EXPECT_EQ(queue->usage().events, 700U);
}

TEST_F(LogTest, KnownIdsAreThoseOfTheProducersSinceThen) {
    open();
    append(6);
    settle(1, 6);
    for (int run = 0; run < 2; ++run) {
        const auto ids = test::known_ids(*queue, make_event(3).accepted, 1000);
        ASSERT_EQ(ids.size(), 2U);
        EXPECT_EQ(ids[0].id, make_event(4).id);
        EXPECT_EQ(ids[0].token, TokenId{1});
        EXPECT_EQ(ids[0].accepted, make_event(4).accepted);
        EXPECT_EQ(ids[1].id, make_event(6).id);
        open();
    }
}

TEST_F(LogTest, ASecondOpeningIsRefused) {
    open();
    const auto second = open_segmented_log(fs, directory, options, log);
    ASSERT_TRUE(second.has_error());
    EXPECT_NE(second.error().message.find("lock"), std::string::npos);
}

TEST_F(LogTest, ADirectoryThatCannotBeWrittenIsNamed) {
    fs.set_read_only(EROFS);
    const auto opened = try_open();
    ASSERT_TRUE(opened.has_error());
    EXPECT_NE(opened.error().message.find(directory), std::string::npos) << opened.error().message;
    EXPECT_NE(opened.error().message.find("Read-only"), std::string::npos)
        << opened.error().message;
}

TEST_F(LogTest, ForeignFilesAreLeftAlone) {
    open();
    const std::vector<std::uint8_t> text = {'h', 'i'};
    for (const char* name : {"/notes.txt", "/12.seg", "/00000000000x.seg", "/.seg", "/x.spare"}) {
        fs.overwrite(std::string(directory) + name, 0, text);
    }
    append(1);
    open();
    EXPECT_EQ(queued(), range(1, 1));
    EXPECT_EQ(fs.contents(std::string(directory) + "/notes.txt"), text);
    EXPECT_TRUE(log.named("spool.damaged").empty());
}

TEST_F(LogTest, ADifferentSegmentSizeIsTakenUp) {
    open();
    append(500);
    options.segment_size = 32 * 1024;
    open();
    append(500);
    options.segment_size = 128 * 1024;
    open();
    append(1000);
    EXPECT_EQ(queued(), range(1, 2000));
    settle(1, 2000);
    EXPECT_EQ(unaccounted(), 0);
}

TEST_F(LogTest, KnownIdsOutliveTheSegmentsTheyCameIn) {
    options.dedup_window = Milliseconds(500);
    open();
    append(2000);
    settle(1, 2000);
    ASSERT_LE(segments().size(), 2U);
    const auto since = make_event(1501).accepted;
    for (int i = 0; i < 2; ++i) {
        const auto ids = test::known_ids(*queue, since, 1000);
        ASSERT_EQ(ids.size(), 250U);  // every other event has an id of the producer's own
        EXPECT_EQ(ids.front().id, make_event(1502).id);
        EXPECT_EQ(ids.back().id, make_event(2000).id);
        power_failure();
        open();
    }
    EXPECT_EQ(test::known_ids(*queue, since, 10).front().id, make_event(1982).id);
}

TEST_F(LogTest, KnownIdsOutliveAClockThatWasSetBack) {
    options.dedup_window = Milliseconds(500);
    open();
    EventRecord early = make_event(2);
    early.accepted += std::chrono::hours(1);
    ASSERT_TRUE(queue->commit({&early, 1}, {}).has_value());
    append(2000);
    settle(1, 2001);
    ASSERT_LE(segments().size(), 2U);
    open();
    std::set<std::string> ids;
    for (const auto& known : test::known_ids(*queue, WallTime::min(), 10'000)) ids.insert(known.id);
    for (const std::uint64_t number : {2U, 4U, 1600U, 2000U}) {
        EXPECT_TRUE(ids.contains(make_event(number).id)) << number;
    }
}

TEST_F(LogTest, IdsFromBeforeTheWindowAreNotKept) {
    options.dedup_window = Milliseconds(50);
    open();
    append(2000);
    settle(1, 2000);
    // Only ids of the segment still there, and of the last window before it.
    EXPECT_LT(test::known_ids(*queue, WallTime::min(), 10'000).size(), 600U);
}

TEST_F(LogTest, KnownIdsAreBounded) {
    options.dedup_window = Milliseconds(1 << 30);
    options.dedup_entries = 100;
    open();
    for (int i = 0; i < 20; ++i) {
        const std::uint64_t first = to_number(append(500));
        settle(first, first + 499);
    }
    EXPECT_LT(fs.contents(std::string(directory) + "/known-ids").size(), 100'000U);
    EXPECT_GE(test::known_ids(*queue, WallTime::min(), 100).size(), 100U);
}

TEST_F(LogTest, WithoutTheKnownIdsTheLogOpensAllTheSame) {
    options.dedup_window = Milliseconds(1 << 30);
    open();
    append(1000);
    settle(1, 1000);
    queue.reset();
    fs.flip_bit(std::string(directory) + "/known-ids", 9);
    open();
    EXPECT_EQ(log.named("spool.ids_failed").size(), 1U);
    EXPECT_EQ(append(1), Seq{1001});
}

}  // namespace
}  // namespace flowrelay::storage
