// Tests recovery from files left by a crash, a bad disk or a newer program.
#include <algorithm>

#include "log_fixture.hpp"

namespace flowrelay::storage {
namespace {

using test::make_event;
using test::same;
using test::SimFileSystem;

class LogRecoveryTest : public test::LogFixture {
protected:
    /// Appends `count` events in a commit each. Returns the offset after the last.
    std::uint64_t append_singly(std::size_t count) {
        std::uint64_t end = first_record;
        for (std::size_t i = 0; i < count; ++i) {
            end += event_size(next_number);
            append(1);
        }
        return end;
    }

    /// Returns the only line about damage, or an empty one after a failed assertion.
    test::RecordingLog::Line only_damage() const {
        const auto lines = log.named("spool.damaged");
        EXPECT_EQ(lines.size(), 1U);
        return lines.empty() ? test::RecordingLog::Line{} : lines.front();
    }

    void overwrite_with(std::uint64_t number, std::uint64_t offset, std::size_t bytes,
                        std::uint8_t value) {
        fs.overwrite(segment(number), offset, std::vector<std::uint8_t>(bytes, value));
    }
};

TEST_F(LogRecoveryTest, ATornTailIsCutAtEveryByte) {
    open();
    const std::uint64_t whole = append_singly(2);
    const std::uint64_t end = whole + event_size(3) + event_size(4);
    append(2);
    queue.reset();
    const auto original = fs.contents(segment(1));
    for (std::uint64_t torn = whole; torn < end; ++torn) {
        fs.overwrite(segment(1), 0, original);
        overwrite_with(1, torn, end - torn, 0);
        log.lines.clear();
        open();
        // A record that lost only zeros of its padding is whole.
        const std::size_t kept = queued().size();
        EXPECT_GE(kept, 2U) << torn;
        EXPECT_LE(kept, 4U) << torn;
        if (torn + 8 < whole + event_size(3)) {
            EXPECT_EQ(kept, 2U) << torn;
        }
        if (torn >= whole + event_size(3)) {
            EXPECT_GE(kept, 3U) << torn;
        }
        EXPECT_EQ(queued(), range(1, kept));
        EXPECT_TRUE(log.named("spool.damaged").empty()) << torn;
        EXPECT_EQ(unaccounted(), 0);
    }
}

TEST_F(LogRecoveryTest, ATornTailIsReportedWithItsBytes) {
    open();
    const std::uint64_t whole = append_singly(3);
    append(1);
    fs.flip_bit(segment(1), whole + record_header_size + 20);
    open();
    const auto lines = log.named("spool.tail_cut");
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].fields.at("file"), "000000000001.seg");
    EXPECT_EQ(lines[0].fields.at("offset"), std::to_string(whole));
    const auto bytes = std::stoull(lines[0].fields.at("bytes"));
    EXPECT_LE(bytes, event_size(4));
    EXPECT_GT(bytes, event_size(4) - 8);

    const auto contents = fs.contents(segment(1));
    const auto tail = std::span(contents).subspan(whole + record_header_size);  // confirmed
    EXPECT_TRUE(std::ranges::all_of(tail, [](std::uint8_t byte) { return byte == 0; }));
    open();
    EXPECT_EQ(log.named("spool.tail_cut").size(), 1U) << "told once";
}

TEST_F(LogRecoveryTest, ATornCommitIsCutAlsoWhenItsLaterRecordsAreWhole) {
    open();
    const std::uint64_t whole = append_singly(2);
    append(5);
    fs.flip_bit(segment(1), whole + event_size(3) + 30);
    open();
    EXPECT_EQ(queued(), range(1, 3));
    EXPECT_TRUE(log.named("spool.damaged").empty());
    EXPECT_EQ(log.named("spool.tail_cut").size(), 1U);
}

TEST_F(LogRecoveryTest, ATailThatWasCutDoesNotComeBack) {
    open();
    const std::uint64_t whole = append_singly(2);
    append(5);  // 3 to 7; 4 is torn, 5 to 7 are whole
    fs.flip_bit(segment(1), whole + event_size(3) + 30);
    open();
    append(1);
    const auto before = queued();
    power_failure();
    open();
    EXPECT_EQ(queued(), before);
    EXPECT_EQ(before.size(), 4U);
}

