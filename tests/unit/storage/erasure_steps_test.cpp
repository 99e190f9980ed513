// Tests erasure from the journals in steps: each step is short, and changes between steps are kept.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <vector>

#include "flowrelay/base/random.hpp"
#include "log_fixture.hpp"
#include "storage/dead_letters.hpp"

namespace flowrelay::storage {
namespace {

using test::make_event;
using test::SimCrash;
using test::SimFileSystem;
using test::SimOp;

constexpr std::uint64_t longest_step = 2 * 1024 * 1024;

/// Returns the bytes written to files with this ending, from this operation on.
std::uint64_t written(const SimFileSystem& fs, std::size_t from, std::string_view ending) {
    std::uint64_t bytes = 0;
    for (std::size_t i = from; i < fs.operations().size(); ++i) {
        const auto& operation = fs.operations()[i];
        if (operation.op == SimOp::write && operation.path.ends_with(ending)) {
            bytes += operation.bytes;
        }
    }
    return bytes;
}

// ---- dead letters

/// Erases the letters of two tokens while others are added, die again, are replayed and leave.
class LettersUnderErasure {
public:
    LettersUnderErasure(std::uint64_t seed, SimFileSystem& fs) : random_(seed), fs_(fs) {
        open();
        for (int i = 0; i < 500; ++i) add(TokenId{1 + random_.below(4)});
        for (int i = 0; i < 30; ++i) change();
    }

    void open() {
        auto opened = DeadLetters::open(fs_, "/state/dead-letters", log_);
        ASSERT_TRUE(opened.has_value()) << opened.error().message;
        letters_ = std::move(*opened);
    }

    /// Returns how many steps there were.
    int erase() {
        const std::vector<TokenId> gone{TokenId{2}, TokenId{3}};
        letters_->begin_erasure(gone);
        int steps = 0;
        for (bool done = false; !done; ++steps) {
            const std::size_t before = fs_.operations().size();
            const auto erased = letters_->erase_some();
            EXPECT_TRUE(erased.has_value()) << erased.error().message;
            EXPECT_LE(written(fs_, before, ".tmp"), longest_step);
            done = erased.has_error() || *erased;
            for (auto changes = done ? 0 : random_.below(6); changes > 0; --changes) change();
        }
        std::erase_if(model_, [](const auto& item) {
            return item.second.token == TokenId{2} || item.second.token == TokenId{3};
        });
        return steps;
    }

    bool erase_until_it_fails() {
        const std::vector<TokenId> gone{TokenId{2}, TokenId{3}};
        letters_->begin_erasure(gone);
        while (true) {
            const auto done = letters_->erase_some();
            if (done.has_error()) return true;
            if (*done) return false;
            for (auto changes = random_.below(6); changes > 0; --changes) change();
        }
    }

    /// Compares the letters with the model. `crashed`: letters of erased tokens may exist too.
    void check(bool crashed = false) {
        std::set<Seq> there;
        for (const auto& [seq, token] : letters_->all()) {
            const bool gone = token == TokenId{2} || token == TokenId{3};
            if (!crashed || !gone) there.insert(seq);
        }
        std::set<Seq> expected;
        for (const auto& [seq, letter] : model_) {
            const bool gone = letter.token == TokenId{2} || letter.token == TokenId{3};
            if (!crashed || !gone) expected.insert(seq);
        }
        ASSERT_EQ(there, expected);
        for (const Seq seq : expected) {
            const auto letter = letters_->read(seq);
            ASSERT_TRUE(letter.has_value()) << letter.error().message;
            EXPECT_TRUE(test::same(letter->event, event_of(seq, model_.at(seq).token)));
            EXPECT_EQ(letter->attempts, model_.at(seq).deaths);
            EXPECT_EQ(letter->replayed, model_.at(seq).replayed);
        }
    }

    core::Ledger books() const { return letters_->corrected({1000, 0, 500, 500, 0, 0}); }
    void close() { letters_.reset(); }

private:
    struct Letter {
        TokenId token = TokenId::none;
        std::uint32_t deaths = 1;
        bool replayed = false;
    };

