#include "flowrelay/core/token_table.hpp"

#include <gtest/gtest.h>

#include <string>

namespace flowrelay::core {
namespace {

using State = TokenEntry::State;

const WallTime now{Seconds(1'000'000)};

ConfiguredSource source(const std::string& name, const std::string& token) {
    return {name, Secret(token), {}, 0, false, {}};
}

Addressee by_name(const std::string& name) {
    return SourceName{name};
}

Addressee by_token(const std::string& token) {
    return Secret(token);
}

/// The first slot that a new table gives out, as the registry would have kept it.
std::vector<TokenEntry> stored(const TokenTable& table) {
    std::vector<TokenEntry> entries;
    for (const auto& [id, token] : table.all()) entries.push_back(table.registry_entry(id));
    return entries;
}

TEST(TokenTable, FindsASourceByItsName) {
    TokenTable table(Salt{}, {});
    table.configure({source("ci", "t1")}, now);
    const auto slot = table.resolve(by_name("ci"), true, now);
    ASSERT_TRUE(slot.has_value());
    EXPECT_EQ(table.at(*slot).label(), "ci");
    EXPECT_EQ(table.at(*slot).entry.secret.reveal(), "t1");
}

TEST(TokenTable, ASlotHasTheRateOfItsSourceAsLongAsThatIsConfigured) {
    TokenTable table(Salt{}, {});
    auto limited = source("ci", "t1");
    limited.rate_limit = 2.5;
    table.configure({limited}, now);
    const auto slot = table.resolve(by_name("ci"), true, now);
    ASSERT_TRUE(slot.has_value());
    EXPECT_EQ(table.at(*slot).rate_limit, 2.5);
    table.configure({source("ci", "t1")}, now);
    EXPECT_EQ(table.at(*slot).rate_limit, 0);
    table.configure({limited}, now);
    table.configure({}, now);
    EXPECT_EQ(table.at(*slot).rate_limit, 0);
}

TEST(TokenTable, AnUnknownSourceIsRejectedByName) {
    TokenTable table(Salt{}, {});
    const auto slot = table.resolve(by_name("nobody"), true, now);
    ASSERT_TRUE(slot.has_error());
    EXPECT_EQ(slot.error().code, RejectCode::unknown_source);
    EXPECT_NE(slot.error().message.find("\"nobody\""), std::string::npos);
}

TEST(TokenTable, AnUnknownTokenGetsASlotThatIsNotDurableYet) {
    TokenTable table(Salt{}, {});
    const auto slot = table.resolve(by_token("t1"), true, now);
    ASSERT_TRUE(slot.has_value());
    EXPECT_FALSE(table.at(*slot).durable);
    EXPECT_EQ(table.at(*slot).label(), "token-1");
    table.mark_durable(*slot);
    EXPECT_TRUE(table.at(*slot).durable);
    EXPECT_EQ(*table.resolve(by_token("t1"), true, now), *slot);
}

TEST(TokenTable, UnknownTokensCanBeRefusedAndAreNotRepeated) {
    TokenTable table(Salt{}, {});
    const auto slot = table.resolve(by_token("s3cret"), false, now);
    ASSERT_TRUE(slot.has_error());
    EXPECT_EQ(slot.error().code, RejectCode::unknown_source);
    EXPECT_EQ(slot.error().message.find("s3cret"), std::string::npos);
}

TEST(TokenTable, TheTokenOfASourceLeadsToItsSlot) {
    TokenTable table(Salt{}, {});
    table.configure({source("ci", "t1")}, now);
    EXPECT_EQ(*table.resolve(by_token("t1"), false, now), *table.resolve(by_name("ci"), true, now));
}

TEST(TokenTable, TheRegistryDoesNotGetTheTokenOfASource) {
    TokenTable table(Salt{}, {});
    const auto changed = table.configure({source("ci", "t1")}, now);
    ASSERT_EQ(changed.size(), 1U);
    EXPECT_TRUE(changed.front().secret.empty());
    EXPECT_EQ(changed.front().source, "ci");
}

TEST(TokenTable, ASourceKeepsItsSlotOverARestartAndARotation) {
    TokenTable before(Salt{}, {});
    before.configure({source("ci", "t1")}, now);
    const TokenId slot = *before.resolve(by_name("ci"), true, now);

    TokenTable same(Salt{}, stored(before));
    EXPECT_TRUE(same.configure({source("ci", "t1")}, now).empty());
    EXPECT_EQ(*same.resolve(by_name("ci"), true, now), slot);

    TokenTable rotated(Salt{}, stored(before));
    EXPECT_EQ(rotated.configure({source("ci", "t2")}, now).size(), 1U);
    EXPECT_EQ(*rotated.resolve(by_name("ci"), true, now), slot);
    EXPECT_EQ(rotated.at(slot).entry.secret.reveal(), "t2");
}

TEST(TokenTable, AFlowTokenThatBecomesASourcesHandsItsSlotOver) {
    TokenTable table(Salt{}, {});
    const TokenId slot = *table.resolve(by_token("t1"), true, now);
    const auto changed = table.configure({source("ci", "t1")}, now);
    ASSERT_EQ(changed.size(), 1U);
    EXPECT_EQ(changed.front().id, slot);
    EXPECT_TRUE(changed.front().secret.empty()) << "the registry has to forget it";
    EXPECT_EQ(*table.resolve(by_name("ci"), true, now), slot);
}

TEST(TokenTable, ASourceThatLeftTheConfigurationIsUnknownButKeepsItsSlot) {
    TokenTable before(Salt{}, {});
    before.configure({source("ci", "t1")}, now);
    const TokenId slot = *before.resolve(by_name("ci"), true, now);
    TokenTable after(Salt{}, stored(before));
    after.configure({}, now);
    EXPECT_FALSE(after.at(slot).configured);
    EXPECT_EQ(after.resolve(by_name("ci"), true, now).error().code, RejectCode::unknown_source);
}

TEST(TokenTable, ASlotThatASourceHasLeftIsThatOfItsToken) {
    TokenTable before(Salt{}, {});
    before.configure({source("ci", "t1")}, now);
    const TokenId slot = *before.resolve(by_name("ci"), true, now);
    TokenTable table(Salt{}, stored(before));
    table.configure({}, now);
    EXPECT_TRUE(table.resolve(by_token("t1"), false, now).has_error());
    EXPECT_NE(*table.resolve(by_token("t2"), true, now), slot);
    ASSERT_EQ(*table.resolve(by_token("t1"), true, now), slot);
    EXPECT_EQ(*table.resolve(by_token("t1"), true, now), slot);
    EXPECT_FALSE(table.at(slot).durable);
    EXPECT_TRUE(table.at(slot).configured);
    EXPECT_EQ(table.registry_entry(slot).secret.reveal(), "t1");

    TokenTable after(Salt{}, stored(table));
    after.configure({}, now);
    EXPECT_EQ(*after.resolve(by_token("t1"), false, now), slot);
    after.configure({source("ci", "t1")}, now);
    EXPECT_EQ(*after.resolve(by_name("ci"), false, now), slot);
}

TEST(TokenTable, ASourceThatIsRenamedKeepsItsSlot) {
    TokenTable before(Salt{}, {});
    before.configure({source("ci", "t1"), source("web", "t2")}, now);
    const TokenId ci = *before.resolve(by_name("ci"), true, now);
    const TokenId web = *before.resolve(by_name("web"), true, now);
    TokenTable table(Salt{}, stored(before));
    const auto changed = table.configure({source("build", "t1"), source("web", "t2")}, now);
    ASSERT_EQ(changed.size(), 1U);
    EXPECT_EQ(changed.front().source, "build");
    EXPECT_TRUE(changed.front().secret.empty());
    EXPECT_EQ(*table.resolve(by_name("build"), true, now), ci);
    EXPECT_EQ(*table.resolve(by_name("web"), true, now), web);
    // Not to one that still goes by its own name.
    table.configure({source("other", "t2"), source("web", "t3")}, now);
    EXPECT_EQ(*table.resolve(by_name("web"), true, now), web);
    EXPECT_NE(*table.resolve(by_name("other"), true, now), web);
}

TEST(TokenTable, AGoneTokenIsRefusedByNameAndByItself) {
    TokenTable table(Salt{}, {});
    table.configure({source("ci", "t1")}, now);
    const TokenId slot = *table.resolve(by_name("ci"), true, now);
    const auto changed = table.disable(slot, now, Seconds(60));
    ASSERT_EQ(changed.size(), 1U);
    EXPECT_EQ(changed.front().state, State::gone);
    EXPECT_EQ(changed.front().erase_at, now + Seconds(60));
    EXPECT_EQ(table.resolve(by_name("ci"), true, now).error().code, RejectCode::token_gone);
    EXPECT_EQ(table.resolve(by_token("t1"), true, now).error().code, RejectCode::token_gone);
    EXPECT_TRUE(table.disable(slot, now, Seconds(60)).empty()) << "once";
}

TEST(TokenTable, GoneIsATokenAndNotASlot) {
    TokenTable table(Salt{}, {});
    table.configure({source("a", "t1"), source("b", "t1"), source("c", "t2")}, now);
    const auto changed = table.disable(*table.resolve(by_name("a"), true, now), now, Seconds(0));
    EXPECT_EQ(changed.size(), 2U);
    EXPECT_EQ(table.resolve(by_name("b"), true, now).error().code, RejectCode::token_gone);
    EXPECT_TRUE(table.resolve(by_name("c"), true, now).has_value());
}

TEST(TokenTable, WhatIsErasedLeavesAFingerprintThatIsRecognisedAfterARestart) {
    TokenTable before(Salt{}, {});
    const TokenId slot = *before.resolve(by_token("t1"), true, now);
    before.disable(slot, now, Seconds(0));
    const TokenEntry entry = before.erased(slot, now);
    EXPECT_EQ(entry.state, State::erased);
    EXPECT_TRUE(entry.secret.empty());
    TokenTable after(Salt{}, stored(before));
    EXPECT_EQ(after.resolve(by_token("t1"), true, now).error().code, RejectCode::token_gone);
}

TEST(TokenTable, ANewTokenBringsAGoneSourceBackInANewSlot) {
    TokenTable before(Salt{}, {});
    before.configure({source("ci", "t1")}, now);
    const TokenId slot = *before.resolve(by_name("ci"), true, now);
    before.disable(slot, now, Seconds(0));
    before.erased(slot, now);

    TokenTable same(Salt{}, stored(before));
    same.configure({source("ci", "t1")}, now);
    EXPECT_EQ(same.resolve(by_name("ci"), true, now).error().code, RejectCode::token_gone);

    TokenTable rotated(Salt{}, stored(before));
    rotated.configure({source("ci", "t2")}, now);
    const auto fresh = rotated.resolve(by_name("ci"), true, now);
    ASSERT_TRUE(fresh.has_value());
    EXPECT_NE(*fresh, slot) << "what was queued for the removed integration is not for this one";
    EXPECT_EQ(rotated.resolve(by_token("t1"), true, now).error().code, RejectCode::token_gone);

    TokenTable again(Salt{}, stored(rotated));
    EXPECT_TRUE(again.configure({source("ci", "t2")}, now).empty());
    EXPECT_EQ(*again.resolve(by_name("ci"), true, now), *fresh);
}

TEST(TokenTable, AnIdThatEventsBelongToIsNotGivenOutAgain) {
    TokenTable table(Salt{}, {});
    table.reserve(TokenId{7});
    EXPECT_EQ(*table.resolve(by_token("t1"), true, now), TokenId{8});
}

TEST(TokenTable, ATokenThatIsGoneStaysGoneUnderAnotherName) {
    TokenTable table(Salt{}, {});
    const TokenId slot = *table.resolve(by_token("t1"), true, now);
    table.disable(slot, now, Seconds(0));
    table.configure({source("ci", "t1")}, now);
    EXPECT_EQ(table.resolve(by_name("ci"), true, now).error().code, RejectCode::token_gone);
}

TEST(TokenTable, IdsAreNotUsedAgainAfterARestart) {
    TokenTable before(Salt{}, {});
    const TokenId first = *before.resolve(by_token("t1"), true, now);
    TokenTable after(Salt{}, stored(before));
    EXPECT_GT(*after.resolve(by_token("t2"), true, now), first);
}

}  // namespace
}  // namespace flowrelay::core
