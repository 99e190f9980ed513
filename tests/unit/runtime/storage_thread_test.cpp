#include "flowrelay/runtime/storage_thread.hpp"

#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flowrelay/runtime/storage_work.hpp"
#include "memory_stores.hpp"
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
        storage_.emplace(test::open_spool(fs_, log_, max_events), io_.get_executor(), settle_delay);
    }

    /// Runs completions until the condition holds; fails the test after a time-out.
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

    /// Appends an event and waits for the result.
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
        storage_->ask([&entries](storage::Spool& spool) {
            return [&entries, now = spool.entries()] { entries = now; };
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

// The watchdog depends on this: a thread that never notices its work is stuck as well.
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

TEST_F(StorageThreadTest, ASnapshotSaysWhyNothingIsAcceptedBeforeAnEventIsRefused) {
    start(2);
    ASSERT_TRUE(append(1, token()).has_value());
    EXPECT_FALSE(snapshot().refusing);
    ASSERT_TRUE(append(2).has_value());
    const auto refusing = snapshot().refusing;
    ASSERT_TRUE(refusing);
    EXPECT_EQ(refusing->code, "max_events");
    storage_->settle({Seq{1}, Outcome::delivered});
    run_until([this] { return !snapshot().refusing; });
}

TEST_F(StorageThreadTest, AReplayedLetterIsLoadedReadAndSettledLikeAQueuedEvent) {
    start();
    core::DeadLetter letter;
    letter.seq = append(1).value();
    storage_->bury(letter);
    std::optional<std::size_t> replayed;
    storage_->replay({letter.seq}, WallTime(Seconds(1)),
                     [&](const Result<std::vector<core::QueuedEvent>>& events) {
                         replayed = events.has_value() ? events->size() : 0;
                     });
    run_until([&] { return replayed.has_value(); });
    EXPECT_EQ(replayed, 1U);
    core::LoadRequest request;
    request.token = TokenId{1};
    request.limit = 10;
    request.with_replays = true;
    std::optional<StorageThread::Loaded> loaded;
    storage_->load(request, 1000,
                   [&](Result<StorageThread::Loaded> result) { loaded = result.value(); });
    run_until([&] { return loaded.has_value(); });
    ASSERT_EQ(loaded->records.size(), 1U);
    EXPECT_EQ(loaded->records[0].id, "id-1");
    std::optional<Result<EventRecord>> record;
    storage_->read(letter.seq, [&](Result<EventRecord> result) { record = std::move(result); });
    run_until([&] { return record.has_value(); });
    EXPECT_EQ(record->value().id, "id-1");
    storage_->settle({letter.seq, Outcome::delivered});
    run_until([&] { return snapshot().ledger.delivered == 1; });
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