TEST_F(LogRecoveryTest, SeqsOfACutTailAreNotGivenOutAgain) {
    open();
    const std::uint64_t whole = append_singly(2);
    append(5);
    fs.flip_bit(segment(1), whole + 30);
    open();
    EXPECT_EQ(append(1), Seq{8});
    open();
    EXPECT_EQ(queued(), (std::vector<std::uint64_t>{1, 2, 8}));
    EXPECT_EQ(unaccounted(), 0);
}

TEST_F(LogRecoveryTest, AZeroPayloadInTheLastCommitIsTorn) {
    open();
    const std::uint64_t whole = append_singly(2);
    append(1);
    overwrite_with(1, whole + record_header_size, event_size(3) - record_header_size, 0);
    open();
    EXPECT_EQ(queued(), range(1, 2));
    EXPECT_TRUE(log.named("spool.damaged").empty());
}

TEST_F(LogRecoveryTest, RecordsOfAnotherLifeArePassedOver) {
    // The tail of a recycled segment: records with the salt of its earlier use.
    open();
    append(20);
    queue.reset();
    const auto former = fs.contents(segment(1));
    fs.drop(segment(1));
    fs.drop(options.high_water);
    options.salt_seed = 2;
    open();
    const std::uint64_t end = append_singly(3);
    fs.overwrite(segment(1), end, std::span(former).subspan(end));
    open();
    EXPECT_EQ(queued(), range(1, 3));
    EXPECT_TRUE(log.named("spool.damaged").empty());
}

TEST_F(LogRecoveryTest, ABadHeaderInTheMiddleLosesOneRecord) {
    open();
    const std::uint64_t offset = append_singly(3);
    append_singly(4);
    fs.flip_bit(segment(1), offset + 9);  // its length, which must not be trusted
    open();
    EXPECT_EQ(queued(), (std::vector<std::uint64_t>{1, 2, 3, 5, 6, 7}));
    const auto line = only_damage();
    EXPECT_EQ(line.fields.at("file"), "000000000001.seg");
    EXPECT_EQ(line.fields.at("offset"), std::to_string(offset));
    EXPECT_EQ(line.fields.at("bytes"), std::to_string(event_size(4)));
    EXPECT_EQ(line.fields.at("missing"), "1");
    EXPECT_EQ(unaccounted(), 1) << "the books must not hide the loss";
    for (const std::uint64_t seq : queued()) {
        EXPECT_TRUE(same(*queue->read(Seq{seq}), make_event(seq)));
    }
}

TEST_F(LogRecoveryTest, AnEventWithABadPayloadStaysInTheBooks) {
    open();
    const std::uint64_t offset = append_singly(3);
    append_singly(4);
    fs.flip_bit(segment(1), offset + record_header_size + 7);
    open();
    // A delivery attempt finds that it can't be read, and buries it.
    EXPECT_EQ(queued(), range(1, 7));
    EXPECT_EQ(queue->read(Seq{4}).error().code, QueueErrc::damaged);
    EXPECT_EQ(only_damage().fields.at("offset"), std::to_string(offset));
    EXPECT_EQ(unaccounted(), 0);
    settle(4, 4, core::Outcome::dead);
    EXPECT_EQ(unaccounted(), 0);
}

TEST_F(LogRecoveryTest, ADamagedNewestSegmentIsSealed) {
    // Only what follows the damage proves that the segment continues there; from then on the header
    // of the next segment says so.
    open();
    const std::uint64_t offset = append_singly(1);
    append_singly(2);
    fs.flip_bit(segment(1), offset + 9);
    open();
    append(1);
    queue.reset();
    ASSERT_TRUE(fs.exists(segment(2)).value());
    const std::uint64_t last = offset + event_size(2);
    overwrite_with(1, last, event_size(3), 0);
    drop_indexes();
    log.lines.clear();
    open();
    EXPECT_EQ(queued(), (std::vector<std::uint64_t>{1, 4}));
    EXPECT_EQ(only_damage().fields.at("missing"), "2");
    EXPECT_TRUE(log.named("spool.tail_cut").empty());
}

TEST_F(LogRecoveryTest, ADamagedNewestSegmentIsWrittenOnWhenTheDiskIsFull) {
    open();
    const std::uint64_t offset = append_singly(1);
    append_singly(2);
    fs.flip_bit(segment(1), offset + 9);
    queue.reset();
    for (const std::string& path : fs.paths()) {
        if (path.find("spare") != std::string::npos) fs.drop(path);
    }
    fs.set_capacity(0);
    open();
    EXPECT_EQ(queued(), (std::vector<std::uint64_t>{1, 3}));
    settle(1, 1);
    open();
    EXPECT_EQ(queued(), (std::vector<std::uint64_t>{3}));
}

