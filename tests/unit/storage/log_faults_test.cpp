// Tests read errors, full disks during a change, and damage at rest: acknowledged events are there
// once the disk can be read again, or the log and the books report the loss.
#include <algorithm>
#include <array>
#include <cerrno>

#include "flowrelay/storage/declare_damaged.hpp"
#include "flowrelay/storage/spool_check.hpp"
#include "log_fixture.hpp"

namespace flowrelay::storage {
namespace {

using test::make_event;
using test::same;
using test::SimFault;
using test::SimFileSystem;
using test::SimOp;

class LogFaultsTest : public test::LogFixture {
protected:
    /// Makes a new log: 300 events of three tokens in several segments, some of them settled.
    void make_log() {
        fs = SimFileSystem(1);
        log.lines.clear();
        next_number = 1;
        open();
        for (int i = 0; i < 30; ++i) append(10, TokenId{1 + next_number / 10 % 3}, 600);
        settle(2, 20);
    }

    /// Shuts down cleanly.
    void close() {
        ASSERT_TRUE(queue->confirm().has_value());
        queue.reset();
    }

    /// Checks that the log reports the loss, and that `spool verify` did before it.
    void expect_told(std::size_t lost, const SpoolReport& report) {
        EXPECT_FALSE(log.named("spool.damaged").empty()) << lost << " lost";
        EXPECT_FALSE(report.damage.empty()) << lost << " lost";
        EXPECT_TRUE(report.lost >= lost || !report.lost_is_known) << report.lost << " of " << lost;
    }

    SpoolReport verify() {
        auto report = check_spool(fs, "/state");
        EXPECT_TRUE(report.has_value()) << report.error().message;
        return report.has_value() ? std::move(*report) : SpoolReport{};
    }

    /// Returns how many of these are missing or without contents.
    std::size_t lost_of(const std::vector<std::uint64_t>& seqs) {
        return static_cast<std::size_t>(std::ranges::count_if(
            seqs, [this](std::uint64_t seq) { return queue->read(Seq{seq}).has_error(); }));
    }

