#include "storage/dead_letters.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "flowrelay/storage/declare_damaged.hpp"
#include "log_fixture.hpp"
#include "storage/record_journal.hpp"

namespace flowrelay::storage {
namespace {

using test::make_event;
using test::SimCrash;
using test::SimFileSystem;
using test::SimOp;

constexpr const char* letter_file = "/state/dead-letters";

DeadLetter letter_of(std::uint64_t seq, TokenId token = TokenId{1}, std::size_t body = 100) {
    DeadLetter letter;
    letter.seq = Seq{seq};
    letter.event = make_event(seq, token, body);
    if (seq % 2 == 0) letter.event.producer = core::Producer{1000, 77, "cron.service"};
    letter.outcome = seq % 2 == 0 ? core::Outcome::dead : core::Outcome::expired;
    letter.died = WallTime(Milliseconds(1'000'000 - static_cast<std::int64_t>(seq)));
    letter.attempts = static_cast<std::uint32_t>(seq);
    letter.status = 400;
    letter.reason = "refused-" + std::to_string(seq);
    letter.server_errors = R"({"title":["is bad"]})";
    return letter;
}

class DeadLettersTest : public ::testing::Test {
protected:
    DeadLettersTest() { open(); }

    void open() {
        auto opened = DeadLetters::open(fs, letter_file, log);
        ASSERT_TRUE(opened.has_value()) << opened.error().message;
        letters = std::move(*opened);
    }

    void add(std::uint64_t first, std::uint64_t last, TokenId token = TokenId{1}) {
        std::vector<DeadLetter> added;
        for (std::uint64_t seq = first; seq <= last; ++seq) added.push_back(letter_of(seq, token));
        ASSERT_TRUE(letters->add(added).has_value());
    }

    std::uint64_t remove(std::vector<Seq> seqs) {
        const auto removed = letters->remove(seqs);
        EXPECT_TRUE(removed.has_value());
        return removed.has_value() ? *removed : 0;
    }

    std::vector<std::uint64_t> seqs() const {
        std::vector<std::uint64_t> found;
        for (const auto& letter : letters->list(1000)) found.push_back(to_number(letter.seq));
        return found;
    }