TEST_F(LogRecoveryTest, WithoutSeqsLeftNothingIsAcceptedAndTheRestIsSettled) {
    open();
    const std::uint64_t end = append_singly(2);
    queue.reset();
    const auto header = parse_segment_header(fs.contents(segment(1))).header;
    std::vector<std::uint8_t> forged(event_size(3));
    write_event(forged.data(), make_event(3), max_seq,
                CommitMark{3, static_cast<std::uint32_t>(end)}, header.salt);
    fs.overwrite(segment(1), end, forged);
    open();
    EXPECT_EQ(queued(), (std::vector<std::uint64_t>{1, 2, to_number(max_seq)}));
    const auto refused = try_append(1);
    ASSERT_TRUE(refused.has_error());
    EXPECT_EQ(refused.error().code, QueueErrc::full);
    settle(1, 1);
    settle(to_number(max_seq), to_number(max_seq));
    open();
    EXPECT_EQ(queued(), (std::vector<std::uint64_t>{2}));
    EXPECT_TRUE(try_append(1).has_error());
}

TEST_F(LogRecoveryTest, DamageIsKeptInTheQuarantine) {
    open();
    const std::uint64_t offset = append_singly(3);
    append_singly(4);
    fs.flip_bit(segment(1), offset + 9);
    open();
    const std::string copy = only_damage().fields.at("copy");
    const auto bytes = fs.contents(segment(1));
    const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(offset);
    EXPECT_EQ(fs.contents(copy),
              std::vector<std::uint8_t>(begin, begin + static_cast<std::ptrdiff_t>(event_size(4))));
    power_failure();
    open();
    EXPECT_TRUE(fs.exists(copy).value());
    ASSERT_TRUE(queue->erase(TokenId{1}).has_value());
    EXPECT_FALSE(fs.exists(copy).value()) << "nobody knows whose bytes they are";
    EXPECT_FALSE(fs.holds("token-1-mark"));
}

TEST_F(LogRecoveryTest, ABadPayloadOfASettledEventIsNoLoss) {
    open();
    const std::uint64_t offset = append_singly(3);
    append_singly(4);
    settle(4, 4);
    fs.flip_bit(segment(1), offset + record_header_size + 7);
    open();
    EXPECT_EQ(queued(), (std::vector<std::uint64_t>{1, 2, 3, 5, 6, 7}));
    EXPECT_TRUE(log.named("spool.damaged").empty());
    EXPECT_EQ(unaccounted(), 0);
}

TEST_F(LogRecoveryTest, AHoleOverSeveralRecordsIsSkipped) {
    open();
    const std::uint64_t offset = append_singly(10);
    const std::uint64_t end = append_singly(20) - first_record;
    append_singly(10);
    overwrite_with(1, offset + 5, end - 10, 0xFF);
    open();
    auto expected = range(1, 10);
    const auto rest = range(31, 40);
    expected.insert(expected.end(), rest.begin(), rest.end());
    EXPECT_EQ(queued(), expected);
    const auto line = only_damage();
    EXPECT_EQ(line.fields.at("bytes"), std::to_string(end));
    EXPECT_EQ(line.fields.at("missing"), "20");
    EXPECT_EQ(unaccounted(), 20);
}

TEST_F(LogRecoveryTest, DamageAtTheStartOfASealedSegmentIsSkipped) {
    open();
    append(1000);
    overwrite_with(2, first_record, 100, 0);
    drop_indexes();
    open();
    EXPECT_EQ(queued().size(), 999U);
    EXPECT_EQ(only_damage().fields.at("file"), "000000000002.seg");
    EXPECT_EQ(unaccounted(), 1);
}

TEST_F(LogRecoveryTest, DamageAtTheEndOfASealedSegmentIsNotATornTail) {
    open();
    append(1000);
    const auto sealed = fs.contents(segment(1));
    const std::size_t end =
        sealed.size() -
        static_cast<std::size_t>(
            std::find_if(sealed.rbegin(), sealed.rend(), [](std::uint8_t b) { return b != 0; }) -
            sealed.rbegin());
    overwrite_with(1, end - event_size() + 20, event_size() - 20, 0);
    drop_indexes();
    open();
    EXPECT_EQ(queued().size(), 999U);
    EXPECT_EQ(only_damage().fields.at("missing"), "1");
    EXPECT_TRUE(log.named("spool.tail_cut").empty());
}

