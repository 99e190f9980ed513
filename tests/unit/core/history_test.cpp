#include "flowrelay/core/history.hpp"

#include <gtest/gtest.h>

#include <string>

namespace flowrelay::core {
namespace {

PastAttempt attempt(std::uint64_t seq, unsigned number, std::uint64_t token = 1) {
    PastAttempt past;
    past.seq = Seq{seq};
    past.token = TokenId{token};
    past.number = number;
    past.reason = "HTTP 503";
    return past;
}

PastEvent ended(std::uint64_t seq, const std::string& id, std::uint64_t thread = 9) {
    PastEvent past;
    past.seq = Seq{seq};
    past.token = TokenId{1};
    past.id_hash = History::hash_of(id);
    past.thread_hash = thread;
    return past;
}

TEST(History, GivesTheAttemptsOfOneEventInTheirOrder) {
    History history;
    history.attempted(attempt(1, 1));
    history.attempted(attempt(2, 1));
    history.attempted(attempt(1, 2));
    const auto found = history.attempts(Seq{1});
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].number, 1U);
    EXPECT_EQ(found[1].number, 2U);
    EXPECT_TRUE(history.attempts(Seq{3}).empty());
}

TEST(History, ForgetsTheOldestAttemptsFirst) {
    History history;
    history.attempted(attempt(1, 1));
    for (std::size_t i = 0; i < History::max_attempts; ++i) history.attempted(attempt(2, 1));
    EXPECT_TRUE(history.attempts(Seq{1}).empty());
    EXPECT_EQ(history.attempts(Seq{2}).size(), History::max_attempts);
}

TEST(History, CutsALongReasonBetweenTwoCharacters) {
    History history;
    PastAttempt past = attempt(1, 1);
    past.reason = std::string(History::longest_reason - 1, 'x') + "\xC3\xA4\xC3\xA4";
    history.attempted(past);
    EXPECT_EQ(history.attempts(Seq{1}).front().reason,
              std::string(History::longest_reason - 1, 'x') + "...");
}

TEST(History, FindsAnEventThatHasLeftBySeqAndById) {
    History history;
    history.ended(ended(5, "five"));
    ASSERT_TRUE(history.find(Seq{5}).has_value());
    ASSERT_TRUE(history.find("five").has_value());
    EXPECT_EQ(history.find("five")->seq, Seq{5});
    EXPECT_FALSE(history.find("six").has_value());
    EXPECT_FALSE(history.find(Seq{6}).has_value());
}

TEST(History, TheLastEndOfAnEventCounts) {
    History history;
    PastEvent first = ended(5, "five");
    first.outcome = Outcome::dead;
    history.ended(first);
    history.ended(ended(5, "five"));  // replayed, and then delivered
    EXPECT_EQ(history.find(Seq{5})->outcome, Outcome::delivered);
}

TEST(History, KnowsWhichEventLeftALaneLast) {
    History history;
    history.ended(ended(5, "five", 9));
    history.ended(ended(6, "six", 9));
    history.ended(ended(7, "seven", 8));
    EXPECT_EQ(history.last_of({TokenId{1}, 9})->seq, Seq{6});
    EXPECT_FALSE(history.last_of({TokenId{2}, 9}).has_value());
}

TEST(History, ForgetsTheOldestEventsFirst) {
    History history;
    history.ended(ended(1, "one"));
    for (std::size_t i = 0; i < History::max_events; ++i) history.ended(ended(2, "two"));
    EXPECT_FALSE(history.find("one").has_value());
}

TEST(History, ForgetsWhatWasSaidToATokenThatIsErased) {
    History history;
    history.attempted(attempt(1, 1, 1));
    history.attempted(attempt(2, 1, 2));
    history.forget({TokenId{1}});
    EXPECT_TRUE(history.attempts(Seq{1}).empty());
    EXPECT_EQ(history.attempts(Seq{2}).size(), 1U);
}

}  // namespace
}  // namespace flowrelay::core
