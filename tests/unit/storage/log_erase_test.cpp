// Tests that erasure leaves nothing of the token in any file, whatever happens meanwhile.
#include "log_fixture.hpp"
#include "storage/segment_index.hpp"

namespace flowrelay::storage {
namespace {

using test::make_event;
using test::same;
using test::SimCrash;
using test::SimFileSystem;
using test::SimOp;

constexpr TokenId gone{2};
constexpr std::string_view gone_mark = "token-2-mark";

class LogEraseTest : public test::LogFixture {};

TEST_F(LogEraseTest, QueuedEventsAreSettledAsErased) {
    open();
    append(3, TokenId{1});
    append(4, gone);
    append(3, TokenId{1});
    const auto erased = queue->erase(gone);
    ASSERT_TRUE(erased.has_value());
    EXPECT_EQ(*erased, 4U);
    EXPECT_EQ(queued(), (std::vector<std::uint64_t>{1, 2, 3, 8, 9, 10}));
    EXPECT_EQ(queue->ledger().erased, 4U);
    EXPECT_EQ(unaccounted(), 0);
}

TEST_F(LogEraseTest, NothingOfTheTokenIsInAnyFile) {
    open();
    append(300, TokenId{1});
    append(300, gone);
    append(300, TokenId{1});
    append(5, gone);
    ASSERT_TRUE(fs.holds(gone_mark));
    ASSERT_TRUE(queue->erase(gone).has_value());
    EXPECT_FALSE(fs.holds(gone_mark));
    EXPECT_TRUE(fs.holds("token-1-mark"));
}

TEST_F(LogEraseTest, WhatResistsInTheQuarantineIsNoHarmToTheLog) {
    open();
    append(3, gone);
    append(1, gone);
    fs.flip_bit(segment(1), first_record + event_size());  // in a header
    open();
    const auto copies = [this] {
        auto paths = fs.paths();
        std::erase_if(
            paths, [](const auto& path) { return path.find("/quarantine/") == std::string::npos; });
        return paths;
    };
    ASSERT_EQ(copies().size(), 1U);
    fs.refuse(copies().front(), EACCES);
    ASSERT_TRUE(queue->erase(gone).has_error());
    append(1, TokenId{1});
    fs.refuse("", 0);
    ASSERT_TRUE(queue->erase(gone).has_value());
    EXPECT_FALSE(fs.holds(gone_mark));
}

TEST_F(LogEraseTest, DeliveredEventsAreWipedToo) {
    open();
    append(1, TokenId{1});
    append(10, gone);
    settle(2, 11);
    const auto erased = queue->erase(gone);
    ASSERT_TRUE(erased.has_value());
    EXPECT_EQ(*erased, 0U);
    EXPECT_FALSE(fs.holds(gone_mark));
    EXPECT_EQ(queue->ledger().delivered, 10U);
}

TEST_F(LogEraseTest, WhatOtherTokensHaveIsUntouched) {
    open();
    for (std::uint64_t i = 0; i < 500; ++i) append(1, i % 3 == 0 ? gone : TokenId{1});
    ASSERT_TRUE(queue->erase(gone).has_value());
    for (int run = 0; run < 2; ++run) {
        const auto seqs = queued();
        EXPECT_EQ(seqs.size(), 333U);
        for (const std::uint64_t seq : seqs) {
            EXPECT_TRUE(same(*queue->read(Seq{seq}), make_event(seq)));
        }
        open();
    }
}

TEST_F(LogEraseTest, WipedRecordsAreNotDamage) {
    open();
    append(10, TokenId{1});
    append(10, gone);
    append(10, TokenId{1});
    ASSERT_TRUE(queue->erase(gone).has_value());
    append(1, TokenId{1});
    power_failure();
    open();
    EXPECT_TRUE(log.named("spool.damaged").empty());
    EXPECT_TRUE(log.named("spool.tail_cut").empty());
    EXPECT_EQ(queued().size(), 21U);
    EXPECT_EQ(unaccounted(), 0);
    EXPECT_FALSE(fs.holds(gone_mark));
}

TEST_F(LogEraseTest, ErasedIdsAreNotKnown) {
    open();
    append(10, gone);
    append(2, TokenId{1});
    ASSERT_TRUE(queue->erase(gone).has_value());
    const auto ids = test::known_ids(*queue, WallTime::min(), 1000);
    ASSERT_EQ(ids.size(), 1U);
    EXPECT_EQ(ids[0].token, TokenId{1});
}

TEST_F(LogEraseTest, IsDurableWhenItReturns) {
    open();
    append(10, gone);
    ASSERT_TRUE(queue->erase(gone).has_value());
    power_failure();
    EXPECT_FALSE(fs.holds(gone_mark));
    open();
    EXPECT_TRUE(queued().empty());
}

TEST_F(LogEraseTest, MayBeRepeated) {
    open();
    append(10, gone);
    ASSERT_TRUE(queue->erase(gone).has_value());
    const auto again = queue->erase(gone);
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(*again, 0U);
    EXPECT_EQ(queue->ledger().erased, 10U);
}

TEST_F(LogEraseTest, TheSlotMayBeUsedAgain) {
    open();
    append(3, gone);
    ASSERT_TRUE(queue->erase(gone).has_value());
    const Seq first = append(3, gone);
    open();
    EXPECT_EQ(queued(), range(to_number(first), to_number(first) + 2));
    EXPECT_TRUE(same(*queue->read(first), make_event(4, gone)));
    EXPECT_TRUE(log.named("spool.damaged").empty());
}

TEST_F(LogEraseTest, UnknownTokensAreFine) {
    open();
    append(3);
    const auto erased = queue->erase(TokenId{77});
    ASSERT_TRUE(erased.has_value());
    EXPECT_EQ(*erased, 0U);
    EXPECT_EQ(queued(), range(1, 3));
}

TEST_F(LogEraseTest, DamagedRangesAreWipedAsTheyMayHoldIt) {
    open();
    append(5, TokenId{1});
    for (int i = 0; i < 5; ++i) append(1, gone);
    append(5, TokenId{1});
    const std::uint64_t third = first_record + 7 * event_size();
    fs.flip_bit(segment(1), third + 3);
    open();
    EXPECT_EQ(log.named("spool.damaged").size(), 1U);
    ASSERT_TRUE(queue->erase(gone).has_value());
    EXPECT_FALSE(fs.holds(gone_mark));
    open();
    EXPECT_EQ(queued().size(), 10U);
}

TEST_F(LogEraseTest, SegmentsWithoutAHeaderGoAsTheyMayHoldIt) {
    open();
    append(1000, gone);
    append(3, TokenId{1});
    fs.overwrite(segment(2), 0, std::vector<std::uint8_t>(4096));
    open();
    ASSERT_TRUE(queue->erase(gone).has_value());
    EXPECT_FALSE(fs.holds(gone_mark));
    open();
    EXPECT_EQ(queued().size(), 3U);
}

TEST_F(LogEraseTest, WhatARefusedWriteLeftIsWiped) {
    open();
    append(3, TokenId{1});
    // At most the first record's header is wiped when the write is undone.
    for (int i = 0; i < 10; ++i) {
        fs.fail_next(SimOp::write, ENOSPC);
        ASSERT_TRUE(try_append(20, gone).has_error());
    }
    ASSERT_TRUE(queue->erase(gone).has_value());
    EXPECT_FALSE(fs.holds(gone_mark));
}

TEST_F(LogEraseTest, WhatARefusedWriteLeftBehindTheEndOfASealedSegmentIsWiped) {
    open();
    append(3, TokenId{1});
    const std::size_t room = options.segment_size - segment_header_size - 3 * event_size() - 40;
    fs.fail_next(SimOp::write, ENOSPC);
    ASSERT_TRUE(try_append(1, gone, room - 200).has_error());
    append(1, TokenId{1}, room);  // does not fit: begins a new segment
    ASSERT_EQ(segments().size(), 2U);
    open();
    ASSERT_TRUE(queue->erase(gone).has_value());
    EXPECT_FALSE(fs.holds(gone_mark));
}

TEST_F(LogEraseTest, AFailedSyncIsNotASuccess) {
    open();
    append(3, gone);
    settle(1, 3);
    fs.fail_next(SimOp::sync, EIO);
    EXPECT_EQ(queue->erase(gone).error().code, QueueErrc::failed);
}

TEST_F(LogEraseTest, ACrashAtAnyOperationIsMadeGoodByTheNextCall) {
    options.segment_size = 16 * 1024;
    std::uint64_t operations = 0;
    for (std::uint64_t at = 1; at == 1 || at <= operations; ++at) {
        for (std::uint64_t seed = 0; seed < 8; ++seed) {
            SCOPED_TRACE(fmt::format("operation {}, seed {}", at, seed));
            SimFileSystem disk(seed);
            test::RecordingLog lines;
            auto opened = open_segmented_log(disk, directory, options, lines);
            std::vector<EventRecord> events;
            for (std::uint64_t n = 1; n <= 180; ++n) {
                events.push_back(make_event(n, n % 3 == 0 ? gone : TokenId{1}));
            }
            ASSERT_TRUE((*opened)->commit(events, {}).has_value());
            const Settlement delivered{Seq{3}, core::Outcome::delivered};
            ASSERT_TRUE((*opened)->commit({}, {&delivered, 1}).has_value());
            const std::size_t before = disk.operations().size();
            disk.crash_at(at);
            try {
                ASSERT_TRUE((*opened)->erase(gone).has_value());
                operations = disk.operations().size() - before;
            } catch (const SimCrash&) {
                operations = std::max(operations, at + 1);
            }
            opened->reset();
            disk.power_failure();
            opened = open_segmented_log(disk, directory, options, lines);
            ASSERT_TRUE(opened.has_value());
            EXPECT_TRUE(lines.named("spool.damaged").empty());
            ASSERT_TRUE((*opened)->erase(gone).has_value());
            EXPECT_FALSE(disk.holds(gone_mark));
            EXPECT_EQ((*opened)->usage().events, 120U);
            EXPECT_EQ((*opened)->ledger(), (core::Ledger{180, 1, 0, 0, 59, 0}));
            for (std::uint64_t n = 1; n <= 180; n += 31) {
                if (n % 3 == 0) continue;
                EXPECT_TRUE(same(*(*opened)->read(Seq{n}), make_event(n)));
            }
        }
    }
    EXPECT_GT(operations, 60U) << "the erasure had little to do";
}

/// Two successive erasures in a busy log: segments are filled, settled, recycled and compacted
/// between the steps.
class ErasureUnderLoad {
public:
    explicit ErasureUnderLoad(std::uint64_t seed) : random_(seed), fs_(seed) {
        options_.segment_size = 16 * 1024;
        options_.max_size = 1 << 20;
        options_.salt_seed = seed + 1;
        options_.dedup_window = Milliseconds(random_.chance(0.5) ? 1 << 30 : 0);
        auto opened = open_segmented_log(fs_, "/state/spool", options_, log_);
        queue_ = std::move(*opened);
    }

