#include "flowrelay/core/dedup_window.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

#include "flowrelay/base/random.hpp"

namespace flowrelay::core {
namespace {

constexpr TokenId one{1};
constexpr TokenId two{2};

WallTime at(std::int64_t seconds) {
    return WallTime(Seconds(seconds));
}

class DedupWindowTest : public testing::Test {
protected:
    DedupWindow window_{Seconds(10), 100};
};

TEST_F(DedupWindowTest, KnowsNothingAtFirst) {
    EXPECT_FALSE(window_.contains(one, "a", at(0)));
}

TEST_F(DedupWindowTest, KnowsWhatItRemembers) {
    window_.remember(one, "a", at(0));
    EXPECT_TRUE(window_.contains(one, "a", at(0)));
    EXPECT_TRUE(window_.contains(one, "a", at(9)));
}

TEST_F(DedupWindowTest, ForgetsWhenTheWindowIsOver) {
    window_.remember(one, "a", at(0));
    EXPECT_FALSE(window_.contains(one, "a", at(10)));
    EXPECT_EQ(window_.size(), 0U);
}

TEST_F(DedupWindowTest, TellsIdsApart) {
    window_.remember(one, "a", at(0));
    EXPECT_FALSE(window_.contains(one, "b", at(0)));
    EXPECT_FALSE(window_.contains(one, "", at(0)));
    EXPECT_FALSE(window_.contains(one, std::string("a\0", 2), at(0)));
}

TEST_F(DedupWindowTest, TellsTokensApart) {
    window_.remember(one, "a", at(0));
    EXPECT_FALSE(window_.contains(two, "a", at(0)));
}

TEST_F(DedupWindowTest, TellsLongIdsApartByAnyByte) {
    const std::string id(50, 'x');
    window_.remember(one, id, at(0));
    for (std::size_t i = 0; i < id.size(); ++i) {
        std::string other = id;
        other[i] = 'y';
        EXPECT_FALSE(window_.contains(one, other, at(0))) << i;
    }
    for (std::size_t size = 0; size < id.size(); ++size) {
        EXPECT_FALSE(window_.contains(one, id.substr(0, size), at(0))) << size;
    }
}

TEST_F(DedupWindowTest, RememberedAgainLastsFromThen) {
    window_.remember(one, "a", at(0));
    window_.remember(one, "a", at(8));
    EXPECT_TRUE(window_.contains(one, "a", at(17)));
    EXPECT_FALSE(window_.contains(one, "a", at(18)));
}

TEST_F(DedupWindowTest, ClockThatGoesBackForgetsNothing) {
    window_.remember(one, "a", at(100));
    EXPECT_TRUE(window_.contains(one, "a", at(50)));
}

TEST_F(DedupWindowTest, EntriesOutOfOrderLastAsLongAsTheyShould) {
    window_.remember(one, "late", at(5));
    window_.remember(one, "early", at(3));
    EXPECT_TRUE(window_.contains(one, "early", at(12)));
    EXPECT_FALSE(window_.contains(one, "early", at(13)));
    EXPECT_TRUE(window_.contains(one, "late", at(14)));
}

TEST_F(DedupWindowTest, OldestGoWhenThereAreTooMany) {
    for (int i = 0; i <= 100; ++i) window_.remember(one, std::to_string(i), at(0));
    EXPECT_EQ(window_.size(), 100U);
    EXPECT_FALSE(window_.contains(one, "0", at(0)));
    EXPECT_TRUE(window_.contains(one, "1", at(0)));
    EXPECT_TRUE(window_.contains(one, "100", at(0)));
}

TEST_F(DedupWindowTest, ForgetsOneId) {
    window_.remember(one, "a", at(0));
    window_.remember(one, "b", at(0));
    window_.forget(one, "a");
    EXPECT_FALSE(window_.contains(one, "a", at(0)));
    EXPECT_TRUE(window_.contains(one, "b", at(0)));
}

TEST_F(DedupWindowTest, ForgottenAndRememberedAgainLastsFromThen) {
    window_.remember(one, "a", at(0));
    window_.forget(one, "a");
    window_.remember(one, "a", at(5));
    EXPECT_TRUE(window_.contains(one, "a", at(14)));
}

TEST_F(DedupWindowTest, ForgetsWhatItNeverKnew) {
    window_.forget(one, "a");
    window_.forget({one});
    EXPECT_EQ(window_.size(), 0U);
}

TEST_F(DedupWindowTest, ForgetsAToken) {
    window_.remember(one, "a", at(0));
    window_.remember(two, "a", at(0));
    window_.remember(one, "b", at(0));
    window_.forget({one});
    EXPECT_FALSE(window_.contains(one, "a", at(0)));
    EXPECT_FALSE(window_.contains(one, "b", at(0)));
    EXPECT_TRUE(window_.contains(two, "a", at(0)));
    EXPECT_EQ(window_.size(), 1U);
}

TEST_F(DedupWindowTest, ForgottenTokenMakesRoomAtOnce) {
    window_.remember(two, "oldest", at(0));
    for (int i = 0; i < 99; ++i) window_.remember(one, std::to_string(i), at(0));
    window_.forget({one});
    for (int i = 0; i < 99; ++i) window_.remember(two, std::to_string(i), at(0));
    EXPECT_TRUE(window_.contains(two, "oldest", at(0)));
}

TEST_F(DedupWindowTest, ManyForgottenIdsLeaveRoomForOthers) {
    for (int i = 0; i < 1000; ++i) {
        window_.remember(one, std::to_string(i), at(0));
        window_.forget(one, std::to_string(i));
    }
    EXPECT_EQ(window_.size(), 0U);
    window_.remember(one, "a", at(0));
    EXPECT_TRUE(window_.contains(one, "a", at(9)));
}

TEST_F(DedupWindowTest, ShorterWindowHoldsForWhatIsRemembered) {
    window_.remember(one, "a", at(0));
    window_.set_window(Seconds(5));
    EXPECT_TRUE(window_.contains(one, "a", at(4)));
    EXPECT_FALSE(window_.contains(one, "a", at(5)));
}

TEST_F(DedupWindowTest, LongerWindowHoldsForWhatIsRemembered) {
    window_.remember(one, "a", at(0));
    window_.set_window(Seconds(20));
    EXPECT_TRUE(window_.contains(one, "a", at(19)));
}

TEST_F(DedupWindowTest, WindowOfZeroForgetsAndRemembersNothing) {
    window_.remember(one, "a", at(0));
    window_.set_window(Seconds(0));
    EXPECT_FALSE(window_.contains(one, "a", at(0)));
    window_.remember(one, "b", at(0));
    EXPECT_EQ(window_.size(), 0U);
}

TEST(DedupWindowLimits, RoomForNoneRemembersNothing) {
    DedupWindow window(Seconds(10), 0);
    window.remember(one, "a", at(0));
    EXPECT_FALSE(window.contains(one, "a", at(0)));
}

TEST(DedupWindowLimits, ManyIdsDoNotMeet) {
    DedupWindow window(Seconds(10), 100'000);
    for (int i = 0; i < 100'000; ++i) window.remember(one, std::to_string(i), at(0));
    EXPECT_EQ(window.size(), 100'000U);
}

TEST(DedupWindowModel, AgreesWithAMapWhateverComes) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        constexpr std::int64_t length = 40;
        DedupWindow window(Seconds(length), 1'000'000);
        std::map<std::pair<TokenId, std::string>, std::int64_t> known;
        std::int64_t now = 0;
        for (int step = 0; step < 3000; ++step) {
            now += random.chance(0.2) ? 1 : 0;
            const TokenId token{1 + random.below(2)};
            const std::string id = std::to_string(random.below(200));
            if (random.chance(0.5)) {
                window.remember(token, id, at(now));
                known[{token, id}] = now;
            } else if (random.chance(0.2)) {
                window.forget(token, id);
                known.erase({token, id});
            } else if (random.chance(0.01)) {
                window.forget({token});
                std::erase_if(known, [&](const auto& item) { return item.first.first == token; });
            }
            const std::string other = std::to_string(random.below(200));
            const auto found = known.find({token, other});
            ASSERT_EQ(window.contains(token, other, at(now)),
                      found != known.end() && found->second + length > now)
                << "step " << step;
        }
        std::erase_if(known, [&](const auto& item) { return item.second + length <= now; });
        window.contains(TokenId{1}, "", at(now));
        EXPECT_EQ(window.size(), known.size());
    }
}

}  // namespace
}  // namespace flowrelay::core