TEST_F(LogRecoveryTest, ASealedSegmentThatWasCutShortIsDamaged) {
    open();
    append(1000);
    fs.cut(segment(1), 40000);
    drop_indexes();
    open();
    const auto line = only_damage();
    EXPECT_EQ(line.fields.at("file"), "000000000001.seg");
    EXPECT_EQ(queued().size() + std::stoull(line.fields.at("missing")), 1000U);
    EXPECT_EQ(append(1), Seq{1001});
}

TEST_F(LogRecoveryTest, ANewestSegmentThatWasCutShortIsDamaged) {
    open();
    append_singly(20);
    queue.reset();
    fs.cut(segment(1), first_record + 10 * event_size() + record_header_size + 8);
    open();
    EXPECT_EQ(only_damage().fields.at("offset"), std::to_string(first_record + 10 * event_size()));
    EXPECT_EQ(only_damage().fields.at("missing"), "1") << "so much is known";
    EXPECT_EQ(queued(), range(1, 10));
    EXPECT_GT(append(1), Seq{11});
    EXPECT_EQ(segments().size(), 2U);
    open();
    EXPECT_EQ(queued().size(), 11U);
    EXPECT_EQ(unaccounted(), 1);
}

TEST_F(LogRecoveryTest, DamagedOutcomesBringTheirEventsBack) {
    open();
    append_singly(4);
    const std::uint64_t outcome = first_record + 4 * event_size();
    settle(1, 2);
    append_singly(1);
    fs.flip_bit(segment(1), outcome + record_header_size);
    open();
    EXPECT_EQ(queued(), range(1, 5));
    EXPECT_EQ(log.named("spool.damaged").size(), 1U);
    EXPECT_EQ(unaccounted(), 0);
    settle(1, 5);
    EXPECT_EQ(unaccounted(), 0);
}

TEST_F(LogRecoveryTest, OutcomesLostFromAnOlderSegmentLeaveTheBooksBalanced) {
    open();
    append(10);
    settle(2, 5);
    const std::uint64_t outcomes = first_record + 10 * event_size();
    append(1000);
    fs.flip_bit(segment(1), outcomes + 3);
    drop_indexes();
    open();
    EXPECT_EQ(queued(), range(1, 1010));
    EXPECT_EQ(unaccounted(), 0);
    settle(1, 1010);
    EXPECT_EQ(queue->ledger().delivered, 1010U);
    open();
    EXPECT_EQ(unaccounted(), 0);
}

TEST_F(LogRecoveryTest, OneBadSectorInASegmentsHeaderIsMadeGood) {
    open();
    append(5);
    overwrite_with(1, 0, 512, 0xFF);
    open();
    EXPECT_EQ(queued(), range(1, 5));
    overwrite_with(1, 2048, 512, 0xFF);
    open();
    EXPECT_EQ(queued(), range(1, 5)) << "the first copy was not written again";
}

TEST_F(LogRecoveryTest, ASegmentWithoutAHeaderGoesIntoTheQuarantine) {
    open();
    append(1000);
    const auto lost = fs.contents(segment(2));
    overwrite_with(2, 0, 4096, 0);
    open();
    EXPECT_EQ(only_damage().fields.at("file"), "000000000002.seg");
    EXPECT_EQ(only_damage().fields.at("missing"), std::to_string(unaccounted()));
    EXPECT_FALSE(fs.exists(segment(2)).value());
    auto kept = fs.contents(only_damage().fields.at("copy"));
    EXPECT_TRUE(std::equal(kept.begin() + 4096, kept.end(), lost.begin() + 4096));
    EXPECT_LT(queued().size(), 1000U);
    EXPECT_EQ(append(1), Seq{1001});
    EXPECT_GT(unaccounted(), 0);
    const auto left = queued();
    settle(left.front(), left.back());
    open();
    EXPECT_TRUE(queued().empty());
}

