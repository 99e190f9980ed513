#include "flowrelay/runtime/storage_thread.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flowrelay/runtime/storage_work.hpp"
#include "flowrelay/storage/record_journal.hpp"
#include "flowrelay/storage/record_scanner.hpp"
#include "memory_stores.hpp"
#include "storage/letter_record.hpp"
#include "support/recording_log.hpp"

namespace flowrelay::runtime {
namespace {

using core::EventRecord;
using core::Outcome;
using storage::QueueErrc;
using test::SimOp;

class StorageThreadTest : public testing::Test {
protected:
    void start(std::uint64_t max_events = 0, Milliseconds settle_delay = Milliseconds(1)) {
        storage_.emplace(test::open_stores(fs_, log_, max_events), io_.get_executor(), log_,
                         settle_delay);
    }

    /// Runs completions until the condition holds; a test that waits in vain fails.
    template <class Condition>
    void run_until(Condition condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!condition() && std::chrono::steady_clock::now() < deadline) {
            io_.run_one_for(std::chrono::milliseconds(50));
        }
        ASSERT_TRUE(condition()) << "it never came";
    }

    static EventRecord event(std::uint64_t number) {
        EventRecord record;
        record.token = TokenId{1};
        record.id = "id-" + std::to_string(number);
        record.thread = "e:t";
        record.body = R"({"title":"x"})";
        return record;
    }

    static core::TokenEntry token() {
        core::TokenEntry entry;
        entry.id = TokenId{1};
        entry.secret = Secret("t0ken");
        return entry;
    }

    /// Appends and waits for the answer.
    Result<Seq> append(std::uint64_t number, std::optional<core::TokenEntry> entry = {}) {
        std::optional<Result<Seq>> answer;
        storage_->append(event(number), std::move(entry),
                         [&](EventRecord, Result<Seq> result) { answer = std::move(result); });
        run_until([&] { return answer.has_value(); });
        return answer ? *answer : Result<Seq>(Error{make_error_code(QueueErrc::failed), "none"});
    }

    StorageThread::Snapshot snapshot() {
        std::optional<StorageThread::Snapshot> taken;
        storage_->snapshot([&](StorageThread::Snapshot now) { taken = now; });
        run_until([&] { return taken.has_value(); });
        return taken.value_or(StorageThread::Snapshot());
    }

    std::vector<core::TokenEntry> registered() {
        std::optional<std::vector<core::TokenEntry>> entries;
        storage_->ask([&entries](Stores& stores) {
            return [&entries, now = stores.registry->entries()] { entries = now; };
        });
        run_until([&] { return entries.has_value(); });
        return entries.value_or(std::vector<core::TokenEntry>());
    }

    test::RecordingLog log_;
    test::SimFileSystem fs_{1};
    boost::asio::io_context io_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
        io_.get_executor()};
    std::optional<StorageThread> storage_;
};

TEST_F(StorageThreadTest, ThoseWhoAskAreToldThatTheSpoolHasFailed) {
    start();
    ASSERT_TRUE(append(1, token()).has_value());
    const auto has_failed = [this] {
        std::optional<bool> failed;
        storage_->ask(
            [&failed](Stores& stores) { return [&failed, now = stores.failed] { failed = now; }; });
        run_until([&] { return failed.has_value(); });
        return failed.value_or(false);
    };
    EXPECT_FALSE(has_failed());
    fs_.fail_next(SimOp::write, EIO);
    EXPECT_EQ(append(2).error().code, QueueErrc::failed);
    EXPECT_TRUE(has_failed()) << "also when the disk works again";
}

// What the watchdog goes by: a thread that never sees its work is stuck as well.
TEST_F(StorageThreadTest, IsNotIdleWhenWorkHasComeThatItDoesNotKnowOf) {
    start();
    ASSERT_TRUE(append(0, token()).has_value());
    for (std::uint64_t n = 1; n <= 20; ++n) {
        run_until([&] { return storage_->progress().idle; });
        const auto before = storage_->progress();
        bool answered = false;
        storage_->append(event(n), {}, [&](EventRecord, Result<Seq>) { answered = true; });
        const auto now = storage_->progress();
        ASSERT_TRUE(!now.idle || now.passes != before.passes) << n;
        run_until([&] { return answered; });
    }
}

