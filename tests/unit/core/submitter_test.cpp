#include "flowrelay/core/submitter.hpp"

#include <gtest/gtest.h>

namespace flowrelay::core {
namespace {

Submitter user(std::uint32_t uid, std::vector<std::uint32_t> groups) {
    return {Producer{uid, 4711, ""}, std::move(groups)};
}

AllowRule rule(std::vector<std::uint32_t> uids, std::vector<std::uint32_t> gids) {
    return {true, std::move(uids), std::move(gids)};
}

TEST(AllowRule, WithoutOneEverybodyMay) {
    EXPECT_TRUE(AllowRule().admits(user(1000, {})));
    EXPECT_TRUE(AllowRule().admits(Submitter()));
}

TEST(AllowRule, AdmitsTheUsersThatItNames) {
    EXPECT_TRUE(rule({1000, 1001}, {}).admits(user(1001, {})));
    EXPECT_FALSE(rule({1000, 1001}, {}).admits(user(1002, {1000})));
}

TEST(AllowRule, AdmitsTheMembersOfTheGroupsThatItNames) {
    EXPECT_TRUE(rule({}, {20, 30}).admits(user(1000, {10, 30})));
    EXPECT_FALSE(rule({}, {20, 30}).admits(user(20, {10})));
}

TEST(AllowRule, AlwaysAdmitsRoot) {
    EXPECT_TRUE(rule({1000}, {}).admits(user(0, {})));
}

TEST(AllowRule, AdmitsNobodyOfWhomNothingIsKnown) {
    EXPECT_FALSE(rule({1000}, {1000}).admits(Submitter()));
}

}  // namespace
}  // namespace flowrelay::core
