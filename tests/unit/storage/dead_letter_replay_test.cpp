// Tests that dead letters are replayed, delivered, dropped and kept within limits, and that the
// books follow.
#include <gtest/gtest.h>

#include "hex.hpp"
#include "log_fixture.hpp"
#include "storage/dead_letters.hpp"
#include "storage/letter_record.hpp"

namespace flowrelay::storage {
namespace {

using core::Outcome;
using test::hex;
using test::make_event;
using test::SimFileSystem;

constexpr const char* letters_path = "/state/dead-letters";
constexpr WallTime now{Milliseconds(5'000'000)};

class DeadLetterReplayTest : public ::testing::Test {
protected:
    DeadLetterReplayTest() { open(); }

    void open() {
        letters.reset();
        auto opened = DeadLetters::open(fs, letters_path, log);
        ASSERT_TRUE(opened.has_value()) << opened.error().message;
        letters = std::move(*opened);
    }

    void add(std::uint64_t seq, Outcome outcome = Outcome::dead, TokenId token = TokenId{1}) {
        DeadLetter letter;
        letter.seq = Seq{seq};
        letter.event = make_event(seq, token);
        letter.event.accepted = now - std::chrono::hours(1000);
        letter.outcome = outcome;
        letter.died = WallTime(Milliseconds(1'000'000 + static_cast<std::int64_t>(seq)));
        ASSERT_TRUE(letters->add({&letter, 1}).has_value());
        outcome == Outcome::dead ? ++log_books.dead : ++log_books.expired;
        ++log_books.accepted;
    }

    std::vector<core::QueuedEvent> replay(std::vector<Seq> seqs) {
        auto events = letters->replay(seqs, now);
        EXPECT_TRUE(events.has_value());
        return events.has_value() ? std::move(*events) : std::vector<core::QueuedEvent>();
    }

    void settle(std::uint64_t seq, Outcome outcome) {
        const core::Settlement end{Seq{seq}, outcome};
        EXPECT_TRUE(letters->settle({&end, 1}).has_value());
    }

    std::vector<std::uint64_t> seqs() const {
        std::vector<std::uint64_t> found;
        for (const auto& [seq, token] : letters->all()) found.push_back(to_number(seq));
        return found;
    }

    core::Ledger books() const { return letters->corrected(log_books); }

    SimFileSystem fs{1};
    test::RecordingLog log;
    std::unique_ptr<DeadLetters> letters;
    core::Ledger log_books;  ///< the books of the log: they died
    using Seqs = std::vector<std::uint64_t>;
};

TEST_F(DeadLetterReplayTest, WhatTheLogDoesNotKnowIsInTheBooksOnceItIsDelivered) {
    add(3);
    log_books = {};  // the log is an earlier one
    replay({Seq{3}});
    settle(3, Outcome::delivered);
    EXPECT_EQ(books().dead, 0U);
    EXPECT_EQ(books().delivered, 1U);
    EXPECT_EQ(books().accepted, 1U);
}

TEST_F(DeadLetterReplayTest, ALetterWithoutItsEventIsNotReplayed) {
    DeadLetter letter;
    letter.seq = Seq{7};
    letter.event.token = TokenId{1};
    letter.event.id = "seq-7";
    letter.reason = "the record is damaged";
    letter.died = now;
    ASSERT_TRUE(letters->add({&letter, 1}).has_value());
    add(8);
    for (int life = 0; life < 2; ++life) {
        EXPECT_FALSE(letters->read(Seq{7})->has_event);
        EXPECT_TRUE(letters->read(Seq{8})->has_event);
        for (const DeadLetter& listed : letters->list(2)) {
            EXPECT_EQ(listed.has_event, listed.seq == Seq{8});
        }
        EXPECT_TRUE(replay({Seq{7}}).empty());
        EXPECT_FALSE(letters->is_replayed(Seq{7}));
        open();
    }
    EXPECT_EQ(replay({Seq{7}, Seq{8}}).size(), 1U);
}

TEST_F(DeadLetterReplayTest, IsRememberedUntilItIsSettled) {
    add(3);
    add(4);
    const auto events = replay({Seq{3}, Seq{99}, Seq{3}});
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].seq, Seq{3}) << "its old place";
    EXPECT_EQ(events[0].lane, (LaneId{TokenId{1}, make_event(3).thread_hash}));
    EXPECT_EQ(events[0].accepted, now) << "it is not over its age at once";
    EXPECT_EQ(events[0].expires, WallTime::max());
    EXPECT_TRUE(replay({Seq{3}}).empty()) << "once";
    EXPECT_TRUE(letters->replays_after(Seq{3}, 10).empty());
    EXPECT_TRUE(letters->replays_after(Seq{2}, 0).empty());
    ASSERT_EQ(letters->replays_after(Seq{2}, 10).size(), 1U);
    EXPECT_EQ(letters->replays_after(Seq{2}, 10)[0].seq, Seq{3});
    for (int run = 0; run < 2; ++run) {
        EXPECT_TRUE(letters->is_replayed(Seq{3}));
        EXPECT_FALSE(letters->is_replayed(Seq{4}));
        ASSERT_EQ(letters->replays().size(), 1U);
        EXPECT_EQ(letters->replays()[0].accepted, now);
        EXPECT_TRUE(letters->read(Seq{3})->replayed);
        EXPECT_EQ(letters->remove(std::vector{Seq{3}}).value(), 0U) << "not while it is replayed";
        open();
    }
    settle(3, Outcome::delivered);
    settle(4, Outcome::delivered);  // not replayed: ignored
    for (int run = 0; run < 2; ++run) {
        EXPECT_EQ(seqs(), Seqs{4});
        EXPECT_EQ(books().delivered, 1U);
        EXPECT_EQ(books().dead, 1U);
        EXPECT_EQ(books().unaccounted(0), 0);
        open();
    }
}