    SimFileSystem fs{1};
    test::RecordingLog log;
    std::unique_ptr<DeadLetters> letters;
    using Seqs = std::vector<std::uint64_t>;
};

TEST_F(DeadLettersTest, ALetterWithAnUnknownOutcomeIsDamage) {
    for (const int outcome : {0, 1, 4, 5, 6, 99, 255}) {
        SCOPED_TRACE(outcome);
        add(1, 1);
        DeadLetter strange = letter_of(2);
        strange.outcome = static_cast<core::Outcome>(outcome);
        ASSERT_TRUE(letters->add({&strange, 1}).has_value());
        add(3, 3);
        const std::size_t before = log.named("spool.damaged").size();
        open();
        EXPECT_EQ(seqs(), (std::vector<std::uint64_t>{3, 1}));
        EXPECT_EQ(log.named("spool.damaged").size(), before + 1);
        EXPECT_EQ(remove({Seq{1}, Seq{2}, Seq{3}}), 2U);
        ASSERT_TRUE(letters->erase(TokenId{1}).has_value());
    }
}

TEST_F(DeadLettersTest, ComeBackAsTheyWere) {
    add(1, 3);
    for (int run = 0; run < 2; ++run) {
        const auto back = letters->read(Seq{2});
        ASSERT_TRUE(back.has_value());
        const DeadLetter expected = letter_of(2);
        EXPECT_TRUE(test::same(back->event, expected.event));
        EXPECT_EQ(back->outcome, expected.outcome);
        EXPECT_EQ(back->died, expected.died);
        EXPECT_EQ(back->attempts, expected.attempts);
        EXPECT_EQ(back->status, expected.status);
        EXPECT_EQ(back->reason, expected.reason);
        EXPECT_EQ(back->server_errors, expected.server_errors);
        fs.power_failure();
        open();
    }
}

TEST_F(DeadLettersTest, AreListedOldestFirstWithoutBodies) {
    add(1, 5);  // the higher the seq, the earlier it died
    EXPECT_EQ(seqs(), (Seqs{5, 4, 3, 2, 1}));
    const auto two = letters->list(2);
    ASSERT_EQ(two.size(), 2U);
    EXPECT_EQ(two[0].seq, Seq{5});
    EXPECT_EQ(two[0].event.token, TokenId{1});
    EXPECT_EQ(two[0].reason, "refused-5");
    EXPECT_TRUE(two[0].event.body.empty());
}

TEST_F(DeadLettersTest, AddingAgainReplaces) {
    add(1, 2);
    DeadLetter again = letter_of(1);
    again.reason = "another reason";
    ASSERT_TRUE(letters->add({&again, 1}).has_value());
    EXPECT_EQ(letters->size(), 2U);
    open();
    EXPECT_EQ(letters->size(), 2U);
    EXPECT_EQ(letters->read(Seq{1})->reason, "another reason");
}

TEST_F(DeadLettersTest, RemovedLettersAreGone) {
    add(1, 5);
    EXPECT_EQ(remove({Seq{2}, Seq{4}, Seq{4}, Seq{77}}), 2U);
    EXPECT_EQ(remove({Seq{2}}), 0U);
    fs.power_failure();
    open();
    EXPECT_EQ(seqs(), (Seqs{5, 3, 1}));
    EXPECT_EQ(letters->read(Seq{2}).error().code, QueueErrc::not_found);
}

TEST_F(DeadLettersTest, ErasureLeavesNoByteOfTheToken) {
    add(1, 3, TokenId{1});
    add(4, 8, TokenId{2});
    remove({Seq{4}});
    ASSERT_TRUE(fs.holds("token-2-mark"));
    const auto erased = letters->erase(TokenId{2});
    ASSERT_TRUE(erased.has_value());
    EXPECT_EQ(*erased, 4U);
    EXPECT_FALSE(fs.holds("token-2-mark"));
    EXPECT_EQ(letters->size(), 3U);
    EXPECT_TRUE(test::same(letters->read(Seq{3})->event, make_event(3)));
    add(9, 9);
    open();
    EXPECT_EQ(seqs(), (Seqs{9, 3, 2, 1}));
    EXPECT_TRUE(test::same(letters->read(Seq{3})->event, make_event(3)));
}

TEST_F(DeadLettersTest, ErasureWipesLettersThatWereRemovedBefore) {
    add(1, 1, TokenId{2});
    remove({Seq{1}});
    ASSERT_TRUE(letters->erase(TokenId{2}).has_value());
    EXPECT_FALSE(fs.holds("token-2-mark"));
}

TEST_F(DeadLettersTest, ACrashDuringErasureLosesNoOther) {
    for (std::uint64_t at = 1; at <= 5; ++at) {
        for (std::uint64_t seed = 0; seed < 30; ++seed) {
            SCOPED_TRACE(fmt::format("operation {}, seed {}", at, seed));
            SimFileSystem disk(seed);
            auto opened = DeadLetters::open(disk, letter_file, log);
            for (std::uint64_t seq = 1; seq <= 6; ++seq) {
                const DeadLetter letter = letter_of(seq, TokenId{1 + seq % 2});
                ASSERT_TRUE((*opened)->add({&letter, 1}).has_value());
            }
            disk.crash_at(at);
            try {
                ASSERT_TRUE((*opened)->erase(TokenId{2}).has_value());
                ADD_FAILURE() << "it did not crash";
            } catch (const SimCrash&) {
            }
            disk.power_failure();
            opened = DeadLetters::open(disk, letter_file, log);
            ASSERT_TRUE(opened.has_value());
            EXPECT_TRUE((*opened)->read(Seq{2}).has_value());
            EXPECT_TRUE((*opened)->read(Seq{4}).has_value());
            EXPECT_TRUE((*opened)->read(Seq{6}).has_value());
            ASSERT_TRUE((*opened)->erase(TokenId{2}).has_value());
            EXPECT_FALSE(disk.holds("token-2-mark"));
            EXPECT_EQ((*opened)->size(), 3U);
        }
    }
}

TEST_F(DeadLettersTest, ADamagedLetterIsReportedAndTheOthersStay) {
    add(1, 1);
    const std::size_t second = fs.contents(letter_file).size();
    add(2, 2);
    add(3, 3);
    fs.flip_bit(letter_file, second + 100);
    open();
    EXPECT_EQ(seqs(), (Seqs{3, 1}));
    ASSERT_EQ(log.named("spool.damaged").size(), 1U);
    EXPECT_EQ(log.named("spool.damaged")[0].fields.at("offset"), std::to_string(second));
}

TEST_F(DeadLettersTest, DamageThatWasDroppedIsToldNoMore) {
    add(1, 1);
    const std::size_t second = fs.contents(letter_file).size();
    add(2, 4);
    const std::vector<Seq> replayed{Seq{3}};
    ASSERT_TRUE(letters->replay(replayed, WallTime(Seconds(2000))).has_value());
    EXPECT_EQ(remove({Seq{4}}), 1U);
    fs.flip_bit(letter_file, second + 100);
    for (int start = 1; start <= 2; ++start) {
        open();
        EXPECT_EQ(log.named("spool.damaged").size(), static_cast<std::size_t>(start));
    }
    const core::Ledger books = letters->corrected({.accepted = 9, .dead = 2, .expired = 2});
    fs.fail_next(SimOp::create, ENOSPC);
    EXPECT_TRUE(letters->drop_damage().has_error());
    EXPECT_TRUE(letters->drop_damage().has_value());
    open();
    EXPECT_EQ(log.named("spool.damaged").size(), 2U);
    EXPECT_EQ(seqs(), (Seqs{3, 1}));
    EXPECT_TRUE(letters->is_replayed(Seq{3}));
    EXPECT_EQ(letters->corrected({.accepted = 9, .dead = 2, .expired = 2}), books);
}

TEST_F(DeadLettersTest, ALetterThatRotsDoesNotKeepOthersFromBeingErased) {
    add(1, 3);
    add(4, 4, TokenId{2});
    fs.flip_bit(letter_file, journal_header_size + 100);
    EXPECT_EQ(letters->read(Seq{1}).error().code, QueueErrc::damaged);
    EXPECT_EQ(letters->list(10).size(), 4U);
    ASSERT_TRUE(letters->erase(TokenId{2}).has_value());
    EXPECT_EQ(letters->size(), 2U);
    EXPECT_EQ(log.named("spool.damaged").size(), 1U);
}

TEST_F(DeadLettersTest, AnErrorOfReadingMayPass) {
    add(1, 3);
    add(4, 4, TokenId{2});
    fs.make_unreadable(letter_file, journal_header_size + 100, 1);
    EXPECT_EQ(letters->read(Seq{1}).error().code, boost::system::errc::io_error);
    EXPECT_TRUE(letters->erase(TokenId{2}).has_error()) << "it would lose the other";
    fs.make_readable(letter_file);
    EXPECT_TRUE(letters->read(Seq{1}).has_value());
    ASSERT_TRUE(letters->erase(TokenId{2}).has_value());
    EXPECT_EQ(letters->size(), 3U);
    EXPECT_TRUE(log.named("spool.damaged").empty());
}

TEST_F(DeadLettersTest, ALetterThatCanNotBeReadForLongIsGivenUp) {
    add(1, 3);
    add(4, 4, TokenId{2});
    fs.make_unreadable(letter_file, journal_header_size + 100, 1);
    Result<std::uint64_t> erased = letters->erase(TokenId{2});
    for (int i = 1; i < 10; ++i) {
        EXPECT_TRUE(erased.has_error());
        erased = letters->erase(TokenId{2});
    }
    EXPECT_TRUE(erased.has_value());
    EXPECT_EQ(letters->size(), 2U);
    EXPECT_EQ(log.named("spool.damaged").size(), 1U);
    EXPECT_EQ(letters->read(Seq{2}).value().seq, Seq{2});
}

TEST_F(DeadLettersTest, AFailedAddIsNotThereAndCanBeRepeated) {
    add(1, 2);
    for (const SimOp op : {SimOp::write, SimOp::sync}) {
        fs.fail_next(op, EIO);
        const DeadLetter third = letter_of(3);
        EXPECT_TRUE(letters->add({&third, 1}).has_error());
        EXPECT_EQ(letters->size(), 2U);
        EXPECT_EQ(letters->read(Seq{3}).error().code, QueueErrc::not_found);
    }
    add(3, 3);
    fs.power_failure();
    open();
    EXPECT_EQ(seqs(), (Seqs{3, 2, 1}));
}

TEST_F(DeadLettersTest, AFailedRewriteAfterAFailedSyncKeepsTheLettersReadable) {
    add(1, 3);
    const DeadLetter fourth = letter_of(4);
    fs.fail_next(SimOp::sync, EIO);
    EXPECT_TRUE(letters->add({&fourth, 1}).has_error());
    fs.fail_next(SimOp::create, ENOSPC);
    EXPECT_TRUE(letters->erase(TokenId{1}).has_error());
    EXPECT_EQ(letters->size(), 3U);
    for (std::uint64_t seq = 1; seq <= 3; ++seq) EXPECT_TRUE(letters->read(Seq{seq}).has_value());
}

TEST_F(DeadLettersTest, TheFileDoesNotGrowForEver) {
    for (std::uint64_t seq = 1; seq <= 3000; ++seq) {
        const DeadLetter letter = letter_of(seq, TokenId{1}, 3000);
        ASSERT_TRUE(letters->add({&letter, 1}).has_value());
        if (seq > 10) remove({Seq{seq - 10}});
    }
    EXPECT_LT(fs.contents(letter_file).size(), 1200U * 1024);
    EXPECT_EQ(letters->size(), 10U);
    open();
    EXPECT_EQ(letters->size(), 10U);
    EXPECT_EQ(letters->read(Seq{3000})->event.body.size(), 3000U);
}

// After a clean shutdown the file records its size: a start refuses a shorter file, and
// declare-damaged, which the error names, keeps what precedes the cut.
TEST_F(DeadLettersTest, ACutFileIsRefusedAndGivenUpFromTheCutOn) {
    constexpr const char* path = letter_file;
    std::vector<std::size_t> ends;
    for (std::uint64_t seq = 1; seq <= 5; ++seq) {
        add(seq, seq);
        ends.push_back(fs.contents(path).size());
    }
    ASSERT_TRUE(letters->confirm().has_value());
    letters.reset();
    const auto whole = fs.contents(path);
    for (std::size_t size = journal_header_size; size < whole.size(); size += 8) {
        SCOPED_TRACE(size);
        fs.overwrite(path, 0, whole);
        fs.cut(path, size);
        const auto refused = DeadLetters::open(fs, path, log);
        ASSERT_TRUE(refused.has_error());
        EXPECT_NE(refused.error().message.find(std::string("spool declare-damaged ") + path),
                  std::string::npos);
        const auto given_up = declare_damaged(fs, path);
        ASSERT_TRUE(given_up.has_value()) << given_up.error().message;
        ASSERT_EQ(given_up->size(), 1U);
        EXPECT_EQ(given_up->front().offset, size);
        log.lines.clear();
        open();
        const auto kept = std::ranges::count_if(ends, [&](auto end) { return end <= size; });
        EXPECT_EQ(letters->size(), static_cast<std::uint64_t>(kept));
        EXPECT_FALSE(log.named("spool.damaged").empty());
        letters.reset();
        EXPECT_TRUE(declare_damaged(fs, path)->empty()) << "nothing is missing any more";
    }
}

}  // namespace
}  // namespace flowrelay::storage
