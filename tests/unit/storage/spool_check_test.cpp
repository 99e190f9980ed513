#include "flowrelay/storage/spool_check.hpp"

#include <algorithm>
#include <cstdlib>

#include "flowrelay/base/bytes.hpp"
#include "flowrelay/base/random.hpp"
#include "log_fixture.hpp"
#include "storage/dead_letters.hpp"
#include "storage/registry.hpp"
#include "storage/segment_index.hpp"

namespace flowrelay::storage {
namespace {

using test::Outcome;
using Kind = SpoolFile::Kind;

class SpoolCheckTest : public test::LogFixture {
protected:
    static constexpr const char* tokens = "/state/tokens";
    static constexpr const char* letters = "/state/dead-letters";

    void make_registry() {
        const auto registry = Registry::open(fs, tokens, log).value();
        std::vector<core::TokenEntry> entries(2);
        entries[0].id = TokenId{1};
        entries[0].source = "ci";
        entries[1].id = TokenId{2};
        entries[1].secret = Secret("0123456789abcdef0123456789abcdef");
        ASSERT_TRUE(registry->put(entries).has_value());
    }

    void make_letter(std::uint64_t seq = 1) {
        const auto dead = DeadLetters::open(fs, letters, log).value();
        core::DeadLetter letter;
        letter.seq = Seq{seq};
        letter.event = test::make_event(seq);
        ASSERT_TRUE(dead->add({&letter, 1}).has_value());
    }

    /// Makes three segments; the events from 101 to a little over 500 are queued.
    void make_spool() {
        open();
        make_registry();
        make_letter();
        while (segments().size() < 3) append(50, TokenId{1 + next_number / 50 % 2});
        settle(1, 100);
        append(10);
        queue.reset();
    }

    Result<SpoolReport> check() { return check_spool(fs, "/state"); }

    /// Checks the spool, and that nothing was changed.
    SpoolReport report() {
        std::vector<std::vector<std::uint8_t>> before;
        for (const auto& path : fs.paths()) before.push_back(fs.contents(path));
        const std::size_t operations = fs.operations().size();
        auto result = check();
        EXPECT_EQ(fs.operations().size(), operations);
        std::vector<std::vector<std::uint8_t>> after;
        for (const auto& path : fs.paths()) after.push_back(fs.contents(path));
        EXPECT_EQ(before, after);
        EXPECT_TRUE(result.has_value()) << result.error().message;
        return result.has_value() ? std::move(*result) : SpoolReport{};
    }

    static const SpoolFile* find(const SpoolReport& report, const std::string& name) {
        const auto found = std::ranges::find(report.files, name, &SpoolFile::name);
        return found == report.files.end() ? nullptr : &*found;
    }

    static std::uint64_t missing(const SpoolReport& report) {
        std::uint64_t sum = 0;
        for (const SpoolDamage& damage : report.damage) sum += damage.missing;
        return sum;
    }

