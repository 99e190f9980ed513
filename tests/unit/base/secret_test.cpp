#include "flowrelay/base/secret.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace flowrelay {
namespace {

constexpr std::string_view short_token = "t0psecret";
constexpr std::string_view long_token = "4f2a9c0e7b1d4e5f8a6b3c2d1e0f9a8b-and-then-some";

// Keeps the bytes of an object inspectable even after it was destroyed.
template <class T>
class Storage {
public:
    template <class... Args>
    T& make(Args&&... args) {
        return *::new (bytes_) T(std::forward<Args>(args)...);
    }
    bool holds(std::string_view text) const {
        const std::string_view all(reinterpret_cast<const char*>(bytes_), sizeof bytes_);
        return all.find(text) != std::string_view::npos;
    }

private:
    alignas(T) std::byte bytes_[sizeof(T)] = {};
};

static_assert(!std::is_convertible_v<std::string, Secret>, "no Secret by accident");
static_assert(!std::is_convertible_v<Secret, std::string>, "no string by accident");
static_assert(std::is_nothrow_move_constructible_v<Secret>);
static_assert(std::is_nothrow_move_assignable_v<Secret>);

TEST(Secret, RevealsWhatItWasMadeOf) {
    EXPECT_EQ(Secret("abc").reveal(), "abc");
}
TEST(Secret, IsEmptyByDefault) {
    EXPECT_TRUE(Secret().empty());
}
TEST(Secret, KeepsBytesThatAreZero) {
    EXPECT_EQ(Secret(std::string_view("a\0b", 3)).reveal().size(), 3U);
}
TEST(Secret, EqualWhenTheTokensAre) {
    EXPECT_EQ(Secret("abc"), Secret(std::string("abc")));
    EXPECT_NE(Secret("abc"), Secret("abd"));
}

TEST(Secret, TakesAShortStringAndWipesIt) {
    Storage<std::string> storage;
    std::string& text = storage.make(short_token);
    ASSERT_TRUE(storage.holds(short_token));
    const Secret secret(std::move(text));
    EXPECT_EQ(secret.reveal(), short_token);
    EXPECT_FALSE(storage.holds(short_token));
    text.~basic_string();
}

TEST(Secret, WipesWhatAStringHeldBeforeItWasShortened) {
    Storage<std::string> storage;
    std::string& text = storage.make(short_token);
    text.resize(1);
    ASSERT_TRUE(storage.holds(short_token.substr(2)));
    const Secret secret(std::move(text));
    EXPECT_FALSE(storage.holds(short_token.substr(2)));
    text.~basic_string();
}

TEST(Secret, TakesALongStringAndEmptiesIt) {
    std::string text(long_token);
    const Secret secret(std::move(text));
    EXPECT_EQ(secret.reveal(), long_token);
    EXPECT_TRUE(text.empty());
}

TEST(Secret, ShortOneLeavesNothingWhenMovedFrom) {
    Storage<Secret> storage;
    Secret& from = storage.make(short_token);
    ASSERT_TRUE(storage.holds(short_token));
    const Secret to(std::move(from));
    EXPECT_EQ(to.reveal(), short_token);
    EXPECT_FALSE(storage.holds(short_token));
    EXPECT_TRUE(from.empty());
    from.~Secret();
}

TEST(Secret, ShortOneLeavesNothingWhenMoveAssignedFrom) {
    Storage<Secret> storage;
    Secret& from = storage.make(short_token);
    Secret to(long_token);
    to = std::move(from);
    EXPECT_EQ(to.reveal(), short_token);
    EXPECT_FALSE(storage.holds(short_token));
    from.~Secret();
}

TEST(Secret, ShortOneLeavesNothingWhenDestroyed) {
    Storage<Secret> storage;
    storage.make(short_token).~Secret();
    EXPECT_FALSE(storage.holds(short_token));
}

TEST(Secret, ShortOneLeavesNothingWhenOverwritten) {
    Storage<Secret> storage;
    Secret& secret = storage.make(short_token);
    secret = Secret("x");
    EXPECT_FALSE(storage.holds(short_token.substr(1)));
    secret.~Secret();
}

TEST(Secret, LongOneIsWipedInPlaceWhenReplacedByAShortOne) {
    Secret secret(long_token);
    const std::string_view old = secret.reveal();
    secret = Secret("x");
    // A short value is copied into the old buffer, so the rest of that buffer can still be
    // inspected.
    ASSERT_EQ(secret.reveal().data(), old.data());
    EXPECT_TRUE(std::all_of(old.begin() + 1, old.end(), [](char c) { return c == '\0'; }));
}

TEST(Secret, MoveOfALongOneEmptiesTheSource) {
    Secret from(long_token);
    const Secret to(std::move(from));
    EXPECT_EQ(to.reveal(), long_token);
    EXPECT_TRUE(from.empty());
}

TEST(Secret, CopiesAreIndependent) {
    Secret first(long_token);
    Secret second(first);
    first = Secret("other");
    EXPECT_EQ(second.reveal(), long_token);
    second = first;
    EXPECT_EQ(second.reveal(), "other");
}

TEST(Secret, SurvivesAssignmentToItself) {
    Secret secret(short_token);
    Secret& alias = secret;
    secret = alias;
    EXPECT_EQ(secret.reveal(), short_token);
    secret = std::move(alias);
    EXPECT_EQ(secret.reveal(), short_token);
}

TEST(Secret, MovesThroughAGrowingVector) {
    std::vector<Secret> secrets;
    for (int i = 0; i < 100; ++i) secrets.emplace_back(std::to_string(i));
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(secrets[static_cast<std::size_t>(i)].reveal(), std::to_string(i));
    }
}

}  // namespace
}  // namespace flowrelay
