#include "pages/sessions.hpp"

#include <gtest/gtest.h>

#include <string>

namespace flowrelay::pages {
namespace {

constexpr MonoTime opened{};

TEST(Sessions, LiveAsLongAsTheyAreUsed) {
    Sessions sessions(10, Seconds(60));
    const auto made = sessions.create("id", "csrf", opened);
    ASSERT_TRUE(made);
    EXPECT_EQ(sessions.find("id", opened + Seconds(50)), made);
    EXPECT_EQ(sessions.find("id", opened + Seconds(100)), made);
    EXPECT_EQ(sessions.find("id", opened + Seconds(160)), nullptr);
    EXPECT_EQ(sessions.find("other", opened), nullptr);
    EXPECT_EQ(sessions.find("", opened), nullptr);
}

TEST(Sessions, ReturnExpiredOnesForTheirAccessTokens) {
    Sessions sessions(10, Seconds(60));
    sessions.create("used", "csrf", opened)->in_use = true;
    sessions.create("old", "csrf", opened)->access = Secret("token");
    EXPECT_TRUE(sessions.expire(opened + Seconds(59)).empty());
    const auto gone = sessions.expire(opened + Seconds(60));
    ASSERT_EQ(gone.size(), 1U);
    EXPECT_EQ(gone.front()->access.reveal(), "token");
    EXPECT_EQ(sessions.size(), 1U);
}

TEST(Sessions, RemoveOnlyUnauthorizedOnesInAFlood) {
    Sessions sessions(3, Seconds(60));
    sessions.create("invited", "csrf", opened)->ticket = "hash";
    sessions.create("authorizing", "csrf", opened)->pending.emplace();
    sessions.create("stranger", "csrf", opened);
    EXPECT_TRUE(sessions.create("newer", "csrf", opened + Seconds(1)));
    EXPECT_EQ(sessions.find("stranger", opened + Seconds(1)), nullptr);
    EXPECT_TRUE(sessions.find("invited", opened + Seconds(1)));
    sessions.find("newer", opened + Seconds(1))->access = Secret("token");
    EXPECT_FALSE(sessions.create("none", "csrf", opened + Seconds(2)));
    EXPECT_EQ(sessions.size(), 3U);
}

TEST(Sessions, DoNotAcceptAnOldId) {
    Sessions sessions(3, Seconds(60));
    const auto made = sessions.create("before", "csrf", opened);
    sessions.rename("before", "behind");
    EXPECT_EQ(sessions.find("before", opened), nullptr);
    EXPECT_EQ(sessions.find("behind", opened), made);
}

TEST(Cookie, IsFoundAmongOthers) {
    EXPECT_EQ(cookie_value("a=1; __Host-flowrelay=x=y ;b=2", "__Host-flowrelay"), "x=y");
    EXPECT_EQ(cookie_value("x__Host-flowrelay=1", "__Host-flowrelay"), "");
    EXPECT_EQ(cookie_value("", "a"), "");
    EXPECT_EQ(cookie_value("a=1; a=2", "a"), "") << "somebody may have planted one of them";
}

TEST(EqualSecretly, ComparesTexts) {
    EXPECT_TRUE(equal_secretly("abc", "abc"));
    EXPECT_FALSE(equal_secretly("abc", "abd"));
    EXPECT_FALSE(equal_secretly("abc", "ab"));
}

}  // namespace
}  // namespace flowrelay::pages