TEST_F(StorageThreadTest, ASnapshotSaysWhyNothingIsAcceptedAlsoBeforeAnybodyIsRefused) {
    start(3);
    ASSERT_TRUE(append(1, token()).has_value());
    EXPECT_FALSE(snapshot().refusing);
    ASSERT_TRUE(append(2).has_value());
    ASSERT_TRUE(append(3).has_value());
    const auto refusing = snapshot().refusing;
    ASSERT_TRUE(refusing);
    EXPECT_EQ(refusing->code, "max_events");
    EXPECT_NE(refusing->reason.find("spool.max_events"), std::string::npos);
    storage_->settle({Seq{1}, Outcome::delivered});
    run_until([this] { return !snapshot().refusing; });
}

TEST_F(StorageThreadTest, ASnapshotSaysThatTheDiskIsFullUntilItIsNot) {
    start();
    ASSERT_TRUE(append(1, token()).has_value());
    fs_.set_capacity(0);
    while (append(2).has_value()) {
    }
    auto refusing = snapshot().refusing;
    ASSERT_TRUE(refusing);
    EXPECT_EQ(refusing->code, "disk_full");
    fs_.set_capacity(1ULL << 30);
    EXPECT_FALSE(snapshot().refusing) << "nobody has to hand anything in for that";
}

TEST_F(StorageThreadTest, ASnapshotSaysThatTheDiskFailed) {
    start();
    ASSERT_TRUE(append(1, token()).has_value());
    fs_.fail_next(SimOp::write, EIO);
    ASSERT_TRUE(append(2).has_error());
    const auto refusing = snapshot().refusing;
    ASSERT_TRUE(refusing);
    EXPECT_EQ(refusing->code, "storage_failed");
}

TEST_F(StorageThreadTest, ALoadWithReplaysEndsWhereTheRecordsEnd) {
    start();
    ASSERT_TRUE(append(1, token()).has_value());
    for (std::uint64_t number = 2; number <= 10; ++number) ASSERT_TRUE(append(number).has_value());
    const auto load = [this](Seq after, std::uint64_t record_bytes) {
        core::LoadRequest request;
        request.token = TokenId{1};
        request.after = after;
        request.limit = 100;
        request.with_replays = true;
        std::optional<StorageThread::Loaded> loaded;
        storage_->load(request, record_bytes,
                       [&](Result<StorageThread::Loaded> result) { loaded = result.value(); });
        run_until([&] { return loaded.has_value(); });
        return loaded.value_or(StorageThread::Loaded());
    };
    EXPECT_TRUE(load(Seq::none, 0).slice.complete);
    EXPECT_EQ(load(Seq::none, 0).slice.events.size(), 10U);
    std::vector<std::string> ids;
    Seq after = Seq::none;
    for (bool more = true; more;) {
        const auto loaded = load(after, 400);
        ASSERT_EQ(loaded.records.size(), loaded.slice.events.size());
        ASSERT_LT(loaded.records.size(), 10U);
        for (const auto& record : loaded.records) ids.push_back(record.id);
        after = loaded.slice.end;
        more = !loaded.slice.complete;
        ASSERT_LE(ids.size(), 10U);
    }
    EXPECT_EQ(ids.size(), 10U);
    EXPECT_EQ(ids.back(), "id-10");
}

TEST_F(StorageThreadTest, AnswersInTheOrderOfTheCallsWithTheRecord) {
    start();
    std::vector<std::string> answered;
    for (std::uint64_t i = 0; i < 100; ++i) {
        storage_->append(event(i), {}, [&](EventRecord record, const Result<Seq>& seq) {
            EXPECT_TRUE(seq.has_value());
            answered.push_back(record.id);
        });
    }
    run_until([&] { return answered.size() == 100; });
    for (std::size_t i = 0; i < answered.size(); ++i) {
        EXPECT_EQ(answered[i], "id-" + std::to_string(i));
    }
}