    void expect_start_fails(const std::string& path) {
        const auto opened = try_open();
        ASSERT_TRUE(opened.has_error());
        EXPECT_NE(opened.error().message.find(path), std::string::npos) << opened.error().message;
    }
};

// --- a new segment -------------------------------------------------------------------------------

TEST_F(LogFaultsTest, WithoutANewSegmentTheOldOneIsNotSealed) {
    const std::array faults = {SimFault{SimOp::write, ".spare", ENOSPC, 0, 0},
                               SimFault{SimOp::write, ".spare", EDQUOT, 0, 0},
                               SimFault{SimOp::sync, ".spare", ENOSPC, 0, 0},
                               SimFault{SimOp::sync, ".spare", EDQUOT, 0, 0},
                               SimFault{SimOp::create, ".spare", ENOSPC, 0, 0},
                               SimFault{SimOp::allocate, ".spare", EDQUOT, 0, 0},
                               SimFault{SimOp::rename, ".spare", ENOSPC, 0, 1},
                               SimFault{SimOp::rename, ".spare", EDQUOT, 0, 1},
                               SimFault{SimOp::sync_directory, "/spool", ENOSPC, 1, 1},
                               SimFault{SimOp::sync_directory, "/spool", EDQUOT, 1, 1}};
    for (const SimFault& fault : faults) {
        SCOPED_TRACE(
            fmt::format("operation {}, error {}", static_cast<int>(fault.op), fault.errno_value));
        fs = SimFileSystem(1);
        next_number = 1;
        open();
        append(10, TokenId{1}, 2000);
        fs.fail(fault);
        std::vector<std::uint64_t> accepted = queued();
        const auto try_one = [&](std::size_t size) {
            const auto seq = try_append(1, TokenId{1}, size);
            if (seq.has_value()) accepted.push_back(to_number(*seq));
            return seq.has_value();
        };
        for (int i = 0; i < 200; ++i) {
            // One event that is too large for the rest, then one that fits.
            static_cast<void>(try_one(7000));
            static_cast<void>(try_one(100));
        }
        fs.heal();
        if (try_settle(1, 1).has_value()) accepted.erase(accepted.begin());
        for (int i = 0; i < 200; ++i) static_cast<void>(try_one(500));
        queue.reset();
        drop_indexes();
        open();
        for (const std::uint64_t seq : accepted) {
            EXPECT_TRUE(queue->read(Seq{seq}).has_value()) << seq << " was accepted and is lost";
        }
        EXPECT_EQ(unaccounted(), 0);
        EXPECT_TRUE(log.named("spool.damaged").empty());
    }
}

// The next start relies on what the header of the new segment says of the previous one: nothing may
// be added to that any more.
TEST_F(LogFaultsTest, AfterTheRenamingOfANewSegmentAnErrorIsFinal) {
    for (const int error : {ENOSPC, EDQUOT, EMFILE, EIO}) {
        SCOPED_TRACE(error);
        fs = SimFileSystem(1);
        next_number = 1;
        open();
        append(10, TokenId{1}, 2000);
        // The first sync of the directory is for the spare.
        fs.fail({SimOp::sync_directory, "/spool", error, 1, 1});
        while (try_append(1, TokenId{1}, 7000).has_value()) {
        }
        std::vector<std::uint64_t> accepted = queued();
        const auto small = try_append(1, TokenId{1}, 100);
        ASSERT_TRUE(small.has_error()) << "it lies behind the end that the header knows";
        EXPECT_EQ(small.error().code, QueueErrc::failed);
        queue.reset();
        drop_indexes();
        open();
        EXPECT_EQ(queued(), accepted);
        EXPECT_EQ(unaccounted(), 0);
        EXPECT_TRUE(log.named("spool.damaged").empty());
    }
}

// --- erasure -------------------------------------------------------------------------------------

TEST_F(LogFaultsTest, AnErasureWipesOnlyWhatItHasRead) {
    for (const int error : {EIO, 0}) {
        for (std::uint64_t offset = 4096; offset < 60'000; offset += 4096) {
            SCOPED_TRACE(fmt::format("offset {}, error {}", offset, error));
            make_log();
            fs.fail({SimOp::read, ".seg", error, 0, 0, offset, 4096});
            const auto erased = queue->erase(TokenId{2});
            EXPECT_TRUE(erased.has_error());
            EXPECT_NE(erased.error().code, QueueErrc::failed) << "nothing was written";
            EXPECT_NE(erased.error().message.find(".seg"), std::string::npos);
            fs.heal();
            for (const std::uint64_t seq : queued()) {
                const auto read = queue->read(Seq{seq});
                ASSERT_TRUE(read.has_value()) << seq << ": " << read.error().message;
                EXPECT_NE(read->token, TokenId{2}) << "settled before anything was wiped";
            }
            ASSERT_TRUE(queue->erase(TokenId{2}).has_value());
            EXPECT_FALSE(fs.holds("token-2-mark"));
            const auto left = queued();
            power_failure();
            open();
            EXPECT_EQ(queued(), left);
            EXPECT_EQ(lost_of(left), 0U);
        }
    }
}

// --- starts that can't read ----------------------------------------------------------------------

TEST_F(LogFaultsTest, AStartThatCannotReadASegmentFailsAndHarmsNothing) {
    for (const bool indexed : {true, false}) {
        for (const int error : {EIO, 0}) {
            for (std::uint64_t offset = 0; offset < 32'768; offset += 4096) {
                SCOPED_TRACE(
                    fmt::format("offset {}, error {}, indexed {}", offset, error, indexed));
                make_log();
                const auto before = queued();
                const auto books = queue->ledger();
                queue.reset();
                if (!indexed) drop_indexes();
                const std::string path = indexed ? segments().back() : segment(2);
                fs.fail({SimOp::read, path, error, 0, 0, offset, 4096});
                for (int start = 0; start < 2; ++start) expect_start_fails(path);
                fs.heal();
                log.lines.clear();
                open();
                EXPECT_EQ(queued(), before);
                EXPECT_EQ(queue->ledger(), books);
                EXPECT_EQ(lost_of(before), 0U);
                EXPECT_TRUE(log.named("spool.damaged").empty());
                EXPECT_TRUE(log.named("spool.tail_cut").empty());
            }
        }
    }
}

TEST_F(LogFaultsTest, AnErrorOfReadingThatPassesIsNoReasonToFail) {
    for (const int error : {EIO, 0}) {
        for (std::uint64_t pass = 0; pass < 8; ++pass) {
            SCOPED_TRACE(fmt::format("read {}, error {}", pass, error));
            make_log();
            const auto before = queued();
            queue.reset();
            drop_indexes();
            fs.fail({SimOp::read, ".seg", error, pass, 1});
            open();
            EXPECT_EQ(queued(), before);
            EXPECT_TRUE(log.named("spool.damaged").empty());
        }
    }
}

TEST_F(LogFaultsTest, AStartThatCannotOpenOrMeasureASegmentFailsAndHarmsNothing) {
    for (const SimOp op : {SimOp::open, SimOp::size}) {
        for (const int error : {EIO, EMFILE, ENOMEM}) {
            make_log();
            const auto before = queued();
            queue.reset();
            drop_indexes();
            fs.fail({op, segment(2), error, 0, 0});
            expect_start_fails(segment(2));
            fs.heal();
            open();
            EXPECT_EQ(queued(), before);
            EXPECT_EQ(unaccounted(), 0);
        }
    }
}

TEST_F(LogFaultsTest, KnownIdsThatCannotBeReadAreNotForgotten) {
    options.dedup_window = Milliseconds(1ULL << 40);
    const auto ids = [this] { return test::known_ids(*queue, WallTime::min(), 1 << 20).size(); };
    for (const int error : {EIO, 0}) {
        for (const SimOp op : {SimOp::read, SimOp::open}) {
            if (op == SimOp::open && error == 0) continue;
            make_log();
            settle(1, 300);
            const std::size_t known = ids();
            ASSERT_TRUE(fs.exists("/state/spool/known-ids").value());
            queue.reset();
            fs.fail({op, "/known-ids", error, 0, 0});
            expect_start_fails("/state/spool/known-ids");
            fs.heal();
            open();
            EXPECT_EQ(ids(), known);
        }
    }
}

TEST_F(LogFaultsTest, AnIndexThatCannotBeReadIsReplaced) {
    for (const std::uint64_t times : {1U, 0U}) {
        make_log();
        const auto before = queued();
        queue.reset();
        fs.fail({SimOp::read, ".idx", EIO, 1, times});
        open();
        EXPECT_EQ(queued(), before);
        EXPECT_EQ(lost_of(before), 0U);
    }
}

TEST_F(LogFaultsTest, WhatAnOperatorDeclaresDamagedIsToldAndSkipped) {
    for (std::uint64_t offset = 0; offset < 32'768; offset += 4096) {
        SCOPED_TRACE(fmt::format("offset {}", offset));
        make_log();
        const auto before = queued();
        close();
        drop_indexes();
        const SimFault fault{SimOp::read, segment(2), EIO, 0, 0, offset, 4096};
        fs.fail(fault);
        expect_start_fails(segment(2));
        const auto given_up = declare_damaged(fs, segment(2));
        ASSERT_TRUE(given_up.has_value()) << given_up.error().message;
        ASSERT_EQ(given_up->size(), 1U);
        EXPECT_EQ(given_up->front().offset, offset);
        EXPECT_EQ(given_up->front().bytes, 4096U);
        fs.heal();
        const SpoolReport report = verify();
        open();
        const std::size_t lost = lost_of(before);
        EXPECT_GT(lost, 0U);
        EXPECT_LT(lost, 100U);
        expect_told(lost, report);
        EXPECT_GE(unaccounted() + static_cast<std::int64_t>(queued().size()),
                  static_cast<std::int64_t>(before.size()));
        queue.reset();
        EXPECT_TRUE(declare_damaged(fs, segments().back())->empty()) << "it can be read";
    }
}

// --- segments that come back ---------------------------------------------------------------------

TEST_F(LogFaultsTest, ASegmentThatComesBackHasItsEvents) {
    for (const bool is_newest : {true, false}) {
        for (const bool cleanly : {true, false}) {
            SCOPED_TRACE(fmt::format("newest {}, cleanly {}", is_newest, cleanly));
            make_log();
            const auto before = queued();
            const std::string path = is_newest ? segments().back() : segment(2);
            if (cleanly) {
                close();
            } else {
                queue.reset();
            }
            drop_indexes();
            const auto bytes = fs.contents(path);
            fs.overwrite(path, 0, std::vector<std::uint8_t>(segment_header_size));
            open();
            EXPECT_LT(queued().size(), before.size());
            const Seq later = append(3);
            EXPECT_GT(later, Seq{300});
            queue.reset();
            fs.overwrite(path, 0, bytes);  // an operator puts it back, or the disk returns it again
            log.lines.clear();
            const SpoolReport report = verify();
            open();
            auto expected = before;
            for (std::uint64_t i = 0; i < 3; ++i) expected.push_back(to_number(later) + i);
            EXPECT_EQ(queued(), expected);
            EXPECT_EQ(report.queued, expected.size());
            EXPECT_EQ(lost_of(expected), 0U);
            EXPECT_GE(unaccounted(), 0);
        }
    }
}

TEST_F(LogFaultsTest, AHeaderlessSegmentThatCannotBeMovedStaysUntilItCan) {
    make_log();
    const std::string path = segments().back();
    queue.reset();
    const auto bytes = fs.contents(path);
    fs.overwrite(path, 0, std::vector<std::uint8_t>(segment_header_size));
    fs.fail({SimOp::mkdir, "quarantine", EDQUOT, 0, 0});
    EXPECT_TRUE(try_open().has_error());
    EXPECT_TRUE(try_open().has_error());
    fs.heal();
    fs.overwrite(path, 0, bytes);
    open();
    EXPECT_EQ(lost_of({21, 100, 299, 300}), 0U);
}

TEST_F(LogFaultsTest, AMoveToTheQuarantineSurvivesAPowerFailure) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        for (std::uint64_t operation = 1; operation < 40; ++operation) {
            fs = SimFileSystem(seed);
            next_number = 1;
            open();
            append(100, TokenId{1}, 600);
            queue.reset();
            const std::string path = segment(1);
            fs.overwrite(path, 0, std::vector<std::uint8_t>(segment_header_size));
            fs.crash_at(operation);
            try {
                open();
            } catch (const test::SimCrash&) {
            }
            power_failure();
            const std::string moved = "/state/spool/quarantine/000000000001.seg";
            ASSERT_TRUE(fs.exists(path).value() || fs.exists(moved).value())
                << "seed " << seed << ", operation " << operation;
        }
    }
}

