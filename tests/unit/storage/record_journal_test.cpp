// Tests the journal, the file format of registry and dead letters.
#include "storage/record_journal.hpp"

#include <gtest/gtest.h>

#include "flowrelay/base/bytes.hpp"
#include "hex.hpp"
#include "support/recording_log.hpp"
#include "support/sim_file_system.hpp"

namespace flowrelay::storage {
namespace {

using test::SimFileSystem;
using test::SimOp;

constexpr const char* journal_path = "/state/journal";

JournalRecord record_of(std::uint64_t seq, std::size_t size = 40) {
    JournalRecord record;
    record.header.type = RecordType::letter;
    record.header.seq = Seq{seq};
    record.payload.assign(size, static_cast<std::uint8_t>(seq));
    return record;
}

class Collector final : public RecordSink {
public:
    void record(const ScannedRecord& record) override {
        if (record.intact) seqs.push_back(to_number(record.header.seq));
        if (!record.intact) damaged.push_back(record.offset);
    }
    void damage(std::uint64_t offset, std::uint64_t) override { damaged.push_back(offset); }

    std::vector<std::uint64_t> seqs;
    std::vector<std::uint64_t> damaged;
};

class RecordJournalTest : public ::testing::Test {
protected:
    void make(RecordJournal& file, std::uint64_t count) {
        std::vector<JournalRecord> records;
        for (std::uint64_t seq = 1; seq <= count; ++seq) records.push_back(record_of(seq));
        ASSERT_TRUE(file.rewrite(records).has_value());
    }
    static void append(RecordJournal& file, std::uint64_t seq) {
        const JournalRecord record = record_of(seq);
        ASSERT_TRUE(file.append({&record, 1}).has_value());
    }
    Collector reopened() {
        RecordJournal again(fs, journal_path, JournalKind::dead_letters);
        Collector found;
        EXPECT_TRUE(again.exists().value());
        const auto opened = again.open(found, log);
        EXPECT_TRUE(opened.has_value());
        return found;
    }

