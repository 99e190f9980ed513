// Tests that a lost end of the log, or a lost log, whose other files remain, is reported by the
// start, by the books and by `spool verify`.
#include <algorithm>
#include <vector>

#include "flowrelay/base/bytes.hpp"
#include "flowrelay/storage/spool_check.hpp"
#include "hex.hpp"
#include "log_fixture.hpp"
#include "storage/high_water.hpp"

namespace flowrelay::storage {
namespace {

constexpr const char* mark_path = "/state/high-water";

class LogEndLostTest : public test::LogFixture {
protected:
    /// Makes a new log with several segments, each with events that later segments settle.
    void make_log(std::uint64_t commits) {
        fs = test::SimFileSystem(1);
        log.lines.clear();
        next_number = 1;
        open();
        for (std::uint64_t i = 0; i < commits; ++i) {
            append(10, TokenId{1 + i % 3}, 600);
            if (i > 0) settle(10 * i - 5, 10 * i - 4);
            if (i > 5) settle(10 * i - 52, 10 * i - 51, Outcome::dead);
        }
    }

    void close() {
        ASSERT_TRUE(queue->confirm().has_value());
        queue.reset();
    }

    SpoolReport verify() {
        auto report = check_spool(fs, "/state");
        EXPECT_TRUE(report.has_value()) << report.error().message;
        return report.has_value() ? std::move(*report) : SpoolReport{};
    }

    /// Whether verify reports damage of the log. It also reports that this log has no journals.
    static bool damages_log(const SpoolReport& report) {
        return std::ranges::any_of(report.damage, [](const SpoolDamage& damage) {
            return damage.file != "tokens" && damage.file != "dead-letters";
        });
    }

    std::uint64_t lost_of(const std::vector<std::uint64_t>& seqs) {
        return static_cast<std::uint64_t>(std::ranges::count_if(
            seqs, [this](std::uint64_t seq) { return queue->read(Seq{seq}).has_error(); }));
    }

    void drop_segments(std::size_t count) {
        auto paths = segments();
        while (count-- > 0) {
            fs.drop(paths.back());
            paths.pop_back();
        }
    }

    void destroy_header(const std::string& path) {
        fs.overwrite(path, 0, std::vector<std::uint8_t>(segment_header_size));
    }

    std::uint64_t told_missing() {
        std::uint64_t missing = 0;
        for (const auto& line : log.named("spool.damaged")) {
            if (line.fields.contains("missing")) missing += std::stoull(line.fields.at("missing"));
        }
        return missing;
    }

    /// Checks the report. After a clean shutdown the counts are exact, unless only some of several
    /// segments are lost: then they are lower bounds.
    void expect_told(const std::vector<std::uint64_t>& before, Seq highest, bool exact = true) {
        log.lines.clear();
        const SpoolReport report = verify();
        open();
        const std::uint64_t lost = lost_of(before);
        EXPECT_GT(lost, 0U);
        EXPECT_GT(told_missing(), 0U);
        EXPECT_LE(told_missing(), lost);
        if (exact) {
            EXPECT_EQ(told_missing(), lost);
        }
        EXPECT_EQ(unaccounted(), static_cast<std::int64_t>(told_missing()));
        EXPECT_TRUE(damages_log(report));
        EXPECT_EQ(report.lost, told_missing());
        EXPECT_FALSE(report.lost_is_known) << "the count is a lower bound";
        EXPECT_EQ(report.queued, queued().size());
        EXPECT_EQ(report.ledger, queue->ledger());
        EXPECT_GT(append(1), highest) << "a seq was used again";
    }

