#include "pages/sessions.hpp"

#include <gtest/gtest.h>

#include <string>

namespace flowrelay::pages {
namespace {

constexpr MonoTime start{};

TEST(Sessions, live_as_long_as_they_are_used) {
    Sessions sessions(10, Seconds(60));
    const auto made = sessions.create("id", "csrf", start);
    ASSERT_TRUE(made);
    EXPECT_EQ(sessions.find("id", start + Seconds(50)), made);
    EXPECT_EQ(sessions.find("id", start + Seconds(100)), made);
    EXPECT_EQ(sessions.find("id", start + Seconds(160)), nullptr);
    EXPECT_EQ(sessions.find("other", start), nullptr);
    EXPECT_EQ(sessions.find("", start), nullptr);
}

TEST(Sessions, what_expires_comes_back_for_its_access_token) {
    Sessions sessions(10, Seconds(60));
    sessions.create("used", "csrf", start)->in_use = true;
    sessions.create("old", "csrf", start)->access = Secret("token");
    EXPECT_TRUE(sessions.expire(start + Seconds(59)).empty());
    const auto gone = sessions.expire(start + Seconds(60));
    ASSERT_EQ(gone.size(), 1U);
    EXPECT_EQ(gone.front()->access.reveal(), "token");
    EXPECT_EQ(sessions.size(), 1U);
}

TEST(Sessions, a_flood_of_strangers_drives_out_strangers_alone) {
    Sessions sessions(3, Seconds(60));
    sessions.create("invited", "csrf", start)->ticket = "hash";
    sessions.create("authorizing", "csrf", start)->pending.emplace();
    sessions.create("stranger", "csrf", start);
    EXPECT_TRUE(sessions.create("newer", "csrf", start + Seconds(1)));
    EXPECT_EQ(sessions.find("stranger", start + Seconds(1)), nullptr);
    EXPECT_TRUE(sessions.find("invited", start + Seconds(1)));
    sessions.find("newer", start + Seconds(1))->access = Secret("token");
    EXPECT_FALSE(sessions.create("none", "csrf", start + Seconds(2)));
    EXPECT_EQ(sessions.size(), 3U);
}

TEST(Sessions, an_old_id_is_worth_nothing) {
    Sessions sessions(3, Seconds(60));
    const auto made = sessions.create("before", "csrf", start);
    sessions.rename("before", "behind");
    EXPECT_EQ(sessions.find("before", start), nullptr);
    EXPECT_EQ(sessions.find("behind", start), made);
}

TEST(Cookie, is_found_among_others) {
    EXPECT_EQ(cookie_value("a=1; __Host-flowrelay=x=y ;b=2", "__Host-flowrelay"), "x=y");
    EXPECT_EQ(cookie_value("x__Host-flowrelay=1", "__Host-flowrelay"), "");
    EXPECT_EQ(cookie_value("", "a"), "");
    EXPECT_EQ(cookie_value("a=1; a=2", "a"), "") << "somebody may have planted one of them";
}

TEST(EqualSecretly, compares_texts) {
    EXPECT_TRUE(equal_secretly("abc", "abc"));
    EXPECT_FALSE(equal_secretly("abc", "abd"));
    EXPECT_FALSE(equal_secretly("abc", "ab"));
}

}  // namespace
}  // namespace flowrelay::pages