TEST_F(LogRecoveryTest, WithoutTheLastHeaderNoSeqIsGivenOutAgain) {
    open();
    append(1000);
    const std::string last = segments().back();
    fs.overwrite(last, 0, std::vector<std::uint8_t>(4096, 0));
    open();
    EXPECT_EQ(log.named("spool.damaged").size(), 1U);
    EXPECT_GT(append(1), Seq{1000});
    EXPECT_GT(segments().back(), last);
}

TEST_F(LogRecoveryTest, WithoutTheLastHeaderTheTotalsGoOnFromTheSegmentBefore) {
    open();
    append(900);
    settle(1, 200);
    const auto count = segments().size();
    while (segments().size() == count) append(1);
    queue.reset();
    fs.overwrite(segments().back(), 0, std::vector<std::uint8_t>(4096, 0));
    open();
    // The contents of the last segment are unknown; all else is accounted for.
    EXPECT_EQ(queue->ledger().delivered, 200U);
    EXPECT_EQ(queue->ledger().accepted, 200 + queued().size());
    EXPECT_EQ(unaccounted(), 0);
}

TEST_F(LogRecoveryTest, AMissingSegmentIsReported) {
    open();
    append(1000);
    fs.drop(segment(2));
    open();
    const auto line = only_damage();
    EXPECT_EQ(line.fields.at("file"), "000000000002.seg");
    EXPECT_NE(line.fields.at("reason").find("missing"), std::string::npos);
    EXPECT_EQ(line.fields.at("missing"), std::to_string(unaccounted()));
    EXPECT_GT(unaccounted(), 0);
}

TEST_F(LogRecoveryTest, WhatIsLostWithTheOldestSegmentIsReported) {
    open();
    append(1000);
    queue.reset();
    fs.drop(segment(1));
    open();
    EXPECT_EQ(only_damage().fields.at("missing"), std::to_string(unaccounted()));
    EXPECT_GT(unaccounted(), 0);
}

TEST_F(LogRecoveryTest, ANewerFormatIsRefused) {
    open();
    append(1000);
    queue.reset();
    SegmentHeader header = parse_segment_header(fs.contents(segment(2))).header;
    header.version = segment_format_version + 1;
    std::vector<std::uint8_t> block(segment_header_size);
    write_segment_header(block.data(), header);
    fs.overwrite(segment(2), 0, block);
    const auto opened = try_open();
    ASSERT_TRUE(opened.has_error());
    EXPECT_NE(opened.error().message.find(segment(2)), std::string::npos);
    EXPECT_NE(opened.error().message.find("format 4"), std::string::npos);
    EXPECT_NE(opened.error().message.find("newer"), std::string::npos);
}

TEST_F(LogRecoveryTest, ManyDamagedRangesAreAFewLines) {
    open();
    append_singly(270);
    for (std::uint64_t i = 0; i < 270; i += 3) {
        fs.flip_bit(segment(1), first_record + i * event_size() + 2);
    }
    open();
    const auto lines = log.named("spool.damaged");
    EXPECT_LE(lines.size(), 20U);
    std::uint64_t missing = 0;
    for (const auto& line : lines) missing += std::stoull(line.fields.at("missing"));
    EXPECT_EQ(missing, 90U);
}

TEST_F(LogRecoveryTest, AHalfMadeSpareIsRemoved) {
    open();
    append(1);
    const std::string spare = std::string(directory) + "/000000000009.spare";
    fs.overwrite(spare, 0, std::vector<std::uint8_t>(100));
    open();
    EXPECT_FALSE(fs.exists(spare).value());
}

TEST_F(LogRecoveryTest, WhatAFailedSyncLeftInMemoryIsWrittenAgain) {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        SCOPED_TRACE(seed);
        SimFileSystem disk(seed);
        auto first = open_segmented_log(disk, directory, options, log);
        const EventRecord event = make_event(1);
        disk.fail_next(test::SimOp::sync, EIO);
        ASSERT_TRUE((*first)->commit({&event, 1}, {}).has_error());
        first->reset();
        // The next process reads the record from kernel memory, and may rely on it only after
        // writing it to disk.
        auto second = open_segmented_log(disk, directory, options, log);
        ASSERT_EQ(test::queued_events(**second).size(), 1U);
        second->reset();
        disk.power_failure();
        auto third = open_segmented_log(disk, directory, options, log);
        EXPECT_EQ(test::queued_events(**third).size(), 1U);
    }
}

}  // namespace
}  // namespace flowrelay::storage