    /// Checks later starts: the books keep the loss until an operator books it.
    void expect_kept_until_booked() {
        const auto lost = static_cast<std::uint64_t>(unaccounted());
        for (int start = 0; start < 2; ++start) {
            close();
            log.lines.clear();
            open();
            EXPECT_EQ(unaccounted(), static_cast<std::int64_t>(lost));
            EXPECT_LE(told_missing(), 1000U) << "seqs that were left out are no events";
        }
        ASSERT_TRUE(queue->book_lost({lost}, {WallTime(Milliseconds(1)), 0}).has_value());
        close();
        open();
        EXPECT_EQ(unaccounted(), 0);
    }
};

TEST_F(LogEndLostTest, TheNewestSegmentsDeletedAfterACleanEndAreToldWithTheirEvents) {
    for (const std::uint64_t commits : {1U, 3U, 12U, 30U, 60U}) {
        for (std::size_t count = 1; count <= 3; ++count) {
            for (const bool indexed : {true, false}) {
                SCOPED_TRACE(fmt::format("{} commits, {} segments deleted, indexed {}", commits,
                                         count, indexed));
                make_log(commits);
                if (count > segments().size()) continue;
                const bool exact = count == 1 || count == segments().size();
                const auto before = queued();
                const Seq highest{10 * commits};
                close();
                drop_segments(count);
                if (!indexed) drop_indexes();
                expect_told(before, highest, exact);
                expect_kept_until_booked();
            }
        }
    }
}

TEST_F(LogEndLostTest, ANewestSegmentWithoutItsHeaderIsToldWithItsEvents) {
    for (const std::uint64_t commits : {1U, 3U, 12U, 30U, 60U}) {
        SCOPED_TRACE(commits);
        make_log(commits);
        const auto before = queued();
        close();
        destroy_header(segments().back());
        expect_told(before, Seq{10 * commits});
        expect_kept_until_booked();
    }
}

TEST_F(LogEndLostTest, AllOfTheLogDeletedIsToldWithItsEvents) {
    for (const std::uint64_t commits : {1U, 12U, 60U}) {
        SCOPED_TRACE(commits);
        make_log(commits);
        const auto before = queued();
        close();
        for (const std::string& path : fs.paths()) {
            if (path.starts_with("/state/spool/")) fs.drop(path);
        }
        expect_told(before, Seq{10 * commits});
        expect_kept_until_booked();
    }
}

// docs/spool-format.md has the table: a change here is a new version of the file.
TEST(HighWater, HasItsGoldenBytes) {
    HighWater mark;
    mark.log = 0x0123456789ABCDEF;
    mark.segment = 12;
    mark.next_seq = Seq{1001};
    mark.queued = 86;
    mark.queued_in_newest = 7;
    mark.ledger = {1000, 900, 5, 4, 3, 2, 1};
    const auto bytes = encode(mark);
    EXPECT_EQ(test::hex(std::span(bytes).first(112)),
              "46524849 4748574d 01000000 00000000\n"
              "efcdab89 67452301 0c000000 00000000\n"
              "e9030000 00000000 56000000 00000000\n"
              "07000000 00000000 e8030000 00000000\n"
              "84030000 00000000 05000000 00000000\n"
              "04000000 00000000 03000000 00000000\n"
              "02000000 00000000 01000000 00000000\n");
    EXPECT_EQ(decode_high_water(bytes), mark);
}

TEST_F(LogEndLostTest, ANewerMarkIsRefusedByName) {
    make_log(3);
    close();
    auto bytes = fs.contents(mark_path);
    bytes[8] = 2;
    store_le(&bytes[116], crc32c(std::span(bytes).first(116)));
    fs.overwrite(mark_path, 0, bytes);
    const auto opened = try_open();
    ASSERT_TRUE(opened.has_error());
    EXPECT_NE(opened.error().message.find(mark_path), std::string::npos);
}

// Events accepted since the mark was written are unknown, but the loss is reported.
TEST_F(LogEndLostTest, AfterACrashALostEndIsTold) {
    for (const std::uint64_t commits : {1U, 3U, 12U, 30U, 60U}) {
        for (const bool deleted : {true, false}) {
            SCOPED_TRACE(fmt::format("{} commits, deleted {}", commits, deleted));
            make_log(commits);
            const auto before = queued();
            power_failure();
            if (deleted) {
                drop_segments(1);
            } else {
                destroy_header(segments().back());
            }
            log.lines.clear();
            const SpoolReport report = verify();
            open();
            EXPECT_GT(lost_of(before), 0U);
            EXPECT_FALSE(log.named("spool.damaged").empty());
            EXPECT_GE(unaccounted(), 0);
            EXPECT_TRUE(damages_log(report));
            EXPECT_FALSE(report.lost_is_known);
            EXPECT_GT(append(1), Seq{10 * commits}) << "a seq was used again";
        }
    }
}

// A spool of a version without the mark: only sealed segments have an index.
TEST_F(LogEndLostTest, WithoutTheMarkTheIndexOfASealedSegmentTellsThatOneFollowed) {
    for (const std::uint64_t commits : {12U, 30U, 60U}) {
        SCOPED_TRACE(commits);
        make_log(commits);
        ASSERT_GT(segments().size(), 1U);
        const auto before = queued();
        close();
        fs.drop(mark_path);
        drop_segments(1);
        log.lines.clear();
        const SpoolReport report = verify();
        open();
        EXPECT_GT(lost_of(before), 0U);
        EXPECT_FALSE(log.named("spool.damaged").empty());
        EXPECT_TRUE(damages_log(report));
        EXPECT_FALSE(report.lost_is_known);
        EXPECT_GT(append(1), Seq{10 * commits}) << "a seq was used again";
    }
}

TEST_F(LogEndLostTest, WithoutTheMarkAnEmptyLogBesideOtherFilesIsTold) {
    make_log(12);
    close();
    for (const std::string& path : fs.paths()) fs.drop(path);
    fs.overwrite("/state/tokens", 0, std::vector<std::uint8_t>(64));
    options.used_before = true;
    log.lines.clear();
    open();
    ASSERT_EQ(log.named("spool.damaged").size(), 1U);
    EXPECT_GT(append(1), Seq{120}) << "a seq was used again";
    close();
    log.lines.clear();
    open();
    EXPECT_TRUE(log.named("spool.damaged").empty()) << "there is a log now";
}

TEST_F(LogEndLostTest, AnotherLogInItsPlaceIsTold) {
    make_log(12);
    const auto before = queued();
    close();
    const auto mark = fs.contents(mark_path);
    options.salt_seed = 99;
    make_log(2);
    const auto here = queued();
    close();
    fs.overwrite(mark_path, 0, mark);
    log.lines.clear();
    const SpoolReport report = verify();
    open();
    EXPECT_EQ(queued(), here);
    EXPECT_EQ(told_missing(), before.size());
    EXPECT_EQ(unaccounted(), static_cast<std::int64_t>(before.size()));
    EXPECT_EQ(report.lost, before.size());
    expect_kept_until_booked();
    EXPECT_EQ(queued(), here);
}

TEST_F(LogEndLostTest, AnotherLogInItsPlaceIsToldUntilADiskThatIsFullTakesIt) {
    make_log(12);
    const auto before = static_cast<std::int64_t>(queued().size());
    close();
    const auto mark = fs.contents(mark_path);
    options.salt_seed = 99;
    make_log(2);
    close();
    fs.overwrite(mark_path, 0, mark);
    for (const std::string& path : fs.paths()) {
        if (path.ends_with(".spare")) fs.drop(path);
    }
    fs.fail({test::SimOp::create, ".spare", ENOSPC, 0, 0});
    for (int start = 0; start < 2; ++start) {
        open();
        EXPECT_EQ(unaccounted(), before);
        close();
    }
    fs.heal();
    open();
    EXPECT_EQ(unaccounted(), before);
    expect_kept_until_booked();
}

TEST_F(LogEndLostTest, ALogWithoutALossIsQuiet) {
    for (const std::uint64_t commits : {0U, 1U, 12U, 60U}) {
        for (const bool cleanly : {true, false}) {
            for (const bool old : {true, false}) {
                SCOPED_TRACE(fmt::format("{} commits, cleanly {}, old {}", commits, cleanly, old));
                make_log(commits);
                const auto before = queued();
                if (cleanly) {
                    close();
                } else {
                    power_failure();
                }
                if (old) fs.drop(mark_path);
                const SpoolReport report = verify();
                EXPECT_FALSE(damages_log(report));
                EXPECT_TRUE(report.lost_is_known);
                for (int start = 0; start < 3; ++start) open();
                EXPECT_EQ(queued(), before);
                EXPECT_EQ(unaccounted(), 0);
                EXPECT_TRUE(log.named("spool.damaged").empty());
            }
        }
    }
}

TEST_F(LogEndLostTest, AMarkThatIsDamagedOrCannotBeReadHarmsNothing) {
    make_log(12);
    const auto before = queued();
    close();
    const auto whole = fs.contents(mark_path);
    for (std::size_t at = 0; at < whole.size(); ++at) {
        SCOPED_TRACE(at);
        fs.flip_bit(mark_path, at, static_cast<unsigned>(at % 8));
        log.lines.clear();
        EXPECT_TRUE(damages_log(verify()));
        open();
        EXPECT_EQ(queued(), before);
        EXPECT_EQ(log.named("spool.damaged").size(), 1U);
        queue.reset();
        fs.overwrite(mark_path, 0, whole);
    }
    fs.fail({test::SimOp::read, "/high-water", EIO, 0, 0});
    const auto opened = try_open();
    ASSERT_TRUE(opened.has_error());
    EXPECT_NE(opened.error().message.find(mark_path), std::string::npos);
    fs.heal();
    fs.fail({test::SimOp::write, "/high-water.tmp", ENOSPC, 0, 0});
    open();
    append(100, TokenId{1}, 600);
    EXPECT_EQ(unaccounted(), 0);
}

// An operator finds the file and puts it back.
TEST_F(LogEndLostTest, ANewestSegmentThatComesBackHasItsEventsAndTheBooksBalance) {
    for (const std::uint64_t commits : {3U, 12U, 30U, 60U}) {
        SCOPED_TRACE(commits);
        make_log(commits);
        const auto before = queued();
        close();
        const std::string path = segments().back();
        const auto bytes = fs.contents(path);
        fs.drop(path);
        open();
        EXPECT_GT(unaccounted(), 0);
        const Seq later = append(2);
        close();
        fs.overwrite(path, 0, bytes);
        log.lines.clear();
        const SpoolReport report = verify();
        open();
        auto expected = before;
        for (std::uint64_t i = 0; i < 2; ++i) expected.push_back(to_number(later) + i);
        EXPECT_EQ(queued(), expected);
        EXPECT_EQ(unaccounted(), 0);
        EXPECT_TRUE(log.named("spool.damaged").empty());
        EXPECT_FALSE(damages_log(report));
        EXPECT_EQ(report.unaccounted(), 0);
        append(200, TokenId{1}, 600);
        for (int start = 0; start < 2; ++start) {
            close();
            open();
            EXPECT_EQ(unaccounted(), 0);
        }
    }
}

// Events accepted after the mark are in no books until their segment is back.
TEST_F(LogEndLostTest, ASegmentThatComesBackAfterACrashIsNoDamageAtAnyStart) {
    for (const std::uint64_t commits : {3U, 12U, 31U, 60U}) {
        for (const bool booked : {false, true}) {
            SCOPED_TRACE(fmt::format("{} commits, booked {}", commits, booked));
            make_log(commits);
            append(30);
            power_failure();
            const std::string path = segments().back();
            const auto bytes = fs.contents(path);
            fs.drop(path);
            open();
            const auto lost = static_cast<std::uint64_t>(unaccounted());
            if (booked && lost > 0) {
                ASSERT_TRUE(queue->book_lost({lost}, {WallTime(Milliseconds(1)), 0}).has_value());
            }
            append(2);
            close();
            fs.overwrite(path, 0, bytes);
            core::Ledger before;
            for (int start = 0; start < 5; ++start) {
                log.lines.clear();
                const SpoolReport report = verify();
                EXPECT_FALSE(damages_log(report));
                EXPECT_EQ(report.returned.settled, 0U);
                open();
                EXPECT_EQ(report.ledger, queue->ledger());
                EXPECT_TRUE(log.named("spool.damaged").empty());
                EXPECT_EQ(unaccounted(), 0);
                EXPECT_GE(queue->ledger().accepted, before.accepted) << "start " << start;
                EXPECT_GE(queue->ledger().delivered, before.delivered) << "start " << start;
                const auto left = queued();
                ASSERT_GE(left.size(), 2U);
                for (std::size_t i = 0; i < 2; ++i) settle(left[i], left[i]);
                before = queue->ledger();
                close();
            }
        }
    }
}

}  // namespace
}  // namespace flowrelay::storage