TEST_F(DeadLetterReplayTest, ANewDeathEndsItAndTellsTheNewReason) {
    add(3, Outcome::expired);
    replay({Seq{3}});
    DeadLetter again;
    again.seq = Seq{3};
    again.event = make_event(3);
    again.outcome = Outcome::dead;
    again.reason = "refused";
    ASSERT_TRUE(letters->add({&again, 1}).has_value());
    for (int run = 0; run < 2; ++run) {
        EXPECT_FALSE(letters->is_replayed(Seq{3}));
        EXPECT_EQ(letters->read(Seq{3})->reason, "refused");
        EXPECT_EQ(books().dead, 1U);
        EXPECT_EQ(books().expired, 0U);
        open();
    }
}

TEST_F(DeadLetterReplayTest, RemovalAndErasureAreInTheBooksAlsoOfANewFile) {
    for (std::uint64_t seq = 1; seq <= 6; ++seq)
        add(seq, seq % 2 == 0 ? Outcome::dead : Outcome::expired);
    add(7, Outcome::dead, TokenId{2});
    replay({Seq{5}});
    EXPECT_EQ(letters->remove(std::vector{Seq{1}, Seq{2}, Seq{99}}).value(), 2U);
    ASSERT_EQ(letters->erase(TokenId{2}).value(), 1U);  // rewrites the file
    for (int run = 0; run < 2; ++run) {
        EXPECT_EQ(seqs(), (Seqs{3, 4, 5, 6}));
        EXPECT_TRUE(letters->is_replayed(Seq{5}));
        EXPECT_EQ(books().dropped, 2U);
        EXPECT_EQ(books().erased, 1U);
        EXPECT_EQ(books().dead + books().expired, letters->size());
        EXPECT_EQ(books().unaccounted(0), 0);
        EXPECT_TRUE(test::same(letters->read(Seq{4})->event, [] {
            auto event = make_event(4);
            event.accepted = now - std::chrono::hours(1000);
            return event;
        }()));
        open();
    }
}

TEST_F(DeadLetterReplayTest, AWithdrawnLetterWasNone) {
    add(1);
    log_books = {};  // its outcome did not reach the log
    ASSERT_TRUE(letters->withdraw(std::vector{Seq{1}, Seq{2}}).has_value());
    open();
    EXPECT_TRUE(seqs().empty());
    EXPECT_EQ(books(), core::Ledger());
}

TEST_F(DeadLetterReplayTest, WhatIsOverItsAgeIsDropped) {
    for (std::uint64_t seq = 1; seq <= 10; ++seq) add(seq);
    replay({Seq{2}});
    const Milliseconds max_age = now - WallTime(Milliseconds(1'000'005));
    auto trimmed = letters->drop_older(max_age, now);
    EXPECT_EQ(trimmed->letters, 3U);
    EXPECT_EQ(trimmed->oldest, WallTime(Milliseconds(1'000'001)));
    EXPECT_EQ(seqs(), (Seqs{2, 5, 6, 7, 8, 9, 10})) << "2 is being delivered";
    EXPECT_EQ(letters->drop_older(max_age, now)->letters, 0U);
    EXPECT_EQ(books().dropped + letters->size(), 10U);
    EXPECT_EQ(books().unaccounted(0), 0);
}

TEST_F(DeadLetterReplayTest, WhatIsReplayedIsNoLetterAndHasNoSize) {
    for (std::uint64_t seq = 1; seq <= 3; ++seq) add(seq);
    const auto all = letters->kept();
    EXPECT_EQ(all.letters, 3U);
    replay({Seq{1}, Seq{2}});
    const auto rest = letters->kept();
    EXPECT_EQ(rest.letters, 1U);
    EXPECT_LT(rest.bytes, all.bytes / 2);
    open();
    EXPECT_EQ(letters->kept().letters, 1U);
    EXPECT_EQ(letters->kept().bytes, rest.bytes);
    settle(1, Outcome::delivered);
    EXPECT_EQ(letters->kept().bytes, rest.bytes);
    add(2);  // it has died again
    EXPECT_EQ(letters->kept().letters, 2U);
    EXPECT_EQ(letters->erase(TokenId{1}).value(), 2U);
    EXPECT_EQ(letters->kept().letters, 0U);
    EXPECT_EQ(letters->kept().bytes, 0U);
}

TEST(LetterRecord, HasItsGoldenBytes) {
    const std::vector<Seq> seqs{Seq{7}};
    EXPECT_EQ(hex(withdrawal_record(seqs).payload), "07000000 00000000\n");
    const std::vector<core::Settlement> ends{{Seq{1001}, Outcome::delivered},
                                             {Seq{1002}, Outcome::dropped}};
    EXPECT_EQ(hex(departure_record(ends).payload), "e9030000 00000001 ea030000 00000005\n");
    const std::vector<Replay> replays{{Seq{1001}, WallTime(Milliseconds(1'700'000'000'000))}};
    EXPECT_EQ(hex(replay_record(replays).payload), "e9030000 00000000 0068e5cf 8b010000\n");
    LetterBooks books;
    books.move(Outcome::dead, Outcome::delivered);
    books.move(Outcome::dead, Outcome::erased);
    EXPECT_EQ(hex(books_record(books).payload),
              "01000000 00000000 feffffff ffffffff\n"
              "00000000 00000000 01000000 00000000\n"
              "00000000 00000000\n");
    EXPECT_EQ(read_books(books_record(books).payload)->change, books.change);
    EXPECT_FALSE(read_books(std::vector<std::uint8_t>(39)));
}

}  // namespace
}  // namespace flowrelay::storage