// --- damage at rest ------------------------------------------------------------------------------

TEST_F(LogFaultsTest, DamageInTheLastCommitOfACleanEndIsNoTornWrite) {
    for (const bool at_the_start : {false, true}) {
        fs = SimFileSystem(1);
        next_number = 1;
        open();
        append(5);
        append(1);
        if (at_the_start) {
            queue.reset();  // it was killed, and the next start has confirmed the contents
            open();
            queue.reset();
        } else {
            close();
        }
        const std::uint64_t begin = first_record + 5 * event_size();
        const auto whole = fs.contents(segment(1));
        for (std::uint64_t at = begin; at < begin + event_size(6) - 8; ++at) {
            SCOPED_TRACE(fmt::format("byte {} of the last commit", at - begin));
            fs.overwrite(segment(1), 0, whole);
            fs.flip_bit(segment(1), at, static_cast<unsigned>(at % 8));
            for (const std::string& path : fs.paths()) {
                if (path != segment(1)) fs.drop(path);
            }
            log.lines.clear();
            const SpoolReport report = verify();
            open();
            ASSERT_EQ(lost_of(range(1, 6)), 1U);
            expect_told(1, report);
            EXPECT_TRUE(log.named("spool.tail_cut").empty());
            queue.reset();
        }
    }
}