    SimFileSystem fs{1};
    test::RecordingLog log;
    RecordJournal journal{fs, journal_path, JournalKind::dead_letters};
    using Seqs = std::vector<std::uint64_t>;
};

TEST_F(RecordJournalTest, DamageInTheLastRecordAfterACleanEndIsNoTornWrite) {
    for (const bool opened_again : {false, true}) {
        for (std::uint64_t bit = 0; bit < 8 * record_size(40); bit += 61) {
            SCOPED_TRACE(bit);
            make(journal, 2);
            append(journal, 3);
            if (opened_again) {
                EXPECT_EQ(reopened().seqs, (Seqs{1, 2, 3}));
            } else {
                ASSERT_TRUE(journal.confirm().has_value());
            }
            const std::uint64_t last = journal_header_size + 2 * record_size(40);
            fs.flip_bit(journal_path, last + bit / 8, bit % 8);
            const auto found = reopened();
            EXPECT_EQ(found.damaged, (Seqs{last}));
            EXPECT_TRUE(log.named("spool.tail_cut").empty());
        }
    }
}

TEST_F(RecordJournalTest, AWriteThatWasCutShortIsOneAlsoAfterAConfirmation) {
    make(journal, 2);
    append(journal, 3);
    ASSERT_TRUE(journal.confirm().has_value());
    append(journal, 4);
    fs.cut(journal_path, journal_header_size + 4 * record_size(40) - 8);
    EXPECT_EQ(reopened().seqs, (Seqs{1, 2, 3}));
    EXPECT_EQ(log.named("spool.tail_cut").size(), 1U);
}

// docs/spool-format.md shows the same fields: a change here is a new version of the format.
TEST_F(RecordJournalTest, HeaderHasItsGoldenBytes) {
    make(journal, 1);
    auto bytes = fs.contents(journal_path);
    ASSERT_EQ(bytes.size(), journal_header_size + record_size(40));
    // The salt is random, and the checksum follows from it.
    std::fill_n(bytes.begin() + 12, 4, std::uint8_t{0});
    std::fill_n(bytes.begin() + 60, 4, std::uint8_t{0});
    EXPECT_EQ(test::hex(std::span(bytes).first(journal_header_size)),
              "466c6f77 724a726e 02000000 00000000\n"
              "02000000 00000000 a8000000 00000000\n"
              "00000000 00000000 00000000 00000000\n"
              "00000000 00000000 00000000 00000000\n");
}

TEST_F(RecordJournalTest, FileOfTheFormatBeforeIsTakenOver) {
    make(journal, 2);
    const auto write_version = [this](std::uint8_t version) {
        auto header = fs.contents(journal_path);
        header.resize(journal_header_size);
        header[8] = version;
        store_le(header.data() + 60, crc32c(std::span(header).first(60)));
        fs.overwrite(journal_path, 0, header);
    };
    write_version(1);
    EXPECT_EQ(reopened().seqs, (Seqs{1, 2}));
    EXPECT_EQ(fs.contents(journal_path).at(8), 2);
}

TEST_F(RecordJournalTest, RecordsComeBackInTheirOrder) {
    make(journal, 2);
    append(journal, 3);
    append(journal, 4);
    EXPECT_EQ(reopened().seqs, (Seqs{1, 2, 3, 4}));
    fs.power_failure();
    EXPECT_EQ(reopened().seqs, (Seqs{1, 2, 3, 4}));
}

TEST_F(RecordJournalTest, ReadsOneRecordByItsPlace) {
    make(journal, 2);
    const JournalRecord third = record_of(3);
    const auto offset = journal.append({&third, 1});
    ASSERT_TRUE(offset.has_value());
    const auto back = journal.read(*offset, record_size(40));
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(back->header.seq, Seq{3});
    EXPECT_EQ(back->payload, third.payload);
    EXPECT_TRUE(journal.read(*offset + 8, record_size(40)).has_error());
    EXPECT_TRUE(journal.read(*offset, record_size(41) + 8).has_error());
}

TEST_F(RecordJournalTest, ATornTailIsCutAtEveryByte) {
    make(journal, 2);
    append(journal, 3);
    const std::uint64_t whole = journal.end();
    append(journal, 4);
    const auto original = fs.contents(journal_path);
    for (std::uint64_t size = whole; size < original.size(); ++size) {
        fs.overwrite(journal_path, 0, original);
        fs.cut(journal_path, size);
        log.lines.clear();
        const Collector found = reopened();
        EXPECT_EQ(found.seqs, (Seqs{1, 2, 3})) << size;
        EXPECT_TRUE(found.damaged.empty());
        EXPECT_EQ(log.named("spool.tail_cut").size(), size == whole ? 0U : 1U);
        EXPECT_EQ(fs.contents(journal_path).size(), whole);
    }
}

TEST_F(RecordJournalTest, AppendingGoesOnBehindACutTail) {
    make(journal, 1);
    append(journal, 2);
    fs.cut(journal_path, journal.end() - 5);
    RecordJournal second(fs, journal_path, JournalKind::dead_letters);
    Collector found;
    ASSERT_TRUE(second.open(found, log).has_value());
    append(second, 3);
    EXPECT_EQ(reopened().seqs, (Seqs{1, 3}));
}

TEST_F(RecordJournalTest, DamageBeforeALaterCommitIsTold) {
    make(journal, 1);
    append(journal, 2);
    append(journal, 3);
    fs.flip_bit(journal_path, journal_header_size + record_size(40) + 2);
    const Collector found = reopened();
    EXPECT_EQ(found.seqs, (Seqs{1, 3}));
    EXPECT_EQ(found.damaged, (Seqs{journal_header_size + record_size(40)}));
}

TEST_F(RecordJournalTest, DamageInARewrittenFileIsNotATornTail) {
    make(journal, 3);
    fs.flip_bit(journal_path, journal_header_size + 2 * record_size(40) + 70);
    const Collector found = reopened();
    EXPECT_EQ(found.seqs, (Seqs{1, 2}));
    EXPECT_EQ(found.damaged.size(), 1U);
}

TEST_F(RecordJournalTest, ACrashWhileRewritingLeavesTheOldOrTheNewFile) {
    for (std::uint64_t at = 1; at <= 5; ++at) {
        for (std::uint64_t seed = 0; seed < 30; ++seed) {
            SCOPED_TRACE(fmt::format("operation {}, seed {}", at, seed));
            SimFileSystem disk(seed);
            RecordJournal first(disk, journal_path, JournalKind::dead_letters);
            make(first, 3);
            append(first, 4);
            disk.crash_at(at);
            EXPECT_THROW(make(first, 1), test::SimCrash);
            disk.power_failure();
            RecordJournal second(disk, journal_path, JournalKind::dead_letters);
            ASSERT_TRUE(second.exists().value());
            Collector found;
            ASSERT_TRUE(second.open(found, log).has_value());
            EXPECT_TRUE(found.seqs == (Seqs{1, 2, 3, 4}) || found.seqs == Seqs{1});
            EXPECT_TRUE(found.damaged.empty());
            EXPECT_FALSE(disk.exists(std::string(journal_path) + ".tmp").value());
        }
    }
}

TEST_F(RecordJournalTest, AFullDiskLeavesItUsable) {
    make(journal, 2);
    fs.set_capacity(fs.contents(journal_path).size() + 50);
    const JournalRecord record = record_of(3);
    EXPECT_EQ(journal.append({&record, 1}).error().code, boost::system::errc::no_space_on_device);
    EXPECT_FALSE(journal.broken());
    fs.set_capacity(1 << 20);
    append(journal, 4);
    EXPECT_EQ(reopened().seqs, (Seqs{1, 2, 4}));
}

TEST_F(RecordJournalTest, AfterAFailedSyncOnlyANewFileIsTrusted) {
    make(journal, 2);
    fs.fail_next(SimOp::sync, EIO);
    const JournalRecord record = record_of(3);
    EXPECT_TRUE(journal.append({&record, 1}).has_error());
    EXPECT_TRUE(journal.broken());
    EXPECT_TRUE(journal.append({&record, 1}).has_error());
    make(journal, 5);
    EXPECT_FALSE(journal.broken());
    append(journal, 6);
    fs.power_failure();
    EXPECT_EQ(reopened().seqs, (Seqs{1, 2, 3, 4, 5, 6}));
}

TEST_F(RecordJournalTest, AFailedRewriteKeepsTheOldFile) {
    make(journal, 2);
    for (const SimOp op : {SimOp::create, SimOp::write, SimOp::sync, SimOp::rename}) {
        fs.fail_next(op, EIO);
        const JournalRecord record = record_of(9);
        EXPECT_TRUE(journal.rewrite({&record, 1}).has_error());
        EXPECT_EQ(reopened().seqs, (Seqs{1, 2}));
        EXPECT_FALSE(fs.exists(std::string(journal_path) + ".tmp").value());
    }
    append(journal, 3);
    EXPECT_EQ(reopened().seqs, (Seqs{1, 2, 3}));
}

TEST_F(RecordJournalTest, AnotherKindIsRefused) {
    make(journal, 1);
    RecordJournal other(fs, journal_path, JournalKind::registry);
    Collector found;
    const auto opened = other.open(found, log);
    ASSERT_TRUE(opened.has_error());
    EXPECT_NE(opened.error().message.find(journal_path), std::string::npos);
}

TEST_F(RecordJournalTest, ADamagedHeaderIsRefused) {
    make(journal, 1);
    fs.flip_bit(journal_path, 13);
    Collector found;
    RecordJournal second(fs, journal_path, JournalKind::dead_letters);
    const auto opened = second.open(found, log);
    ASSERT_TRUE(opened.has_error());
    EXPECT_NE(opened.error().message.find("offset 0"), std::string::npos);
}

TEST_F(RecordJournalTest, ANewerFormatIsRefused) {
    make(journal, 1);
    auto bytes = fs.contents(journal_path);
    store_le(bytes.data() + 8, std::uint32_t{3});
    store_le(bytes.data() + 60, crc32c(std::span(bytes).first(60)));
    fs.overwrite(journal_path, 0, bytes);
    Collector found;
    RecordJournal second(fs, journal_path, JournalKind::dead_letters);
    const auto opened = second.open(found, log);
    ASSERT_TRUE(opened.has_error());
    EXPECT_NE(opened.error().message.find("format 3"), std::string::npos);
}

TEST_F(RecordJournalTest, WhatCannotBeReadIsAnError) {
    make(journal, 100);
    fs.make_unreadable(journal_path, 4096, 10);
    Collector found;
    RecordJournal second(fs, journal_path, JournalKind::dead_letters);
    EXPECT_TRUE(second.open(found, log).has_error());
}

}  // namespace
}  // namespace flowrelay::storage