TEST_F(StorageThreadTest, ATokenIsDurableBeforeItsEvent) {
    start();
    ASSERT_TRUE(append(1, token()).has_value());
    std::size_t token_sync = 0;
    std::size_t event_write = 0;
    const auto& operations = fs_.operations();
    for (std::size_t i = 0; i < operations.size(); ++i) {
        const bool of_log = operations[i].path.starts_with("/state/spool/");
        if (operations[i].op == SimOp::sync && !of_log) token_sync = i;
        if (operations[i].op == SimOp::write && of_log && operations[i].offset >= 4096) {
            event_write = i;
        }
    }
    EXPECT_LT(token_sync, event_write);
}

TEST_F(StorageThreadTest, WithoutItsTokenAnEventIsNotAccepted) {
    start();
    fs_.fail_next(SimOp::sync, EIO);
    const auto first = append(1, token());
    ASSERT_TRUE(first.has_error());
    EXPECT_EQ(snapshot().usage.events, 0U);
}

TEST_F(StorageThreadTest, OfASlotTheLastChangeIsKeptWhicheverWayItCame) {
    const auto called = [](std::string name) {
        core::TokenEntry entry = token();
        entry.source = std::move(name);
        return entry;
    };
    start();
    int left = 3;
    const auto put = [&left](const Result<void>&) { --left; };
    storage_->put_tokens({called("first")}, put);
    storage_->append(event(1), called("second"), [&](EventRecord, const Result<Seq>&) { --left; });
    storage_->put_tokens({called("third")}, put);
    storage_->append(event(2), called("last"), [](EventRecord, const Result<Seq>&) {});
    run_until([&] { return left == 0; });
    EXPECT_EQ(registered().at(0).source, "last");
}

TEST_F(StorageThreadTest, AChangeThatWasNotTakenIsPutWithTheNextOne) {
    start();
    ASSERT_TRUE(append(1, token()).has_value());
    core::TokenEntry removed = token();
    removed.state = core::TokenEntry::State::removed;
    std::optional<bool> failed;
    fs_.fail_next(SimOp::sync, EIO);
    storage_->put_tokens({removed}, [&](const Result<void>& put) { failed = put.has_error(); });
    run_until([&] { return failed.has_value(); });
    EXPECT_TRUE(*failed);
    core::TokenEntry other = token();  // the same token again
    other.id = TokenId{2};
    ASSERT_TRUE(append(2, other).has_value());
    const auto entries = registered();
    ASSERT_EQ(entries.size(), 2U);
    EXPECT_EQ(entries[0].state, core::TokenEntry::State::removed);
}

TEST_F(StorageThreadTest, NewTokensOfRefusedEventsAreNotPutLater) {
    start();
    ASSERT_TRUE(append(1, token()).has_value());
    test::SimFault full;
    full.errno_value = ENOSPC;
    full.times = 0;
    fs_.fail(full);
    for (std::uint64_t n = 2; n < 6; ++n) {
        core::TokenEntry made_up;
        made_up.id = TokenId{n};
        made_up.secret = Secret(fmt::format("made-up-{}", n));
        EXPECT_TRUE(append(n, made_up).has_error());
    }
    fs_.heal();
    core::TokenEntry paused = token();
    paused.state = core::TokenEntry::State::paused;
    bool kept = false;
    storage_->put_tokens({paused}, [&](const Result<void>& put) { kept = put.has_value(); });
    run_until([&] { return kept; });
    EXPECT_EQ(registered().size(), 1U);
}

TEST_F(StorageThreadTest, ATokenThatCanNotBeKeptIsNoHarmToTheLog) {
    start();
    fs_.fail_next(SimOp::sync, EIO);
    ASSERT_TRUE(append(1, token()).has_error());
    EXPECT_EQ(log_.named("token.not_kept").size(), 1U);
    EXPECT_TRUE(log_.named("spool.failed").empty());
    EXPECT_FALSE(snapshot().failed);
    core::DeadLetter letter;
    letter.seq = append(2, token()).value();
    storage_->bury(letter);
    EXPECT_EQ(snapshot().dead_letters, 1U);
}

TEST_F(StorageThreadTest, ATokenThatFindsNoRoomIsRefusedAsAFullQueueIs) {
    start();
    for (const int error : {ENOSPC, EDQUOT, EMFILE}) {
        fs_.refuse("tokens.tmp", error);
        fs_.fail_next(SimOp::write, error);
        EXPECT_EQ(append(1, token()).error().code, QueueErrc::full) << error;
    }
    fs_.refuse("", 0);
    fs_.stop_failing();
    EXPECT_TRUE(append(1, token()).has_value());
    EXPECT_EQ(log_.named("token.not_kept").size(), 1U);
}

