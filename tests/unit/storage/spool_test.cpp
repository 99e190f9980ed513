// Tests the rules between the queue and the registry, erasure and the books, without threads.
#include "flowrelay/storage/spool.hpp"

#include <cerrno>
#include <map>
#include <string>
#include <vector>

#include "spool_fixture.hpp"
#include "storage/record_journal.hpp"

namespace flowrelay::storage {
namespace {

using core::Outcome;
using test::died_at;
using test::first_token;
using test::make_entry;
using test::make_event;
using test::other_token;
using test::SimFault;
using test::SimOp;

class SpoolTest : public test::SpoolFixture {};

// ---------------------------------------------------------------- tokens

TEST_F(SpoolTest, EventsOfANewTokenThatWasNotKeptAreRefused) {
    open();
    ASSERT_TRUE(put_new(make_entry()).has_value());
    append_all(1);
    fs_.fail_next(SimOp::sync, EIO);
    ASSERT_TRUE(put_new(make_entry(other_token)).has_error());
    const EventRecord event = make_event(2, other_token);
    const Settlement end{Seq{1}, Outcome::delivered};
    EXPECT_EQ(spool_->commit({&event, 1}, {&end, 1}).error().code, QueueErrc::failed);
    const auto status = spool_->status();
    EXPECT_EQ(status.usage.events, 0U);
    EXPECT_EQ(status.ledger.accepted, 1U);
    EXPECT_EQ(status.ledger.delivered, 1U) << "outcomes do not need the token";
    ASSERT_TRUE(put_new(make_entry(other_token)).has_value());
    EXPECT_EQ(append(3, other_token).value(), Seq{2}) << "the next event brings it along again";
}

TEST_F(SpoolTest, WhatIsForgottenIsNotPutWithTheNextChange) {
    open();
    ASSERT_TRUE(put_new(make_entry()).has_value());
    fs_.fail_next(SimOp::sync, EIO);
    ASSERT_TRUE(put(make_entry(other_token)).has_error());
    const TokenId forgotten[] = {other_token};
    spool_->forget(forgotten);
    ASSERT_TRUE(put(make_entry()).has_value());
    const auto entries = spool_->entries();
    ASSERT_EQ(entries.size(), 1U);
    EXPECT_EQ(entries.front().id, test::first_token);
}

TEST_F(SpoolTest, ATokenThatCanNotBeKeptIsNoHarmToTheLog) {
    open();
    fs_.fail_next(SimOp::sync, EIO);
    ASSERT_TRUE(put_new(make_entry()).has_error());
    ASSERT_TRUE(append(1).has_error());
    EXPECT_EQ(log_.named("token.not_kept").size(), 1U);
    EXPECT_TRUE(log_.named("spool.failed").empty());
    EXPECT_FALSE(spool_->failed());
    ASSERT_TRUE(put_new(make_entry()).has_value());
    bury(append(2).value());
    EXPECT_EQ(spool_->status().dead_letters, 1U);
}

TEST_F(SpoolTest, ATokenThatFindsNoRoomIsRefusedAsAFullQueueIs) {
    open();
    for (const int error : {ENOSPC, EDQUOT, EMFILE}) {
        fs_.refuse("tokens.tmp", error);
        fs_.fail_next(SimOp::write, error);
        EXPECT_TRUE(put_new(make_entry()).has_error());
        EXPECT_EQ(append(1).error().code, QueueErrc::full) << error;
    }
    fs_.refuse("", 0);
    fs_.stop_failing();
    EXPECT_TRUE(put_new(make_entry()).has_value());
    EXPECT_TRUE(append(1).has_value());
    EXPECT_EQ(log_.named("token.not_kept").size(), 1U);
}

TEST_F(SpoolTest, AChangeThatWasNotTakenIsPutWithTheNextOne) {
    open();
    ASSERT_TRUE(put_new(make_entry()).has_value());
    core::TokenEntry removed = make_entry();
    removed.state = core::TokenEntry::State::removed;
    fs_.fail_next(SimOp::sync, EIO);
    EXPECT_TRUE(put(removed).has_error());
    core::TokenEntry again = make_entry(other_token);
    again.secret = make_entry().secret;
    ASSERT_TRUE(put_new(again).has_value());
    const auto entries = spool_->entries();
    ASSERT_EQ(entries.size(), 2U);
    EXPECT_EQ(entries[0].state, core::TokenEntry::State::removed);
}

TEST_F(SpoolTest, NewTokensOfRefusedEventsAreNotPutLater) {
    open();
    ASSERT_TRUE(put_new(make_entry()).has_value());
    fs_.fail(SimFault{SimOp::write, "", ENOSPC, 0, 0});
    for (std::uint64_t id = 2; id < 6; ++id) {
        EXPECT_TRUE(put_new(make_entry(TokenId{id})).has_error());
        EXPECT_TRUE(append(id, TokenId{id}).has_error());
    }
    fs_.heal();
    core::TokenEntry paused = make_entry();
    paused.state = core::TokenEntry::State::paused;
    ASSERT_TRUE(put(paused).has_value());
    EXPECT_EQ(spool_->entries().size(), 1U);
}

// ---------------------------------------------------------------- events

TEST_F(SpoolTest, AFullQueueIsSaidOnceAndEndsWhenThereIsRoom) {
    open(2);
    append_all(2);
    EXPECT_EQ(append(3).error().code, QueueErrc::full);
    EXPECT_EQ(append(4).error().code, QueueErrc::full);
    EXPECT_EQ(log_.named("spool.full").size(), 1U);
    ASSERT_TRUE(settle(Seq{1}).has_value());
    EXPECT_TRUE(log_.named("spool.has_room").empty()) << "that takes an event";
    EXPECT_TRUE(append(5).has_value());
    EXPECT_EQ(log_.named("spool.has_room").size(), 1U);
}

TEST_F(SpoolTest, AFailedSyncIsFinalAndReadsGoOn) {
    open();
    append_all(1);
    fs_.fail_next(SimOp::sync, EIO);
    EXPECT_EQ(append(2).error().code, QueueErrc::failed);
    EXPECT_EQ(append(3).error().code, QueueErrc::failed);
    EXPECT_EQ(log_.named("spool.failed").size(), 1U);
    EXPECT_TRUE(spool_->failed());
    EXPECT_EQ(spool_->flush().error().code, QueueErrc::failed);
    EXPECT_TRUE(test::same(spool_->read(Seq{1}).value(), make_event(1)));
}

TEST_F(SpoolTest, TheStatusSaysWhyNothingIsAcceptedBeforeAnEventIsRefused) {
    open(2);
    const auto why = [this] {
        spool_->check_room();
        const auto refusing = spool_->status().refusing;
        return refusing ? std::string(refusing->code) : std::string();
    };
    append_all(1);
    EXPECT_EQ(why(), "");
    ASSERT_TRUE(append(2).has_value());
    EXPECT_EQ(why(), "max_events");
    ASSERT_TRUE(settle(Seq{1}).has_value());
    EXPECT_EQ(why(), "");

    open();
    fs_.set_capacity(0);
    while (append(3).has_value()) {
    }
    EXPECT_EQ(why(), "disk_full");
    fs_.set_capacity(1ULL << 30);
    EXPECT_EQ(why(), "") << "nobody has to hand anything in for that";
    EXPECT_FALSE(spool_->status().failed);

    fs_.fail_next(SimOp::write, EIO);
    EXPECT_TRUE(append(4).has_error());
    EXPECT_EQ(why(), "storage_failed");
    EXPECT_TRUE(spool_->status().failed);
}

TEST_F(SpoolTest, TheObserverIsToldOfCommitsThatWriteAndOfTheirEvents) {
    struct Observer final : CommitObserver {
        void begins() override { ++begun; }
        void ended(std::size_t events) override { ends.push_back(events); }
        std::size_t begun = 0;
        std::vector<std::size_t> ends;
    };
    const auto observer = std::make_shared<Observer>();
    open();
    spool_->observe_commits(observer);
    ASSERT_TRUE(spool_->commit({}, {}).has_value());
    append_all(1);
    ASSERT_TRUE(settle(Seq{1}).has_value());
    fs_.fail_next(SimOp::sync, EIO);
    ASSERT_TRUE(put_new(make_entry()).has_error());
    ASSERT_TRUE(append(2).has_error()) << "and nothing is committed";
    EXPECT_EQ(observer->ends, (std::vector<std::size_t>{1, 0}));
    EXPECT_EQ(observer->begun, 2U);
}

TEST_F(SpoolTest, AnEventIsFoundWithoutItsRecordInItsQueueOrAmongTheReplays) {
    open();
    append_all(3);
    bury(Seq{2});
    replay(Seq{2});
    const std::vector<TokenId> tokens{other_token, first_token};
    EXPECT_EQ(spool_->find(Seq{2}, {}).value().seq, Seq{2});
    EXPECT_FALSE(spool_->find(Seq{1}, {}));
    EXPECT_EQ(spool_->find(Seq{1}, tokens).value().seq, Seq{1});
    EXPECT_FALSE(spool_->find(Seq{4}, tokens));
}

TEST_F(SpoolTest, ARecordSaysWhatALoadSays) {
    open();
    append_all(1);
    const auto loaded = test::queued_events(*spool_).at(0);
    const auto made = to_queued(Seq{1}, spool_->read(Seq{1}).value());
    EXPECT_EQ(made.seq, loaded.seq);
    EXPECT_EQ(made.lane, loaded.lane);
    EXPECT_EQ(made.accepted, loaded.accepted);
    EXPECT_EQ(made.expires, loaded.expires);
    EXPECT_EQ(made.bytes, loaded.bytes);
}

// ---------------------------------------------------------------- start

TEST_F(SpoolTest, NoEventGetsTheSeqOfALetterWhenTheLogIsOfAnEarlierTime) {
    open();
    append_all(1);
    std::map<std::string, std::vector<std::uint8_t>> earlier;
    for (const auto& path : fs_.paths()) {
        const bool of_log = path.starts_with("/state/spool/") || path == "/state/high-water";
        if (of_log) earlier[path] = fs_.contents(path);
    }
    ASSERT_TRUE(append(2).has_value());
    bury(append(3).value());
    spool_.reset();
    for (const auto& [path, bytes] : earlier) {
        fs_.cut(path, 0);
        fs_.overwrite(path, 0, bytes);
    }
    open();
    EXPECT_EQ(queued(), Seqs{Seq{1}});
    EXPECT_EQ(letters(), Seqs{Seq{3}});
    EXPECT_GT(append(4).value(), Seq{3});
}

TEST_F(SpoolTest, ALogThatIsGoneIsMissedBesideTheOtherFiles) {
    open();
    append_all(3);
    spool_.reset();
    log_.lines.clear();
    for (const auto& path : fs_.paths()) {
        if (path.starts_with("/state/spool/") || path == "/state/high-water") fs_.drop(path);
    }
    open();
    EXPECT_EQ(log_.named("spool.damaged").size(), 1U);
}

// ---------------------------------------------------------------- erasure

TEST_F(SpoolTest, AnErasureTakesEventsAndLettersAndItsOutcomesComeTooLate) {
    open();
    append_all(3);
    bury(Seq{2});
    bury(Seq{3});
    replay(Seq{3});
    const auto erased = erase({first_token, other_token});
    ASSERT_TRUE(erased.has_value());
    EXPECT_EQ(erased->events, (std::map<TokenId, std::uint64_t>{{first_token, 1}}));
    EXPECT_EQ(erased->dead_letters, (std::map<TokenId, std::uint64_t>{{first_token, 2}}));
    ASSERT_TRUE(settle(Seq{1}).has_value());
    EXPECT_EQ(spool_->status().ledger.delivered, 0U);
    EXPECT_EQ(spool_->status().ledger.erased, 3U) << "the letters as well";
    expect_balanced();
}

TEST_F(SpoolTest, AnEventThatDiesWhileItsTokenIsErasedLeavesNoLetter) {
    open();
    append_all(1);
    spool_->begin_erasure(std::vector<TokenId>{first_token});
    bury(Seq{1});
    while (!spool_->erase_some().value()) {
    }
    EXPECT_EQ(letters(), Seqs());
    EXPECT_EQ(queued(), Seqs());
    EXPECT_EQ(spool_->status().ledger.erased, 1U);
    expect_balanced();
}

TEST_F(SpoolTest, TheReceiptOfAnErasureCountsWhatItsFailedAttemptsHaveErased) {
    open();
    std::uint64_t number = 0;
    for (const std::uint64_t events : {3U, 1U}) {
        for (std::uint64_t n = 0; n < events; ++n) ASSERT_TRUE(append(++number).has_value());
        bury(append(++number).value());
        fs_.refuse("dead-letters.tmp", ENOSPC);
        for (int attempt = 0; attempt < 2; ++attempt) {
            EXPECT_TRUE(erase({first_token}).has_error());
        }
        EXPECT_EQ(erase({other_token}).has_value(), false);
        fs_.refuse("", 0);
        const auto others = erase({other_token});
        ASSERT_TRUE(others.has_value());
        EXPECT_TRUE(others->events.empty()) << "it waits for its own token";
        const auto erased = erase({first_token});
        ASSERT_TRUE(erased.has_value()) << erased.error().message;
        EXPECT_EQ(erased->events, (std::map<TokenId, std::uint64_t>{{first_token, events}}))
            << "and not those of the first round again";
        EXPECT_EQ(erased->dead_letters.at(first_token), 1U);
    }
}

// ---------------------------------------------------------------- books

TEST_F(SpoolTest, LettersThatAreGoneAreMissingUntilTheyAreBookedAsLost) {
    open();
    append_all(3);
    bury(Seq{1});
    bury(Seq{2}, Outcome::expired);
    EXPECT_EQ(spool_->missing().letters.letters(), 0U);
    spool_.reset();
    fs_.flip_bit("/state/dead-letters", journal_header_size + record_header_size + 5);
    log_.lines.clear();
    open();
    EXPECT_EQ(log_.named("spool.damaged").size(), 1U);
    const auto missing = spool_->missing();
    EXPECT_EQ(missing.unaccounted, 0);
    EXPECT_EQ(missing.letters.letters(), 1U);
    EXPECT_EQ(spool_->status().missing_letters, 1U);
    const core::LossBooking booking{died_at, 4711};
    ASSERT_TRUE(spool_->book_lost(missing.letters, booking).has_value());
    EXPECT_EQ(spool_->status().ledger.lost, 1U);
    EXPECT_EQ(spool_->status().last_loss, booking);
    expect_balanced();
    log_.lines.clear();
    open();
    EXPECT_TRUE(log_.named("spool.damaged").empty()) << "that was settled";
    expect_balanced();
}

}  // namespace
}  // namespace flowrelay::storage