    void run() {
        for (int i = 0; i < 60; ++i) work({TokenId{1}, TokenId{2}, TokenId{3}, TokenId{4}});
        erase({TokenId{2}, TokenId{3}}, {TokenId{1}, TokenId{4}});
        erase({TokenId{4}}, {TokenId{1}});
        ASSERT_TRUE(queue_->commit({}, {}).has_value());  // outcomes deferred by a full disk
        for (const auto& [seq, event] : queued_) {
            const auto record = queue_->read(seq);
            ASSERT_TRUE(record.has_value()) << record.error().message;
            EXPECT_TRUE(same(*record, event));
        }
        EXPECT_EQ(queue_->usage().events, queued_.size());
        EXPECT_EQ(queue_->ledger().unaccounted(queued_.size()), 0);
    }

private:
    void erase(const std::vector<TokenId>& gone_now, const std::vector<TokenId>& others) {
        std::map<TokenId, std::uint64_t> expected;
        std::erase_if(queued_, [&](const auto& item) {
            const bool is_gone = std::ranges::count(gone_now, item.second.token) > 0;
            if (is_gone) ++expected[item.second.token];
            return is_gone;
        });
        queue_->begin_erasure(gone_now);
        for (int steps = 0;; ++steps) {
            ASSERT_LT(steps, 5000) << "it does not come to an end";
            const auto done = queue_->erase_some();
            ASSERT_TRUE(done.has_value()) << done.error().message;
            if (*done) {
                EXPECT_EQ(**done, expected);
                break;
            }
            while (random_.chance(0.6)) work(others);
        }
        for (const TokenId token : gone_now) {
            EXPECT_FALSE(fs_.holds(fmt::format("token-{}-mark", to_number(token))));
        }
    }