    static std::string index(std::uint64_t number) {
        return fmt::format("{}/{:012}.idx", directory, number);
    }
};

TEST_F(SpoolCheckTest, SaysWhatIsInASpoolThatIsWhole) {
    make_spool();
    const std::uint64_t accepted = next_number - 1;
    const SpoolReport found = report();
    EXPECT_TRUE(found.damage.empty()) << found.damage.front().reason;
    EXPECT_EQ(found.queued, accepted - 100);
    EXPECT_EQ(found.ledger.accepted, accepted);
    EXPECT_EQ(found.ledger.delivered, 100U);
    EXPECT_EQ(found.unaccounted(), 0);
    EXPECT_EQ(found.letters, 1U);
    EXPECT_EQ(found.oldest, test::make_event(101).accepted);
    ASSERT_EQ(found.queues.size(), 2U);
    EXPECT_EQ(found.queues[0].source, "ci");
    EXPECT_EQ(found.queues[1].source, "");
    EXPECT_EQ(found.queues[1].state, core::TokenEntry::State::active);
    EXPECT_EQ(found.queues[0].events + found.queues[1].events, found.queued);
    ASSERT_NE(find(found, "spool/000000000001.seg"), nullptr);
    EXPECT_EQ(find(found, "spool/000000000001.idx")->note, "");
    EXPECT_EQ(find(found, "tokens")->entries, 2U);
    EXPECT_EQ(find(found, "dead-letters")->entries, 1U);
}

TEST_F(SpoolCheckTest, LooksAtTheKnownIdsAsWell) {
    options.dedup_window = Milliseconds(1 << 30);
    open();
    make_registry();
    append(500);
    settle(1, 500);
    queue.reset();
    const auto found = report();
    EXPECT_TRUE(found.damage.empty());
    const auto* ids = find(found, "spool/known-ids");
    ASSERT_NE(ids, nullptr);
    EXPECT_EQ(ids->kind, SpoolFile::Kind::known_ids);
    EXPECT_GT(ids->entries, 100U);
    fs.flip_bit("/state/spool/known-ids", journal_header_size + record_header_size + 20);
    EXPECT_FALSE(report().damage.empty());
}

TEST_F(SpoolCheckTest, AgreesWithTheLogAfterEachStart) {
    make_spool();
    for (int start = 0; start < 3; ++start) {
        open();
        append(20);
        const auto seqs = queued();
        const auto books = queue->ledger();
        queue.reset();
        const SpoolReport found = report();
        EXPECT_TRUE(found.damage.empty());
        EXPECT_EQ(found.queued, seqs.size());
        EXPECT_EQ(found.ledger, books);
    }
}

TEST_F(SpoolCheckTest, AgreesWithTheLogAfterACompaction) {
    options.max_size = 1 << 22;
    open();
    make_registry();
    while (segments().size() < 6) append(50);
    settle(2, next_number / 2);
    while (queue->maintain().value()) {
    }
    const auto seqs = queued();
    queue.reset();
    const SpoolReport found = report();
    EXPECT_TRUE(found.damage.empty()) << found.damage.front().reason;
    EXPECT_EQ(found.queued, seqs.size());
    EXPECT_EQ(found.unaccounted(), 0);
    const auto compacted = std::ranges::find_if(
        found.files, [](const SpoolFile& file) { return file.note.starts_with("compacted"); });
    EXPECT_NE(compacted, found.files.end());
}

TEST_F(SpoolCheckTest, FindsDamageInTheMiddle) {
    make_spool();
    const std::uint64_t queued_before = report().queued;
    fs.flip_bit(segment(2), first_record + 2 * event_size() + 5);
    const SpoolReport found = report();
    ASSERT_EQ(found.damage.size(), 1U);
    EXPECT_EQ(found.damage[0].file, "spool/000000000002.seg");
    EXPECT_EQ(found.damage[0].missing, 1U);
    EXPECT_LE(*found.damage[0].offset, first_record + 2 * event_size() + 5);
    EXPECT_GT(*found.damage[0].offset + found.damage[0].bytes, first_record + 2 * event_size() + 5);
    EXPECT_EQ(found.queued, queued_before - 1);
    EXPECT_EQ(found.unaccounted(), 1);
    EXPECT_NE(find(found, "spool/000000000002.idx")->note, "");
}

TEST_F(SpoolCheckTest, FindsAQueuedEventWithoutItsContentsAndExcusesASettledOne) {
    make_spool();
    fs.flip_bit(segment(1), first_record + record_header_size + 20);  // of event 1: settled
    EXPECT_TRUE(report().damage.empty());
    fs.flip_bit(segment(2), first_record + record_header_size + 20);
    const SpoolReport found = report();
    ASSERT_EQ(found.damage.size(), 1U);
    EXPECT_EQ(found.damage[0].offset, first_record);
    EXPECT_EQ(missing(found), 1U);
}

TEST_F(SpoolCheckTest, TakesATornTailForWhatItIs) {
    make_spool();
    const auto whole = report();
    open();
    append(3);
    queue.reset();
    // Only the last of the three reached the disk.
    const std::string newest = segments().back();
    auto bytes = fs.contents(newest);
    const auto salt = parse_segment_header(bytes).header.salt;
    std::size_t at = first_record;
    std::vector<std::size_t> records;
    while (const auto header = parse_record_header(std::span(bytes).subspan(at), salt)) {
        records.push_back(at);
        at += record_size(*header);
    }
    const std::vector<std::uint8_t> zeros(event_size());
    fs.overwrite(newest, records[records.size() - 3], zeros);
    const SpoolReport found = report();
    EXPECT_TRUE(found.damage.empty()) << found.damage.front().reason;
    EXPECT_EQ(found.queued, whole.queued);
    EXPECT_NE(find(found, newest.substr(7))->note.find("not finished"), std::string::npos);
}

TEST_F(SpoolCheckTest, FindsASegmentWithoutAHeaderAndOneThatIsMissing) {
    make_spool();
    const auto first_seq = [this](std::uint64_t number) {
        return to_number(parse_segment_header(fs.contents(segment(number))).header.next_seq);
    };
    const std::uint64_t held = first_seq(3) - first_seq(2);
    const std::vector<std::uint8_t> zeros(segment_header_size);
    fs.overwrite(segment(2), 0, zeros);
    SpoolReport found = report();
    ASSERT_EQ(found.damage.size(), 1U);
    EXPECT_EQ(found.damage[0].file, "spool/000000000002.seg");
    EXPECT_EQ(found.damage[0].bytes, options.segment_size);
    EXPECT_EQ(found.damage[0].missing, held);
    EXPECT_EQ(found.lost, static_cast<std::uint64_t>(found.unaccounted()));
    EXPECT_GT(found.lost, 0U);
    fs.drop(segment(2));
    found = report();
    ASSERT_EQ(found.damage.size(), 1U);
    EXPECT_FALSE(found.damage[0].offset.has_value());
    EXPECT_EQ(found.damage[0].missing, held);
    EXPECT_EQ(find(found, "spool/000000000002.idx")->kind, Kind::leftover);
}

TEST_F(SpoolCheckTest, WithoutTheLastHeaderItDoesNotKnowAllThatIsLost) {
    make_spool();
    EXPECT_TRUE(report().lost_is_known);
    const auto whole = fs.contents(segments().back());
    fs.cut(segments().back(), first_record + record_header_size + 8);
    EXPECT_FALSE(report().lost_is_known);
    EXPECT_EQ(report().damage.size(), 1U);
    fs.overwrite(segments().back(), 0, whole);
    EXPECT_TRUE(report().lost_is_known);
    fs.overwrite(segments().back(), 0, std::vector<std::uint8_t>(segment_header_size));
    EXPECT_FALSE(report().lost_is_known);
}

TEST_F(SpoolCheckTest, TakesNoFileForASegmentThatTheLogDoesNot) {
    make_spool();
    fs.copy(segment(2), std::string(directory) + "/0000000000000002.seg");
    const SpoolReport found = report();
    EXPECT_TRUE(found.damage.empty());
    EXPECT_EQ(find(found, "spool/0000000000000002.seg")->kind, Kind::foreign);
}

TEST_F(SpoolCheckTest, FindsAnUnreadableSector) {
    make_spool();
    fs.make_unreadable(segment(2), first_record + 1024, 512);
    const SpoolReport found = report();
    ASSERT_FALSE(found.damage.empty());
    EXPECT_GT(missing(found), 0U);
}

TEST_F(SpoolCheckTest, HoldsIndexesAgainstTheirSegments) {
    make_spool();
    fs.flip_bit(index(1), index_block_size + 8);  // detected by its checksum
    EXPECT_TRUE(report().damage.empty());
    EXPECT_NE(find(report(), "spool/000000000001.idx")->note, "");

    // An index of the same segment with one event less, but consistent.
    auto bytes = fs.contents(segment(2));
    const SegmentHeader header = parse_segment_header(bytes).header;
    IndexContents forged;
    forged.number = 2;
    forged.salt = header.salt;
    forged.end = parse_segment_header(fs.contents(segment(3))).header.previous_end;
    const auto encoded = encode_index(forged);
    fs.cut(index(2), 0);
    fs.overwrite(index(2), 0, encoded);
    const SpoolReport found = report();
    ASSERT_EQ(found.damage.size(), 1U);
    EXPECT_EQ(found.damage[0].file, "spool/000000000002.idx");

    fs.drop(index(2));
    EXPECT_TRUE(report().damage.empty());
}

TEST_F(SpoolCheckTest, FindsDamageInTheRegistry) {
    make_spool();
    fs.flip_bit(tokens, journal_header_size + record_header_size + 3);
    SpoolReport found = report();
    ASSERT_EQ(found.damage.size(), 1U);
    EXPECT_EQ(found.damage[0].file, "tokens");
    EXPECT_EQ(found.damage[0].offset, journal_header_size);
    fs.flip_bit(tokens, 3);
    found = report();
    ASSERT_EQ(found.damage.size(), 1U);
    EXPECT_NE(found.damage[0].reason.find("header"), std::string::npos);
    fs.drop(tokens);
    EXPECT_EQ(report().damage.size(), 1U);
}

TEST_F(SpoolCheckTest, FindsARegistryOfAnotherSpool) {
    make_spool();
    fs.drop(tokens);
    const auto registry = Registry::open(fs, tokens, log);
    ASSERT_TRUE(registry.has_value());
    const SpoolReport found = report();
    ASSERT_EQ(found.damage.size(), 2U);  // both tokens
    EXPECT_NE(found.damage[0].reason.find("does not know token 1"), std::string::npos);
}

TEST_F(SpoolCheckTest, FindsDamageInTheDeadLetters) {
    make_spool();
    fs.flip_bit(letters, journal_header_size + record_header_size + 3);
    // The only letter was appended last: without its checksum it is a torn tail.
    EXPECT_TRUE(report().damage.empty());
    EXPECT_NE(find(report(), "dead-letters")->note.find("not finished"), std::string::npos);
    make_letter();
    make_letter();
    fs.flip_bit(letters, journal_header_size + record_header_size + 3);
    const SpoolReport found = report();
    ASSERT_EQ(found.damage.size(), 1U);
    EXPECT_EQ(found.damage[0].file, "dead-letters");
}

TEST_F(SpoolCheckTest, TakesALetterWhoseEventIsQueuedForNone) {
    make_spool();
    EXPECT_EQ(report().letters, 1U);
    make_letter(150);
    const SpoolReport found = report();
    EXPECT_EQ(found.letters, 1U) << "a crash came between it and its outcome";
    EXPECT_NE(find(found, "dead-letters")->note.find("1 of them of events that are queued still"),
              std::string::npos);
    EXPECT_TRUE(found.damage.empty());
}

TEST_F(SpoolCheckTest, NamesWhatDoesNotBelongThere) {
    make_spool();
    fs.copy(segment(1), "/state/spool/000000000009.tmp");
    fs.copy(segment(1), "/state/spool/notes.txt");
    fs.copy(tokens, "/state/tokens.tmp");
    const SpoolReport found = report();
    EXPECT_TRUE(found.damage.empty());
    EXPECT_EQ(find(found, "spool/000000000009.tmp")->kind, Kind::leftover);
    EXPECT_EQ(find(found, "spool/notes.txt")->kind, Kind::foreign);
    EXPECT_EQ(find(found, "tokens.tmp")->kind, Kind::leftover);
}

TEST_F(SpoolCheckTest, RefusesWhatItCantJudge) {
    EXPECT_NE(check().error().message.find("there is no spool in /state"), std::string::npos);
    make_spool();
    EXPECT_NE(check_spool(fs, directory).error().message.find("name the directory above"),
              std::string::npos);
    open();
    EXPECT_NE(check().error().message.find("is in use by"), std::string::npos);
    queue.reset();
    EXPECT_TRUE(check().has_value());

    auto bytes = fs.contents(segment(3));
    for (const std::size_t copy : {0U, 2048U}) {
        store_le(bytes.data() + copy + 8, segment_format_version + 1);
        store_le(bytes.data() + copy + 508, crc32c(std::span(bytes).subspan(copy, 508)));
    }
    fs.overwrite(segment(3), 0, bytes);
    EXPECT_NE(check().error().message.find("has format 4"), std::string::npos);
}

TEST_F(SpoolCheckTest, FindsBooksThatDoNotBalance) {
    make_spool();
    auto bytes = fs.contents(segments().back());
    SegmentHeader header = parse_segment_header(bytes).header;
    header.ledger.accepted += 7;
    write_segment_header(bytes.data(), header);
    fs.overwrite(segments().back(), 0, bytes);
    const SpoolReport found = report();
    ASSERT_EQ(found.damage.size(), 1U);
    EXPECT_EQ(found.damage[0].missing, 7U);
}

TEST_F(SpoolCheckTest, EventsBookedAsLostThatAreThereAgainAreNoDamage) {
    for (const std::uint64_t lost : {1U, 17U, 100U}) {
        for (const std::uint64_t settled : {0U, 5U}) {
            SCOPED_TRACE(fmt::format("{} {}", lost, settled));
            fs = test::SimFileSystem(lost);
            next_number = 1;
            make_spool();
            auto bytes = fs.contents(segments().back());
            SegmentHeader header = parse_segment_header(bytes).header;
            header.ledger.lost += lost;
            header.ledger.delivered += settled;
            write_segment_header(bytes.data(), header);
            fs.overwrite(segments().back(), 0, bytes);
            const SpoolReport found = report();
            EXPECT_EQ(found.unaccounted(), 0);
            EXPECT_EQ(found.returned.lost, lost);
            EXPECT_EQ(found.returned.settled, settled);
            EXPECT_EQ(found.ledger.lost, 0U);
            EXPECT_EQ(found.damage.size(), settled > 0 ? 1U : 0U);
            open();
            EXPECT_EQ(queue->ledger(), found.ledger) << "as the next start has it";
            queue.reset();
        }
    }
}

// The remains of crashes are not damage, and the report matches what the next start finds.
TEST(SpoolCheckCrash, TakesNoCrashForDamage) {
    std::uint64_t seeds = 400;
    if (const char* given = std::getenv("FLOWRELAY_SEEDS")) seeds = std::stoull(given);
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        Random random(seed);
        test::SimFileSystem fs(seed);
        if (seed % 2 == 0) fs.be_harsh();
        NullLog log;
        LogOptions options;
        options.segment_size = 16 * 1024;
        options.max_size = 512 * 1024;
        options.salt_seed = seed;
        options.high_water = "/state/high-water";
        std::uint64_t number = 0;
        fs.crash_at(1 + random.below(300));
        try {
            auto queue = open_segmented_log(fs, "/state/spool", options, log);
            const auto registry = Registry::open(fs, "/state/tokens", log);
            core::TokenEntry entry;
            entry.id = TokenId{1};
            ASSERT_TRUE((*registry)->put({&entry, 1}).has_value());
            while (true) {
                std::vector<EventRecord> events;
                for (std::uint64_t i = random.below(8); i > 0; --i) {
                    events.push_back(test::make_event(++number));
                }
                std::vector<Settlement> outcomes;
                for (std::uint64_t i = random.below(8); i > 0; --i) {
                    outcomes.push_back({Seq{1 + random.below(number + 1)}, Outcome::delivered});
                }
                static_cast<void>((*queue)->commit(events, outcomes));
                static_cast<void>((*queue)->maintain());
            }
        } catch (const test::SimCrash&) {
        }
        fs.power_failure();
        const auto report = check_spool(fs, "/state");
        const bool begun = fs.exists("/state/spool").value();
        ASSERT_EQ(report.has_value(), begun) << report.error().message;
        if (!begun) continue;
        ASSERT_TRUE(report->damage.empty())
            << report->damage[0].file << ": " << report->damage[0].reason;
        const auto queue = open_segmented_log(fs, "/state/spool", options, log);
        ASSERT_TRUE(queue.has_value());
        ASSERT_EQ(report->queued, (*queue)->usage().events);
        ASSERT_EQ(report->ledger, (*queue)->ledger());
    }
}

}  // namespace
}  // namespace flowrelay::storage