// One bad sector may contain the end of the last commit and the confirmation after it.
TEST_F(LogFaultsTest, SectorsLostWithTheConfirmationAreNoTornWrite) {
    open();
    append(5);
    append(1);
    close();
    const std::uint64_t begin = first_record + 5 * event_size();
    const auto whole = fs.contents(segment(1));
    for (const std::size_t sector : {512U, 4096U}) {
        for (std::uint64_t at = begin - begin % sector; at < begin + 2 * event_size(6);
             at += sector) {
            SCOPED_TRACE(fmt::format("{} bytes at {}", sector, at));
            for (const std::string& path : fs.paths()) fs.drop(path);
            fs.overwrite(segment(1), 0, whole);
            fs.overwrite(segment(1), at, std::vector<std::uint8_t>(whole.size() - at));
            log.lines.clear();
            next_number = 7;
            const SpoolReport report = verify();
            open();
            const std::size_t lost = lost_of(range(1, 6));
            if (at < begin + event_size(6)) {
                EXPECT_GE(lost, 1U);
            }
            if (lost > 0) expect_told(lost, report);
            EXPECT_EQ(unaccounted(), static_cast<std::int64_t>(6 - queued().size()));
            EXPECT_GT(append(1), Seq{6}) << "a seq was used again";
            queue.reset();
        }
    }
}

TEST_F(LogFaultsTest, StartsAndEndsWithoutWorkWriteOneConfirmation) {
    open();
    append(3);
    const std::uint64_t end = first_record + event_size(1) + event_size(2) + event_size(3);
    for (int i = 0; i < 5; ++i) {
        close();
        open();
    }
    close();
    const auto bytes = fs.contents(segment(1));
    const auto salt = parse_segment_header(bytes).header.salt;
    const auto record = parse_record_header(std::span(bytes).subspan(end), salt);
    ASSERT_TRUE(record.has_value());
    EXPECT_EQ(record->type, RecordType::confirmation);
    EXPECT_TRUE(std::ranges::all_of(std::span(bytes).subspan(end + record_header_size),
                                    [](std::uint8_t byte) { return byte == 0; }));
}