TEST_F(StorageThreadTest, AFullQueueIsSaidOnceAndEndsWhenThereIsRoom) {
    start(2);
    const Seq first = append(1).value();
    append(2);
    EXPECT_EQ(append(3).error().code, QueueErrc::full);
    EXPECT_EQ(append(4).error().code, QueueErrc::full);
    EXPECT_EQ(log_.named("spool.full").size(), 1U);
    storage_->settle({first, Outcome::delivered});
    EXPECT_TRUE(append(5).has_value());
    EXPECT_EQ(log_.named("spool.has_room").size(), 1U);
}

TEST_F(StorageThreadTest, AFailedSyncIsFinalAndReadsGoOn) {
    start();
    const Seq seq = append(1).value();
    fs_.fail_next(SimOp::sync, EIO);
    EXPECT_EQ(append(2).error().code, QueueErrc::failed);
    EXPECT_EQ(append(3).error().code, QueueErrc::failed);
    EXPECT_EQ(log_.named("spool.failed").size(), 1U);
    EXPECT_TRUE(snapshot().failed);
    std::optional<Result<EventRecord>> read;
    storage_->read(seq, [&](Result<EventRecord> result) { read = std::move(result); });
    run_until([&] { return read.has_value(); });
    EXPECT_EQ((*read)->id, "id-1");
}

TEST_F(StorageThreadTest, ABarrierComesAfterWhatWasAppendedBefore) {
    start();
    bool appended = false;
    bool barrier = false;
    storage_->append(event(1), {}, [&](EventRecord, const Result<Seq>&) {
        EXPECT_FALSE(barrier);
        appended = true;
    });
    storage_->barrier([&] { barrier = true; });
    run_until([&] { return barrier; });
    EXPECT_TRUE(appended);
}

TEST_F(StorageThreadTest, OutcomesAreWrittenWithoutCompanyAsWell) {
    start();
    const Seq seq = append(1).value();
    storage_->settle({seq, Outcome::delivered});
    run_until([&] { return snapshot().ledger.delivered == 1; });
    EXPECT_EQ(snapshot().usage.events, 0U);
}

TEST_F(StorageThreadTest, ABuriedEventIsInTheDeadLettersAndSettled) {
    start();
    core::DeadLetter letter;
    letter.seq = append(1).value();
    letter.reason = "HTTP 422";
    storage_->bury(letter);
    const auto after = snapshot();
    EXPECT_EQ(after.dead_letters, 1U);
    EXPECT_EQ(after.ledger.dead, 1U);
    EXPECT_EQ(after.usage.events, 0U);
}

TEST_F(StorageThreadTest, AnEventThatCanNotBeBuriedStaysQueuedUntilItCan) {
    start();
    core::DeadLetter letter;
    letter.seq = append(1).value();
    fs_.fail_next(SimOp::write, ENOSPC);
    storage_->bury(letter);
    run_until([&] { return snapshot().dead_letters == 1; });
    EXPECT_EQ(snapshot().usage.events, 0U);
    EXPECT_EQ(log_.named("dead_letters.failed").size(), 1U);
}

TEST_F(StorageThreadTest, AnErasureTakesEventsAndLettersAndItsOutcomesComeTooLate) {
    start();
    const Seq seq = append(1, token()).value();
    core::DeadLetter letter;
    letter.seq = append(2).value();
    storage_->bury(letter);
    std::optional<Result<StorageThread::Erased>> erased;
    storage_->erase({TokenId{1}, TokenId{2}},
                    [&](const Result<StorageThread::Erased>& result) { erased = result; });
    run_until([&] { return erased.has_value(); });
    const std::map<TokenId, std::uint64_t> one{{TokenId{1}, 1}};
    EXPECT_EQ((*erased)->events, one);
    EXPECT_EQ((*erased)->dead_letters, one);
    storage_->settle({seq, Outcome::delivered});
    const auto after = snapshot();
    EXPECT_EQ(after.ledger.delivered, 0U);
    EXPECT_EQ(after.ledger.erased, 2U) << "the dead letter as well";
    EXPECT_EQ(after.ledger.unaccounted(after.usage.events), 0);
}