    void work(const std::vector<TokenId>& tokens) {
        std::vector<EventRecord> events;
        for (std::uint64_t i = random_.below(8); i > 0; --i) {
            const TokenId token = tokens[random_.below(tokens.size())];
            events.push_back(make_event(++number_, token, 20 + random_.below(2000)));
        }
        std::vector<core::Settlement> outcomes;
        for (const auto& [seq, event] : queued_) {
            if (!random_.chance(event.token == TokenId{1} ? 0.4 : 0.1)) continue;
            outcomes.push_back({seq, core::Outcome::delivered});
        }
        const bool refused = random_.chance(0.05);
        if (refused) fs_.fail_next(SimOp::write, ENOSPC);
        const auto first = queue_->commit(events, outcomes);
        fs_.stop_failing();
        for (const auto& outcome : outcomes) queued_.erase(outcome.seq);
        if (first.has_value()) {
            for (std::size_t i = 0; i < events.size(); ++i) {
                queued_.emplace(Seq{to_number(*first) + i}, events[i]);
            }
        } else {
            ASSERT_EQ(first.error().code, QueueErrc::full) << first.error().message;
        }
        ASSERT_TRUE(queue_->maintain().has_value());
    }

    Random random_;
    SimFileSystem fs_;
    test::RecordingLog log_;
    LogOptions options_;
    std::unique_ptr<EventQueue> queue_;
    std::map<Seq, EventRecord> queued_;
    std::uint64_t number_ = 0;
};

TEST_F(LogEraseTest, NothingIsLeftOfASetOfTokensHoweverTheStepsFallBetweenCommits) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        SCOPED_TRACE(fmt::format("seed {}", seed));
        ErasureUnderLoad(seed).run();
        if (HasFailure()) break;
    }
}

