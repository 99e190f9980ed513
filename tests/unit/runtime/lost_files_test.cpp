// A start with a registry or dead letters that are lost, truncated or damaged, and an intact log:
// it reports what is missing, and the operator can still manage the queued events.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "flowrelay/runtime/start_up.hpp"
#include "memory_stores.hpp"
#include "storage/record.hpp"
#include "storage/record_journal.hpp"
#include "support/recording_log.hpp"

namespace flowrelay::runtime {
namespace {

constexpr TokenId ci{1};
constexpr Milliseconds max_age{3'600'000};

class LostFiles : public testing::Test {
protected:
    LostFiles() { start(); }

    void start() {
        relay_.reset();
        spool_.reset();
        spool_ = test::open_spool(fs_, log_);
        core::RelayOptions options;
        options.scheduler.max_age = max_age;
        relay_.emplace(options, spool_->salt(), spool_->entries(), Random(1), log_);
        core::ConfiguredSource source;
        source.name = "ci";
        source.secret = Secret("t0ken-of-ci");
        std::vector<core::ConfiguredSource> sources;
        sources.push_back(std::move(source));
        restore(*relay_, *spool_, std::move(sources), Milliseconds(0), now_);
    }

    void accept(std::uint64_t count) {
        std::vector<core::EventRecord> events(count);
        for (auto& event : events) {
            event.token = ci;
            event.accepted = now_.wall;
            event.id = fmt::format("event-{}", ++accepted_);
            event.thread = "e:t";
            event.thread_hash = hash_thread(event.thread);
            event.body = "{}";
        }
        ASSERT_TRUE(spool_->commit(events, {}).has_value());
    }

    void kill(std::uint64_t first, std::uint64_t last) {
        for (std::uint64_t seq = first; seq <= last; ++seq) {
            std::vector<core::DeadLetter> letters(1);
            letters[0].seq = Seq{seq};
            letters[0].outcome = seq % 2 == 0 ? core::Outcome::dead : core::Outcome::expired;
            letters[0].died = now_.wall;
            spool_->bury(std::move(letters));
        }
        ASSERT_EQ(spool_->take_buried().size(), last + 1 - first);
    }

    /// Returns what is missing according to the log and the ledger, which must agree.
    std::uint64_t missing_letters() {
        const auto lines = log_.named("dead_letters.missing");
        log_.lines.clear();
        const auto missing = spool_->status().missing_letters;
        if (lines.empty() != (missing == 0)) ADD_FAILURE() << "the log does not say it";
        for (const auto& line : lines)
            EXPECT_EQ(line.fields.at("missing"), std::to_string(missing));
        return missing;
    }

    void cut(const std::string& path, std::uint64_t size) {
        ASSERT_TRUE(fs_.open(path).value()->truncate(size).has_value());
    }

    test::SimFileSystem fs_{1};
    test::RecordingLog log_;
    Now now_{MonoTime(Seconds(1000)), WallTime(Seconds(1'000'000))};
    std::unique_ptr<storage::Spool> spool_;
    std::optional<core::Relay> relay_;
    std::uint64_t accepted_ = 0;
};

TEST_F(LostFiles, WithoutTheRegistryEventsAreKeptUnderTheNameOfTheirSlot) {
    accept(5);
    kill(1, 2);
    ASSERT_TRUE(fs_.remove("/state/tokens").has_value());
    start();
    const auto& tokens = relay_->tokens();
    ASSERT_TRUE(tokens.all().contains(ci));
    EXPECT_TRUE(tokens.at(ci).unknown);
    EXPECT_EQ(tokens.find("token-1"), ci);
    EXPECT_EQ(tokens.find("ci"), TokenId{2}) << "another slot: nothing falls to another token";
    EXPECT_EQ(relay_->lifecycle().queued(ci), 3U);
    const auto lines = log_.named("token.unknown");
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].fields.at("source"), "token-1");
    EXPECT_EQ(lines[0].fields.at("queued"), "3");
    EXPECT_EQ(lines[0].fields.at("dead_letters"), "2");
    EXPECT_NE(relay_->lifecycle().token_reason(ci).find("not in the registry"), std::string::npos);
}

TEST_F(LostFiles, EventsOfAnUnknownTokenAreNeverPostedAndExpire) {
    accept(3);
    ASSERT_TRUE(fs_.remove("/state/tokens").has_value());
    start();
    const auto request = relay_->destination().active().next_load();
    ASSERT_TRUE(request);
    ASSERT_EQ(request->token, ci);
    auto loaded = spool_->load(*request, 0);
    ASSERT_TRUE(loaded.has_value());
    relay_->destination().loaded(*request, loaded->slice);
    EXPECT_FALSE(relay_->delivery().next(now_));
    const auto first = loaded->slice.events.front();
    const auto chain = core::explain(relay_->situation(first), now_.mono);
    ASSERT_FALSE(chain.empty());
    EXPECT_EQ(chain.back().cause, core::Cause::token_unknown);
    EXPECT_NE(chain.back().text.find("token-1"), std::string::npos);
    EXPECT_EQ(relay_->delivery().drop(first, "event-1", now_), core::Delivery::Drop::dropped);
    relay_->delivery().drop_settled(first.seq);

    now_.mono += max_age + Seconds(1);
    now_.wall += max_age + Seconds(1);
    EXPECT_FALSE(relay_->delivery().next(now_));
    EXPECT_EQ(relay_->delivery().expire(now_).bury.size(), 2U);
}