TEST_F(StorageThreadTest, TheReceiptOfAnErasureCountsWhatItsFailedAttemptsHaveErased) {
    start();
    const auto erase = [this] {
        std::optional<Result<StorageThread::Erased>> erased;
        storage_->erase({TokenId{1}},
                        [&](const Result<StorageThread::Erased>& result) { erased = result; });
        run_until([&] { return erased.has_value(); });
        return *erased;
    };
    for (const std::uint64_t events : {3U, 1U}) {
        for (std::uint64_t n = 0; n < events; ++n) ASSERT_TRUE(append(n, token()).has_value());
        core::DeadLetter letter;
        letter.seq = append(events).value();
        storage_->bury(letter);
        run_until([&] { return snapshot().dead_letters == 1; });
        fs_.refuse("dead-letters.tmp", ENOSPC);
        for (int attempt = 0; attempt < 2; ++attempt) EXPECT_TRUE(erase().has_error());
        fs_.refuse("", 0);
        const auto erased = erase();
        ASSERT_TRUE(erased.has_value()) << erased.error().message;
        const std::map<TokenId, std::uint64_t> all{{TokenId{1}, events}};
        EXPECT_EQ(erased->events, all) << "and not those of the first round again";
        EXPECT_EQ(erased->dead_letters.at(TokenId{1}), 1U);
    }
}

TEST_F(StorageThreadTest, StoppingWritesWhatWasAskedFor) {
    start(0, std::chrono::hours(1));
    const Seq seq = append(1).value();
    storage_->settle({seq, Outcome::delivered});
    storage_->stop();
    EXPECT_EQ(storage_->last_snapshot().ledger.delivered, 1U);
    storage_.reset();
    start();
    EXPECT_EQ(snapshot().usage.events, 0U) << "durable";
}

TEST_F(StorageThreadTest, AReplayedLetterIsReadAndSettledAndBuriedLikeAQueuedEvent) {
    start();
    core::DeadLetter letter;
    letter.seq = append(1).value();
    storage_->bury(letter);
    std::optional<std::size_t> replayed;
    const auto replay = [&] {
        replayed.reset();
        storage_->replay({letter.seq}, WallTime(Seconds(1)),
                         [&](const Result<std::vector<core::QueuedEvent>>& events) {
                             replayed = events.has_value() ? events->size() : 0;
                         });
        run_until([&] { return replayed.has_value(); });
        EXPECT_EQ(replayed, 1U);
    };
    replay();
    std::optional<Result<EventRecord>> record;
    storage_->read(letter.seq, [&](Result<EventRecord> result) { record = std::move(result); });
    run_until([&] { return record.has_value(); });
    EXPECT_EQ(record->value().id, "id-1");

    letter.reason = "again";
    storage_->bury(letter);
    EXPECT_EQ(snapshot().ledger.dead, 1U);
    EXPECT_EQ(snapshot().dead_letters, 1U);

    replay();
    EXPECT_EQ(snapshot().dead_letters, 0U) << "it is queued";
    EXPECT_EQ(snapshot().replayed, 1U);
    storage_->settle({letter.seq, Outcome::delivered});
    const auto after = snapshot();
    EXPECT_EQ(after.ledger.delivered, 1U);
    EXPECT_EQ(after.ledger.dead, 0U);
    EXPECT_EQ(after.dead_letters, 0U);
    EXPECT_EQ(after.ledger.unaccounted(after.usage.events), 0);
}