// --- files that were cut -------------------------------------------------------------------------

TEST_F(LogFaultsTest, ANewestSegmentThatWasCutIsToldAtEveryLength) {
    fs = SimFileSystem(1);
    open();
    for (int i = 0; i < 20; ++i) append(1);
    close();
    const auto whole = fs.contents(segment(1));
    std::vector<std::uint64_t> sizes = {0, 1, 511, 512, 600, 2047, 2560, 4095, 4096, 8192, 65535};
    for (std::uint64_t size = first_record; size < first_record + 22 * event_size(); size += 8) {
        sizes.push_back(size);
    }
    for (const std::uint64_t size : sizes) {
        SCOPED_TRACE(fmt::format("cut to {} bytes", size));
        for (const std::string& path : fs.paths()) fs.drop(path);
        fs.overwrite(segment(1), 0, std::span(whole).first(size));
        next_number = 21;
        log.lines.clear();
        const SpoolReport report = verify();
        open();
        const std::size_t lost = lost_of(range(1, 20));
        EXPECT_EQ(lost, 20 - queued().size());
        EXPECT_FALSE(log.named("spool.damaged").empty());
        EXPECT_FALSE(report.damage.empty());
        EXPECT_FALSE(report.lost_is_known);
        EXPECT_GT(append(1), Seq{20}) << "a seq was used again";
        while (segments().size() < 4) append(20, TokenId{1}, 1000);
        for (const std::string& path : segments()) {
            EXPECT_LE(fs.contents(path).size(), options.segment_size) << path;
        }
        EXPECT_LE(queue->usage().disk_bytes, options.max_size);
        queue.reset();
    }
}

TEST_F(LogFaultsTest, ASegmentOfTheFormatBeforeIsReadAndWrittenOn) {
    open();
    append(20);
    queue.reset();
    auto bytes = fs.contents(segment(1));
    SegmentHeader header = parse_segment_header(bytes).header;
    header.version = 2;
    header.size = header.log = 0;
    write_segment_header(bytes.data(), header);
    fs.overwrite(segment(1), 0, bytes);
    open();
    EXPECT_EQ(queued(), range(1, 20));
    header = parse_segment_header(fs.contents(segment(1))).header;
    EXPECT_EQ(header.version, 3U);
    EXPECT_EQ(header.size, options.segment_size);
    EXPECT_TRUE(log.named("spool.damaged").empty());
    append(500);
    open();
    EXPECT_EQ(queued(), range(1, 520));
}

// --- files of others -----------------------------------------------------------------------------

TEST_F(LogFaultsTest, AForeignFileWithTheLargestNumberEndsNoLog) {
    for (const char* name : {"18446744073709551615", "1000000000000", "999999999999"}) {
        for (const bool copied : {true, false}) {
            SCOPED_TRACE(fmt::format("{}, copied {}", name, copied));
            make_log();
            const auto before = queued();
            queue.reset();
            const std::string path = fmt::format("{}/{}.seg", directory, name);
            if (copied) {
                fs.copy(segment(2), path);
            } else {
                fs.overwrite(path, 0, std::vector<std::uint8_t>(10));
            }
            for (int start = 0; start < 3; ++start) {
                open();
                append(1);
            }
            auto after = queued();
            after.resize(before.size());
            EXPECT_EQ(after, before);
            EXPECT_EQ(queued().size(), before.size() + 3);
        }
    }
}

TEST_F(LogFaultsTest, ASegmentOfAnotherLogIsNotTakenIn) {
    make_log();
    queue.reset();
    SimFileSystem other(2);
    LogOptions others = options;
    others.salt_seed = 99;
    auto there = open_segmented_log(other, directory, others, log);
    ASSERT_TRUE(there.has_value());
    const EventRecord event = make_event(1);
    ASSERT_TRUE((*there)->commit({&event, 1}, {}).has_value());
    there->reset();
    auto bytes = other.contents(segment(1));
    SegmentHeader header = parse_segment_header(bytes).header;
    header.number = 99;
    write_segment_header(bytes.data(), header);
    fs.overwrite(segment(99), 0, bytes);
    const auto refused = try_open();
    ASSERT_TRUE(refused.has_error());
    EXPECT_NE(refused.error().message.find("000000000099.seg"), std::string::npos);
    EXPECT_TRUE(check_spool(fs, "/state").has_error());
    fs.drop(segment(99));
    open();
    EXPECT_EQ(lost_of({1, 21, 300}), 0U);
}

}  // namespace
}  // namespace flowrelay::storage
