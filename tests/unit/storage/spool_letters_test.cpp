// Tests the rules between the queue and the dead letters, without threads.
#include <cerrno>
#include <map>
#include <string>
#include <vector>

#include "flowrelay/storage/spool.hpp"
#include "spool_fixture.hpp"
#include "storage/dead_letters.hpp"
#include "storage/letter_record.hpp"
#include "storage/record_journal.hpp"
#include "storage/record_scanner.hpp"

namespace flowrelay::storage {
namespace {

using core::Outcome;
using test::died_at;
using test::first_token;
using test::make_event;
using test::make_letter;
using test::open_spool;
using test::other_token;
using test::SimCrash;
using test::SimFault;
using test::SimFileSystem;
using test::SimOp;

class SpoolLettersTest : public test::SpoolFixture {};

// ---------------------------------------------------------------- dead letters

TEST_F(SpoolLettersTest, ALetterIsDurableBeforeTheOutcomeInTheLog) {
    open();
    append_all(1);
    bury(Seq{1}, Outcome::expired);
    EXPECT_LT(last(SimOp::sync, "/state/dead-letters"), last(SimOp::write, "/state/spool/"));
    EXPECT_EQ(queued(), Seqs());
    EXPECT_EQ(spool_->take_buried(), Seqs{Seq{1}});
    EXPECT_EQ(spool_->take_buried(), Seqs());
    EXPECT_EQ(spool_->letter_usage().letters, 1U);
    EXPECT_EQ(spool_->letter_usage().buried, 1U);
    EXPECT_EQ(spool_->status().ledger.expired, 1U);
    const auto read = spool_->read_letter(Seq{1}).value();
    EXPECT_TRUE(test::same(read.event, make_event(1)));
    EXPECT_EQ(read.reason, "HTTP 422");
    expect_balanced();
}

// After any crash the event is queued or a letter, never both or neither.
TEST_F(SpoolLettersTest, ACrashWhileAnEventIsBuriedLeavesItInOnePlace) {
    std::map<std::size_t, int> places;
    for (std::uint64_t operation = 1; operation < 40; ++operation) {
        SCOPED_TRACE(operation);
        for (std::uint64_t seed = 1; seed <= 8; ++seed) {
            SimFileSystem disk(seed);
            auto spool = open_spool(disk, log_);
            const EventRecord event = make_event(1);
            ASSERT_TRUE(spool->commit({&event, 1}, {}).has_value());
            bool reported = false;
            disk.crash_at(operation);
            try {
                std::vector<core::DeadLetter> dying;
                dying.push_back(make_letter(Seq{1}));
                spool->bury(std::move(dying));
                reported = !spool->take_buried().empty();
                disk.crash_at(0);
            } catch (const SimCrash&) {
            }
            spool.reset();
            disk.power_failure();
            spool = open_spool(disk, log_);
            const auto recovered = spool->recover();
            ASSERT_TRUE(recovered.has_value());
            const std::size_t letters = spool->letters().size();
            EXPECT_EQ(test::queued_events(*spool).size() + letters, 1U);
            EXPECT_EQ(recovered->letters.size(), letters);
            EXPECT_EQ(recovered->backlogs.size(), 1 - letters);
            EXPECT_TRUE(!reported || letters == 1) << "it was said to be buried";
            const auto status = spool->status();
            EXPECT_EQ(status.ledger.unaccounted(status.usage.events), 0);
            EXPECT_EQ(status.missing_letters, 0U);
            ++places[letters];
        }
    }
    EXPECT_GT(places[0], 0);
    EXPECT_GT(places[1], 0);
}

// The state after a crash between the two writes, on a disk that does not return the log.
TEST_F(SpoolLettersTest, ALetterIsNotTakenBackWhileItsEventCanNotBeRead) {
    open();
    append_all(1);
    spool_.reset();
    {
        auto letters = DeadLetters::open(fs_, "/state/dead-letters", log_).value();
        auto dying = make_letter(Seq{1});
        dying.event = make_event(1);
        ASSERT_TRUE(letters->add({&dying, 1}).has_value());
    }
    spool_ = open_spool(fs_, log_);
    std::string segment;
    for (const auto& path : fs_.paths()) {
        if (path.ends_with(".seg")) segment = path;
    }
    fs_.make_unreadable(segment, segment_header_size, record_header_size);
    EXPECT_TRUE(spool_->recover().has_error());
    EXPECT_EQ(letters(), Seqs{Seq{1}});
    fs_.heal();
    ASSERT_TRUE(spool_->recover().has_value());
    EXPECT_EQ(letters(), Seqs());
    EXPECT_EQ(queued(), Seqs{Seq{1}});
}

TEST_F(SpoolLettersTest, AnEventWhoseLetterIsNotWrittenStaysQueuedUntilItIs) {
    open();
    append_all(1);
    fs_.fail_next(SimOp::write, ENOSPC);
    bury(Seq{1});
    EXPECT_EQ(queued(), Seqs{Seq{1}});
    EXPECT_EQ(letters(), Seqs());
    EXPECT_EQ(spool_->take_buried(), Seqs());
    EXPECT_EQ(spool_->letter_usage().buried, 0U);
    EXPECT_TRUE(spool_->has_unfinished());
    EXPECT_EQ(spool_->flush().error().code, QueueErrc::full);
    spool_->bury({});
    EXPECT_EQ(queued(), Seqs());
    EXPECT_EQ(spool_->take_buried(), Seqs{Seq{1}});
    EXPECT_TRUE(test::same(spool_->read_letter(Seq{1}).value().event, make_event(1)));
    EXPECT_FALSE(spool_->has_unfinished());
    EXPECT_TRUE(spool_->flush().has_value());
    EXPECT_EQ(log_.named("dead_letters.failed").size(), 1U);
}

TEST_F(SpoolLettersTest, ALetterWhoseOutcomeWaitsIsNotSaidToBeBuried) {
    open();
    append_all(1);
    fs_.fail(SimFault{SimOp::write, ".seg", ENOSPC, 0, 0});
    bury(Seq{1});
    EXPECT_EQ(letters(), Seqs{Seq{1}});
    EXPECT_EQ(spool_->take_buried(), Seqs()) << "after a crash it is queued";
    EXPECT_TRUE(spool_->has_unfinished());
    EXPECT_TRUE(spool_->flush().has_error());
    EXPECT_TRUE(spool_->without_letters({other_token}).empty());
    fs_.heal();
    EXPECT_TRUE(spool_->flush().has_value());
    EXPECT_EQ(spool_->take_buried(), Seqs{Seq{1}});
    EXPECT_EQ(spool_->without_letters({first_token, other_token}),
              std::vector<TokenId>{other_token});
    expect_balanced();
}

TEST_F(SpoolLettersTest, OutcomesThatWaitAreRecordedWithTheNextCommit) {
    constexpr std::uint64_t count = 70;  // more than one portion
    open();
    append_all(count);
    std::vector<core::DeadLetter> dying;
    for (std::uint64_t seq = 1; seq <= count; ++seq) dying.push_back(make_letter(Seq{seq}));
    fs_.fail(SimFault{SimOp::write, ".seg", ENOSPC, 0, 1});
    spool_->bury(std::move(dying));
    EXPECT_EQ(spool_->status().ledger.dead, count);
    EXPECT_EQ(spool_->take_buried().size(), count);
    EXPECT_FALSE(spool_->has_unfinished());
}

TEST_F(SpoolLettersTest, ALetterIsTakenBackWhenItsOutcomeFailsForGood) {
    open();
    append_all(2);
    fs_.fail(SimFault{SimOp::write, ".seg", EIO, 0, 1});
    bury(Seq{1});
    EXPECT_TRUE(spool_->failed());
    EXPECT_EQ(letters(), Seqs());
    EXPECT_EQ(spool_->take_buried(), Seqs());
    bury(Seq{2});
    EXPECT_FALSE(spool_->has_unfinished()) << "nothing can be settled any more";
    EXPECT_EQ(letters(), Seqs());
    open();
    EXPECT_EQ(queued(), (Seqs{Seq{1}, Seq{2}}));
    expect_balanced();
}

TEST_F(SpoolLettersTest, AnEventThatWasErasedMeanwhileIsNotBuried) {
    open();
    append_all(1);
    ASSERT_TRUE(erase({first_token}).has_value());
    bury(Seq{1});
    EXPECT_EQ(letters(), Seqs());
    EXPECT_EQ(spool_->take_buried(), Seqs{Seq{1}}) << "its thread need not wait";
    EXPECT_FALSE(spool_->has_unfinished());
}

TEST_F(SpoolLettersTest, ADamagedEventBecomesALetterThatTellsWhichItWas) {
    open();
    append_all(1);
    for (const auto& path : fs_.paths()) {
        if (path.ends_with(".seg")) fs_.flip_bit(path, segment_header_size + record_header_size);
    }
    ASSERT_EQ(spool_->read(Seq{1}).error().code, QueueErrc::damaged);
    bury(Seq{1});
    EXPECT_EQ(queued(), Seqs());
    const auto read = spool_->read_letter(Seq{1}).value();
    EXPECT_EQ(read.event.id, "seq-1");
    EXPECT_FALSE(read.has_event);
    EXPECT_EQ(spool_->status().ledger.dead, 1U);
}

TEST_F(SpoolLettersTest, LettersAreDroppedForTheirAgeAfterItWasNoted) {
    open();
    append_all(3);
    for (std::uint64_t seq = 1; seq <= 3; ++seq) {
        auto dying = make_letter(Seq{seq});
        dying.died = died_at + Seconds(seq);
        std::vector<core::DeadLetter> letters;
        letters.push_back(std::move(dying));
        spool_->bury(std::move(letters));
    }
    EXPECT_EQ(spool_->oldest_death(), died_at + Seconds(1));
    std::vector<Milliseconds> noted;
    bool keeps = false;
    spool_->keep_letter_age([&](Milliseconds age) -> Result<void> {
        noted.push_back(age);
        if (keeps) return {};
        return Error{boost::system::errc::make_error_code(boost::system::errc::io_error), "no"};
    });
    EXPECT_TRUE(spool_->drop_older(Seconds(10), died_at + Seconds(12)).has_error());
    EXPECT_EQ(letters().size(), 3U) << "the next start would not know why they are gone";
    keeps = true;
    EXPECT_EQ(spool_->drop_older(Seconds(10), died_at + Seconds(12)).value(), 1U);
    EXPECT_EQ(noted, (std::vector<Milliseconds>{Seconds(10), Seconds(10)}));
    EXPECT_EQ(letters(), (Seqs{Seq{2}, Seq{3}}));
    EXPECT_EQ(spool_->status().ledger.dropped, 1U);
    ASSERT_EQ(log_.named("dead_letters.dropped").size(), 1U);
    EXPECT_EQ(log_.named("dead_letters.dropped")[0].fields.at("events"), "1");
    EXPECT_EQ(spool_->drop_older(Seconds(10), died_at + Seconds(12)).value(), 0U);
    EXPECT_EQ(log_.named("dead_letters.dropped").size(), 1U);
    expect_balanced();
}

// ---------------------------------------------------------------- replays

TEST_F(SpoolLettersTest, AReplayIsReadFromItsLetterAndSettledThere) {
    open();
    append_all(1);
    bury(Seq{1});
    EXPECT_EQ(spool_->read(Seq{1}).error().code, QueueErrc::not_found);
    replay(Seq{1});
    EXPECT_TRUE(test::same(spool_->read(Seq{1}).value(), make_event(1)));
    EXPECT_EQ(spool_->status().dead_letters, 0U) << "it is queued";
    EXPECT_EQ(spool_->status().replayed, 1U);
    open();
    EXPECT_EQ(seqs_of(spool_->replays()), Seqs{Seq{1}});
    ASSERT_TRUE(settle(Seq{1}).has_value());
    EXPECT_EQ(letters(), Seqs());
    EXPECT_EQ(spool_->status().ledger.delivered, 1U);
    EXPECT_EQ(spool_->status().ledger.dead, 0U);
    expect_balanced();
    open();
    EXPECT_EQ(letters(), Seqs());
    EXPECT_EQ(spool_->status().ledger.delivered, 1U);
    expect_balanced();
}

TEST_F(SpoolLettersTest, AReplayThatDiesAgainIsOneLetterAndOneDeath) {
    open();
    append_all(1);
    bury(Seq{1});
    replay(Seq{1});
    std::vector<core::DeadLetter> again;
    again.push_back(make_letter(Seq{1}));
    again.back().reason = "again";
    spool_->bury(std::move(again));
    EXPECT_EQ(spool_->status().replayed, 0U);
    EXPECT_EQ(spool_->status().dead_letters, 1U);
    EXPECT_EQ(spool_->status().ledger.dead, 1U);
    EXPECT_EQ(spool_->read_letter(Seq{1}).value().reason, "again");
    EXPECT_TRUE(test::same(spool_->read_letter(Seq{1}).value().event, make_event(1)));
    expect_balanced();
}

TEST_F(SpoolLettersTest, TheEndOfAReplayIsTriedAgainUntilTheLettersTakeIt) {
    open();
    append_all(2);
    bury(Seq{1});
    replay(Seq{1});
    fs_.fail(SimFault{SimOp::write, "dead-letters", ENOSPC, 0, 1});
    const EventRecord event = make_event(3);
    const std::vector<Settlement> ends{{Seq{1}, Outcome::delivered}, {Seq{2}, Outcome::delivered}};
    EXPECT_EQ(spool_->commit({&event, 1}, ends).value(), Seq{3}) << "the log has room";
    EXPECT_EQ(queued(), Seqs{Seq{3}});
    EXPECT_EQ(letters(), Seqs{Seq{1}});
    EXPECT_TRUE(spool_->has_unfinished());
    ASSERT_TRUE(spool_->commit({}, {}).has_value());
    EXPECT_FALSE(spool_->has_unfinished());
    EXPECT_EQ(letters(), Seqs());
    EXPECT_EQ(spool_->status().ledger.delivered, 2U);
    expect_balanced();
}

TEST_F(SpoolLettersTest, ASettlementSaysWhatNeitherTheLogNorTheLettersTook) {
    open();
    append_all(2);
    bury(Seq{1});
    replay(Seq{1});
    const std::vector<Settlement> ends{{Seq{1}, Outcome::dropped}, {Seq{2}, Outcome::dropped}};
    fs_.fail(SimFault{SimOp::write, "dead-letters", EIO, 0, 1});
    EXPECT_TRUE(spool_->settle(ends).has_error());
    EXPECT_EQ(queued(), Seqs()) << "the log took its own";
    EXPECT_FALSE(spool_->has_unfinished()) << "whoever asks is told, and may ask again";
    EXPECT_TRUE(spool_->settle(ends).has_value());
    EXPECT_EQ(letters(), Seqs());
    EXPECT_EQ(spool_->status().ledger.dropped, 2U);
    expect_balanced();
    const Settlement end{append(3).value(), Outcome::dropped};
    fs_.fail(SimFault{SimOp::write, ".seg", EIO, 0, 1});
    EXPECT_EQ(spool_->settle({&end, 1}).error().code, QueueErrc::failed);
    EXPECT_TRUE(spool_->failed());
}

/// An earlier version marked such letters.
TEST_F(SpoolLettersTest, AReplayedLetterWithoutItsEventIsDamagedAndNothingWorse) {
    {
        auto letters = DeadLetters::open(fs_, "/state/dead-letters", log_).value();
        auto empty = make_letter(Seq{7});
        empty.event.token = first_token;
        empty.event.id = "seq-7";
        ASSERT_TRUE(letters->add({&empty, 1}).has_value());
    }
    struct : RecordSink {
        void record(const ScannedRecord&) override {}
        void damage(std::uint64_t, std::uint64_t) override {}
    } ignore;
    {
        RecordJournal journal(fs_, "/state/dead-letters", JournalKind::dead_letters);
        ASSERT_TRUE(journal.open(ignore, log_).has_value());
        const Replay mark{Seq{7}, WallTime(Seconds(1))};
        const auto record = replay_record({&mark, 1});
        ASSERT_TRUE(journal.append({&record, 1}).has_value());
    }
    open();
    EXPECT_EQ(spool_->status().replayed, 1U);
    const auto read = spool_->read(Seq{7});
    ASSERT_TRUE(read.has_error());
    EXPECT_EQ(read.error().code, QueueErrc::damaged);
    bury(Seq{7});
    EXPECT_EQ(spool_->status().dead_letters, 1U);
    EXPECT_EQ(spool_->status().replayed, 0U);
}

TEST_F(SpoolLettersTest, ALoadHasTheReplaysInTheirPlacesWhereItIsAskedTo) {
    open();
    append_all(10);
    for (const std::uint64_t seq : {3U, 5U}) {
        bury(Seq{seq});
        replay(Seq{seq});
    }
    const auto load = [this](Seq after, std::size_t limit, std::uint64_t record_bytes,
                             bool with_replays) {
        core::LoadRequest request;
        request.token = first_token;
        request.after = after;
        request.limit = limit;
        request.with_replays = with_replays;
        return spool_->load(request, record_bytes).value();
    };
    EXPECT_EQ(load(Seq::none, 100, 0, false).slice.events.size(), 8U);
    const auto all = load(Seq::none, 100, 0, true);
    EXPECT_TRUE(all.slice.complete);
    Seqs expected;
    for (std::uint64_t seq = 1; seq <= 10; ++seq) expected.push_back(Seq{seq});
    EXPECT_EQ(seqs_of(all.slice.events), expected);
    const auto some = load(Seq{2}, 2, 0, true);
    EXPECT_EQ(seqs_of(some.slice.events), (Seqs{Seq{3}, Seq{4}}));
    EXPECT_EQ(some.slice.end, Seq{4});
    EXPECT_FALSE(some.slice.complete);

    // In portions, the slice ends where the records end.
    Seqs found;
    Seq after = Seq::none;
    for (bool more = true; more;) {
        const auto loaded = load(after, 100, 400, true);
        ASSERT_EQ(loaded.records.size(), loaded.slice.events.size());
        ASSERT_LT(loaded.records.size(), 10U);
        for (std::size_t i = 0; i < loaded.records.size(); ++i) {
            found.push_back(loaded.slice.events[i].seq);
            EXPECT_TRUE(test::same(loaded.records[i], make_event(to_number(found.back()))));
        }
        after = loaded.slice.end;
        more = !loaded.slice.complete;
        ASSERT_LE(found.size(), 10U);
    }
    EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace flowrelay::storage