/// An earlier version has marked such letters.
TEST_F(StorageThreadTest, AReplayedLetterWithoutItsEventIsDamagedAndNothingWorse) {
    {
        Stores stores = test::open_stores(fs_, log_);
        core::DeadLetter letter;
        letter.seq = Seq{7};
        letter.event.token = TokenId{1};
        letter.event.id = "seq-7";
        ASSERT_TRUE(stores.dead_letters->add({&letter, 1}).has_value());
    }
    struct : storage::RecordSink {
        void record(const storage::ScannedRecord&) override {}
        void damage(std::uint64_t, std::uint64_t) override {}
    } ignore;
    {
        storage::RecordJournal journal(fs_, "/state/dead-letters",
                                       storage::JournalKind::dead_letters);
        ASSERT_TRUE(journal.open(ignore, log_).has_value());
        const storage::Replay mark{Seq{7}, WallTime(Seconds(1))};
        const auto record = storage::replay_record({&mark, 1});
        ASSERT_TRUE(journal.append({&record, 1}).has_value());
    }
    start();
    EXPECT_EQ(snapshot().replayed, 1U);
    std::optional<Result<EventRecord>> read;
    storage_->read(Seq{7}, [&](Result<EventRecord> result) { read = std::move(result); });
    run_until([&] { return read.has_value(); });
    ASSERT_TRUE(read->has_error());
    EXPECT_EQ(read->error().code, QueueErrc::damaged);
    core::DeadLetter again;
    again.seq = Seq{7};
    again.event.token = TokenId{1};
    storage_->bury(again);
    EXPECT_EQ(snapshot().dead_letters, 1U);
    EXPECT_EQ(snapshot().replayed, 0U);
}

TEST_F(StorageThreadTest, OutcomesThatWaitAreRecordedWithTheNextCommit) {
    constexpr std::uint64_t count = 70;  // more than one portion
    StorageWork work(test::open_stores(fs_, log_), log_);
    StorageMailbox::Mail appends;
    for (std::uint64_t i = 1; i <= count; ++i) {
        appends.appends.push_back({event(i), [](EventRecord, Result<Seq>) {}});
    }
    for (const auto& done : work.carry_out(std::move(appends))) done();
    StorageMailbox::Mail burials;
    std::vector<Seq> buried;
    burials.letters_changed = [](const core::LetterUsage&) {};
    burials.letters_buried = [&](std::span<const Seq> now) {
        buried.insert(buried.end(), now.begin(), now.end());
    };
    for (std::uint64_t i = 1; i <= count; ++i) {
        core::DeadLetter letter;
        letter.seq = Seq{i};
        burials.burials.push_back(std::move(letter));
    }
    fs_.fail({SimOp::write, ".seg", ENOSPC, 0, 1});
    for (const auto& done : work.carry_out(std::move(burials))) done();
    EXPECT_EQ(work.snapshot().ledger.dead, count);
    EXPECT_EQ(buried.size(), count);
    EXPECT_FALSE(work.has_unfinished());
}

TEST_F(StorageThreadTest, DeadLettersAreDroppedForTheirAgeAlone) {
    start();
    std::vector<core::LetterUsage> usage;
    std::vector<Seq> buried;
    storage_->watch_letters(
        [&](const core::LetterUsage& now) { usage.push_back(now); },
        [&](std::span<const Seq> now) { buried.insert(buried.end(), now.begin(), now.end()); });
    for (std::uint64_t i = 1; i <= 3; ++i) {
        core::DeadLetter letter;
        letter.seq = append(i).value();
        letter.died = WallTime(Seconds(i));
        storage_->bury(letter);
    }
    EXPECT_EQ(snapshot().dead_letters, 3U);
    EXPECT_EQ(buried.size(), 3U);
    ASSERT_FALSE(usage.empty());
    EXPECT_EQ(usage.back().letters, 3U);
    EXPECT_EQ(usage.back().buried, 3U);
    EXPECT_GT(usage.back().bytes, 3U);
    std::uint64_t dropped = 0;
    storage_->drop_older_letters(Seconds(10), WallTime(Seconds(12)),
                                 [&](std::uint64_t letters) { dropped = letters; });
    const auto after = snapshot();
    EXPECT_EQ(dropped, 1U);
    EXPECT_EQ(usage.back().letters, 2U);
    EXPECT_EQ(after.dead_letters, 2U);
    EXPECT_EQ(after.ledger.dropped, 1U);
    EXPECT_EQ(after.ledger.unaccounted(after.usage.events), 0);
    ASSERT_EQ(log_.named("dead_letters.dropped").size(), 1U);
    EXPECT_EQ(log_.named("dead_letters.dropped").front().fields.at("limit"),
              "dead_letters.max_age");
}

}  // namespace
}  // namespace flowrelay::runtime