TEST_F(LogEraseTest, AScanIsMadeInPiecesAndMissesNothing) {
    options.segment_size = 16 << 20;
    options.max_size = 64 << 20;
    open();
    for (int i = 0; i < 9; ++i) {
        append(7, TokenId{1}, 100'000);
        append(7, gone, 100'000);
    }
    queue->begin_erasure({&gone, 1});
    int steps = 0;
    for (bool done = false; !done; ++steps) {
        const auto step = queue->erase_some();
        ASSERT_TRUE(step.has_value());
        done = step->has_value();
        append(1, TokenId{1});
    }
    EXPECT_GT(steps, 8);
    EXPECT_FALSE(fs.holds(gone_mark));
    EXPECT_EQ(queued().size(), static_cast<std::size_t>(9 * 7 + steps));
}

TEST_F(LogEraseTest, IsNotDoneWhileAFileOfAnAbandonedCompactionCanNotBeRemoved) {
    open();
    append(2, gone);
    append(400, TokenId{1});
    const std::string left_over = std::string(directory) + "/000000000001.tmp";
    fs.copy(segment(1), left_over);
    fs.refuse(left_over, EACCES);
    ASSERT_TRUE(queue->erase(gone).has_error());
    append(1, TokenId{1});
    fs.refuse("", 0);
    ASSERT_TRUE(queue->erase(gone).has_value());
    EXPECT_FALSE(fs.holds(gone_mark));
}

TEST_F(LogEraseTest, IsNotDoneWhileTheRemovalFromTheQuarantineIsNotDurable) {
    open();
    append(3, gone);
    append(1, gone);
    fs.flip_bit(segment(1), first_record + event_size());
    open();
    const std::string quarantine = std::string(directory) + "/quarantine";
    // The sync of the log's own directory comes first.
    const std::size_t before = fs.operations().size();
    for (int tries = 0; tries < 2; ++tries) {
        queue->begin_erasure({&gone, 1});
        bool failed = false;
        while (!failed) {
            fs.refuse(quarantine, EIO);
            const auto step = queue->erase_some();
            failed = step.has_error();
            ASSERT_FALSE(step.has_value() && step->has_value()) << "done too early";
        }
    }
    fs.refuse("", 0);
    ASSERT_TRUE(queue->erase(gone).has_value());
    EXPECT_GT(fs.operations().size(), before);
    power_failure();
    EXPECT_FALSE(fs.holds(gone_mark));
}

TEST_F(LogEraseTest, ReachesWhatAnIndexThatWasMadeAnewDoesNotKnow) {
    open();
    append(1, gone);
    settle(1, 1);
    append(1000, TokenId{1});
    queue.reset();
    fs.flip_bit(segment(1), first_record);  // the header of its only event
    const std::string index = std::string(directory) + "/000000000001.idx";
    const std::size_t size = fs.contents(index).size();
    for (std::size_t block = index_block_size; block < size; block += index_block_size) {
        fs.flip_bit(index, block + 8);
    }
    open();
    ASSERT_TRUE(fs.holds(gone_mark));
    ASSERT_TRUE(queue->erase(gone).has_value());
    EXPECT_FALSE(fs.holds(gone_mark));
}

TEST_F(LogEraseTest, ReachesIdsThatCanNotBeRead) {
    options.dedup_window = Milliseconds(1 << 30);
    open();
    append(500, gone);
    settle(1, 500);
    append(1000, TokenId{1});
    settle(501, 1500);
    queue.reset();
    const std::string ids = std::string(directory) + "/known-ids";
    ASSERT_GT(fs.contents(ids).size(), 200U);
    fs.flip_bit(ids, 64 + 64 + 40);  // in the payload of the first record
    open();
    ASSERT_TRUE(queue->erase(gone).has_value());
    EXPECT_FALSE(fs.holds(gone_mark));

    queue.reset();
    fs.overwrite(ids, 0, std::vector<std::uint8_t>(200, 'x'));
    fs.overwrite(ids, 300, std::vector<std::uint8_t>(gone_mark.begin(), gone_mark.end()));
    fs.refuse("known-ids.tmp", EMFILE);  // it can't be replaced at the start
    open();
    fs.refuse("", 0);
    ASSERT_TRUE(queue->erase(gone).has_value());
    EXPECT_FALSE(fs.holds(gone_mark));
}

TEST_F(LogEraseTest, ReachesTheIdsOfEventsThatAreGone) {
    options.dedup_window = Milliseconds(1 << 30);
    open();
    append(500, TokenId{1});
    append(500, TokenId{2});
    settle(1, 1000);
    append(1, TokenId{3});
    ASSERT_TRUE(fs.holds("token-1-mark"));
    ASSERT_TRUE(queue->erase(TokenId{1}).has_value());
    EXPECT_FALSE(fs.holds("token-1-mark"));
    for (const auto& known : test::known_ids(*queue, WallTime::min(), 10'000)) {
        EXPECT_NE(known.token, TokenId{1});
    }
    EXPECT_TRUE(fs.holds("token-2-mark")) << "others keep theirs";
}

}  // namespace
}  // namespace flowrelay::storage