    static core::EventRecord event_of(Seq seq, TokenId token) {
        return make_event(to_number(seq), token, 10'000 + 37 * (to_number(seq) % 100));
    }

    void put(Seq seq, const Letter& letter) {
        DeadLetter added;
        added.seq = seq;
        added.event = event_of(seq, letter.token);
        added.outcome = to_number(seq) % 2 == 0 ? core::Outcome::dead : core::Outcome::expired;
        added.died = WallTime(Milliseconds(1'000'000));
        added.attempts = letter.deaths;
        ASSERT_TRUE(letters_->add({&added, 1}).has_value());
        model_[seq] = letter;
    }

    void add(TokenId token) {
        // Not in the order of seqs: an old event may die late.
        const Seq seq{(++number_ * 7919) % 100'003};
        put(seq, {token});
    }

    void change() {
        const std::uint64_t what = random_.below(6);
        if (what == 0) return add(random_.chance(0.5) ? TokenId{1} : TokenId{4});
        if (model_.empty()) return;
        auto at = model_.lower_bound(Seq{random_.below(100'003)});
        if (at == model_.end()) at = model_.begin();
        const Seq seq = at->first;
        Letter& letter = at->second;
        if (letter.token == TokenId{2} || letter.token == TokenId{3}) return;
        if (!letter.replayed) {
            if (what < 4) {
                const Seq seqs[] = {seq};
                ASSERT_TRUE(letters_->replay(seqs, WallTime(Milliseconds(2'000'000))).has_value());
                letter.replayed = true;
            } else if (what == 4) {
                const Seq seqs[] = {seq};
                ASSERT_TRUE(letters_->remove(seqs).has_value());
                model_.erase(at);
            } else {
                const Seq seqs[] = {seq};
                ASSERT_TRUE(letters_->withdraw(seqs).has_value());
                model_.erase(at);
            }
            return;
        }
        if (what < 3) {
            put(seq, {letter.token, letter.deaths + 1});
        } else {
            const core::Settlement end{seq, core::Outcome::delivered};
            ASSERT_TRUE(letters_->settle({&end, 1}).has_value());
            model_.erase(at);
        }
    }

    Random random_;
    SimFileSystem& fs_;
    test::RecordingLog log_;
    std::unique_ptr<DeadLetters> letters_;
    std::map<Seq, Letter> model_;
    std::uint64_t number_ = 0;
};

TEST(ErasureSteps, LettersThatChangeMeanwhileAreAsTheyWouldBe) {
    int steps = 0;
    for (std::uint64_t seed = 1; seed <= 15; ++seed) {
        SCOPED_TRACE(seed);
        SimFileSystem fs(seed);
        LettersUnderErasure life(seed, fs);
        steps += life.erase();
        ASSERT_NO_FATAL_FAILURE(life.check());
        for (const char* mark : {"token-2-mark", "token-3-mark"}) EXPECT_FALSE(fs.holds(mark));
        const core::Ledger books = life.books();
        life.close();
        fs.power_failure();
        life.open();
        ASSERT_NO_FATAL_FAILURE(life.check());
        EXPECT_EQ(life.books(), books);
        if (testing::Test::HasFailure()) break;
    }
    EXPECT_GT(steps, 40) << "one step did it all";
}

TEST(ErasureSteps, OneThatFailsLosesNoLetterAndCanBeBegunAgain) {
    int failures = 0;
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        SCOPED_TRACE(seed);
        SimFileSystem fs(seed);
        LettersUnderErasure life(seed, fs);
        const SimOp op = seed % 2 == 0 ? SimOp::write : SimOp::sync;
        fs.fail({op, ".tmp", EIO, seed / 2 % 9, 1});
        failures += life.erase_until_it_fails() ? 1 : 0;
        ASSERT_NO_FATAL_FAILURE(life.check(true));
        life.close();
        fs.heal();
        fs.power_failure();
        life.open();
        ASSERT_NO_FATAL_FAILURE(life.check(true));
        life.erase();
        ASSERT_NO_FATAL_FAILURE(life.check());
        EXPECT_FALSE(fs.holds("token-2-mark"));
        if (testing::Test::HasFailure()) break;
    }
    EXPECT_GT(failures, 10);
}

// ---- known ids

class KnownIdsUnderErasure : public test::LogFixture {
protected:
    std::set<std::string> ids_of(TokenId token) {
        std::set<std::string> ids;
        queue->known_ids(WallTime::min(), 1'000'000, [&](const EventQueue::KnownId& known) {
            if (known.token == token) ids.emplace(known.id);
        });
        return ids;
    }

    /// Adds events that are settled at once, so their ids go to the journal.
    void pass_through(std::size_t count, TokenId token) {
        const Seq first = append(count, token, 10);
        settle(to_number(first), to_number(first) + count - 1);
    }
};

TEST_F(KnownIdsUnderErasure, EachStepIsShortAndNoOtherIdIsForgotten) {
    options.dedup_window = Milliseconds(1LL << 40);
    options.max_size = 64 << 20;
    open();
    for (int i = 0; i < 60; ++i) {
        pass_through(1000, TokenId{1});
        pass_through(1000, TokenId{2});
    }
    const auto before = ids_of(TokenId{1});
    ASSERT_EQ(before.size(), 30'000U);
    const TokenId gone[] = {TokenId{2}};
    queue->begin_erasure(gone);
    int copying = 0;
    std::uint64_t extra = 0;
    while (true) {
        const std::size_t operations = fs.operations().size();
        const auto done = queue->erase_some();
        ASSERT_TRUE(done.has_value()) << done.error().message;
        const std::uint64_t bytes = written(fs, operations, "known-ids.tmp");
        EXPECT_LE(bytes, longest_step);
        copying += bytes > 0 ? 1 : 0;
        if (*done) break;
        if (copying > 0 && extra < 5000) {  // a segment leaves the log, with ids of its own
            pass_through(1000, TokenId{1});
            extra += 1000;
        }
    }
    EXPECT_GT(copying, 1) << "one step did it all";
    for (int life = 0; life < 2; ++life) {
        EXPECT_TRUE(ids_of(TokenId{2}).empty());
        EXPECT_EQ(ids_of(TokenId{1}).size(), before.size() + extra / 2);
        EXPECT_FALSE(fs.holds("token-2-mark"));
        open();
    }
}

TEST_F(KnownIdsUnderErasure, WithoutIdsOfTheTokensNothingIsWritten) {
    options.dedup_window = Milliseconds(1LL << 40);
    open();
    for (int i = 0; i < 10; ++i) pass_through(1000, TokenId{1});
    const std::size_t before = fs.operations().size();
    ASSERT_TRUE(queue->erase(TokenId{2}).has_value());
    EXPECT_EQ(written(fs, before, "known-ids.tmp"), 0U);
}

}  // namespace
}  // namespace flowrelay::storage