TEST_F(LostFiles, AnUnknownTokenIsNeitherPausedNorGivenATokenButRemoved) {
    accept(1);
    ASSERT_TRUE(fs_.remove("/state/tokens").has_value());
    start();
    EXPECT_TRUE(relay_->lifecycle().pause_source(ci, now_).has_error());
    EXPECT_TRUE(relay_->lifecycle().resume_source(ci, now_).has_error());
    const auto rotated = relay_->lifecycle().rotate_source(ci, Secret("an0ther"), now_);
    ASSERT_TRUE(rotated.has_error());
    EXPECT_NE(rotated.error().message.find("flowrelay restore"), std::string::npos);
    EXPECT_FALSE(relay_->delivery().next(now_));
    const auto removed = relay_->lifecycle().remove_source(ci, now_);
    ASSERT_TRUE(removed.has_value());
    relay_->lifecycle().tokens_saved(*removed);
    EXPECT_EQ(relay_->lifecycle().take_due_erasures(now_), std::vector<TokenId>{ci});
}

TEST_F(LostFiles, APieceOfTheRegistryThatWasCutOffIsMissedAsTheWholeIs) {
    accept(1);
    const auto path = std::string("/state/tokens");
    spool_.reset();
    // The salt is the first record; the slot of the source follows it.
    cut(path, storage::journal_header_size + 2 * storage::record_header_size);
    fs_.flip_bit(path, storage::journal_header_size + storage::record_header_size + 40);
    try {
        start();
        EXPECT_EQ(log_.named("token.unknown").size(), 1U);
    } catch (const std::runtime_error& error) {
        EXPECT_NE(std::string(error.what()).find("/state/tokens"), std::string::npos);
    }
}

TEST_F(LostFiles, TheBooksMissLettersWhoseFileIsGone) {
    accept(6);
    kill(1, 3);
    start();
    EXPECT_EQ(missing_letters(), 0U);
    ASSERT_TRUE(fs_.remove("/state/dead-letters").has_value());
    start();
    EXPECT_EQ(missing_letters(), 3U);
    start();
    kill(4, 4);
    start();
    EXPECT_EQ(missing_letters(), 3U) << "new ones do not stand for them";
}

TEST_F(LostFiles, TheBooksMissLettersThatWereCutOffAtAnyPlace) {
    accept(4);
    const auto path = std::string("/state/dead-letters");
    std::vector<std::uint64_t> ends;
    for (std::uint64_t seq = 1; seq <= 4; ++seq) {
        kill(seq, seq);
        ends.push_back(fs_.contents(path).size());
    }
    const auto whole = fs_.contents(path);
    for (std::uint64_t size = storage::journal_header_size; size <= whole.size(); size += 8) {
        SCOPED_TRACE(size);
        spool_.reset();
        cut(path, size);
        start();
        std::uint64_t left = 0;
        while (left < 4 && ends[left] <= size) ++left;
        EXPECT_EQ(missing_letters(), 4 - left);
        spool_.reset();
        auto file = fs_.open(path).value();
        ASSERT_TRUE(file->truncate(0).has_value());
        ASSERT_TRUE(file->write_at(0, whole).has_value());
    }
}

TEST_F(LostFiles, ADamagedLetterIsMissed) {
    accept(3);
    kill(1, 3);
    spool_.reset();
    fs_.flip_bit("/state/dead-letters",
                 storage::journal_header_size + storage::record_header_size + 5);
    start();
    EXPECT_EQ(log_.named("spool.damaged").size(), 1U);
    EXPECT_EQ(missing_letters(), 1U);
}

TEST_F(LostFiles, LettersThatWereDroppedDeliveredOrErasedAreNotMissed) {
    accept(9);
    kill(1, 6);
    const std::vector<Seq> dropped{Seq{1}};
    ASSERT_EQ(spool_->drop_letters(dropped).value(), 1U);
    const std::vector<Seq> replayed{Seq{2}, Seq{3}};
    ASSERT_TRUE(spool_->replay(replayed, now_.wall).has_value());
    const core::Settlement delivered{Seq{2}, core::Outcome::delivered};
    ASSERT_TRUE(spool_->commit({}, {&delivered, 1}).has_value());
    EXPECT_EQ(spool_->status().missing_letters, 0U);
    spool_->begin_erasure(std::vector<TokenId>{ci});
    while (!spool_->erase_some().value()) {
    }
    EXPECT_EQ(spool_->status().missing_letters, 0U);
    accept(1);
    kill(10, 10);
    start();
    EXPECT_EQ(missing_letters(), 0U);
}

}  // namespace
}  // namespace flowrelay::runtime
