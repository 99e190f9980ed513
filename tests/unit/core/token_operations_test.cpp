#include <gtest/gtest.h>

#include <string>

#include "flowrelay/core/token_table.hpp"

namespace flowrelay::core {
namespace {

using State = TokenEntry::State;

const WallTime now{Seconds(1'000'000)};
const WallTime later = now + Seconds(60);

std::vector<TokenEntry> stored(const TokenTable& table) {
    std::vector<TokenEntry> entries;
    for (const auto& [id, token] : table.all()) entries.push_back(table.registry_entry(id));
    return entries;
}

TokenId added(TokenTable& table, const std::string& name, const std::string& token) {
    const auto entry = table.add_source(name, Secret(token), now);
    EXPECT_TRUE(entry.has_value());
    return entry->id;
}

/// none: refused.
TokenId resolved(TokenTable& table, const Addressee& addressee) {
    const auto slot = table.resolve(addressee, false, now);
    return slot.has_value() ? *slot : TokenId::none;
}

Refusal::Code refused(const Wish<TokenEntry>& wish) {
    EXPECT_TRUE(wish.has_error());
    return wish.error().code;
}

TEST(TokenOperations, AnAddedSourceIsThereAtOnceAndAfterARestart) {
    TokenTable table(Salt{}, {});
    const TokenId id = added(table, "web", "t1");
    EXPECT_EQ(resolved(table, SourceName{"web"}), id);
    const auto entries = stored(table);
    ASSERT_EQ(entries.size(), 1U);
    EXPECT_EQ(entries[0].secret.reveal(), "t1");

    TokenTable again(Salt{}, entries);
    again.configure({{"ci", Secret("t2"), {}, 0, false, {}}}, now);
    EXPECT_EQ(resolved(again, SourceName{"web"}), id);
    EXPECT_EQ(again.at(id).entry.secret.reveal(), "t1");
    EXPECT_TRUE(again.at(id).managed);
}

TEST(TokenOperations, ASourceOfTheConfigurationTakesAnAddedOneOver) {
    TokenTable table(Salt{}, {});
    const TokenId id = added(table, "web", "t1");
    const auto changed = table.configure({{"web", Secret("t1"), {}, 0, false, {}}}, now);
    EXPECT_FALSE(table.at(id).managed);
    ASSERT_EQ(changed.size(), 1U);
    EXPECT_TRUE(changed[0].secret.empty()) << "its secret has to leave the registry";
}

TEST(TokenOperations, NamesAndTokensThatCanNotBeAreRefused) {
    TokenTable table(Salt{}, {});
    EXPECT_EQ(refused(table.add_source("", Secret("t"), now)), Refusal::Code::invalid);
    EXPECT_EQ(refused(table.add_source("a b", Secret("t"), now)), Refusal::Code::invalid);
    EXPECT_EQ(refused(table.add_source(std::string(65, 'a'), Secret("t"), now)),
              Refusal::Code::invalid);
    EXPECT_EQ(refused(table.add_source("web", Secret(""), now)), Refusal::Code::invalid);
    EXPECT_EQ(refused(table.add_source("web", Secret("a b"), now)), Refusal::Code::invalid);
    EXPECT_EQ(refused(table.add_source("web", Secret(std::string(257, 'a')), now)),
              Refusal::Code::invalid);
    EXPECT_TRUE(table.all().empty());
}

TEST(TokenOperations, ANameOrATokenInUseIsRefused) {
    TokenTable table(Salt{}, {});
    added(table, "web", "t1");
    EXPECT_EQ(refused(table.add_source("web", Secret("t2"), now)), Refusal::Code::conflict);
    EXPECT_EQ(refused(table.add_source("www", Secret("t1"), now)), Refusal::Code::conflict);
}

TEST(TokenOperations, AnAddedSourceTakesTheSlotOfEventsThatBroughtItsToken) {
    TokenTable table(Salt{}, {});
    const auto direct = table.resolve(Secret("t1"), true, now);
    ASSERT_TRUE(direct.has_value());
    const TokenId slot = *direct;
    EXPECT_EQ(added(table, "web", "t1"), slot);
}

TEST(TokenOperations, ARotatedSourceKeepsItsSlot) {
    TokenTable table(Salt{}, {});
    const TokenId id = added(table, "web", "t1");
    const auto entry = table.rotate(id, Secret("t2"), later);
    ASSERT_TRUE(entry.has_value());
    EXPECT_EQ(entry->secret.reveal(), "t2");
    EXPECT_EQ(table.at(id).entry.secret.reveal(), "t2");
    EXPECT_EQ(resolved(table, Secret("t2")), id);
    EXPECT_TRUE(table.resolve(Secret("t1"), false, now).has_error());
}

TEST(TokenOperations, OnlyAnAddedSourceIsRotatedHere) {
    TokenTable table(Salt{}, {});
    table.configure({{"ci", Secret("t1"), {}, 0, false, {}}}, now);
    const TokenId ci = *table.find("ci");
    EXPECT_EQ(refused(table.rotate(ci, Secret("t2"), now)), Refusal::Code::conflict);
    const TokenId direct = *table.resolve(Secret("t3"), true, now);
    EXPECT_EQ(refused(table.rotate(direct, Secret("t4"), now)), Refusal::Code::conflict);
    const TokenId web = added(table, "web", "t5");
    EXPECT_EQ(refused(table.rotate(web, Secret("a b"), now)), Refusal::Code::invalid);
    EXPECT_EQ(table.at(web).entry.secret.reveal(), "t5");
}

TEST(TokenOperations, APauseLastsUntilItIsResumed) {
    TokenTable table(Salt{}, {});
    const TokenId id = added(table, "web", "t1");
    EXPECT_EQ(table.pause(id, later)->state, State::paused);
    EXPECT_EQ(table.pause(id, later + Seconds(1))->since, later) << "pausing twice changes nothing";
    TokenTable again(Salt{}, stored(table));
    EXPECT_EQ(again.at(id).entry.state, State::paused);
    EXPECT_EQ(again.resume(id, later)->state, State::active);
}

TEST(TokenOperations, WhatIsNotConfiguredCanNotBeResumed) {
    TokenTable table(Salt{}, {});
    table.configure({{"ci", Secret("t1"), {}, 0, false, {}}}, now);
    const TokenId id = *table.find("ci");
    table.configure({}, now);
    EXPECT_EQ(refused(table.resume(id, now)), Refusal::Code::conflict);
}

TEST(TokenOperations, ARemovedSourceTakesNoOthersWithIt) {
    TokenTable table(Salt{}, {});
    const TokenId first = added(table, "web", "t1");
    const TokenId other = added(table, "www", "t2");
    const auto entry = table.remove(first, later);
    ASSERT_TRUE(entry.has_value());
    EXPECT_EQ(entry->state, State::gone);
    EXPECT_EQ(entry->erase_at, later);
    EXPECT_EQ(table.at(other).entry.state, State::active);
    EXPECT_TRUE(table.resolve(SourceName{"web"}, false, now).has_error());
    EXPECT_TRUE(table.resolve(Secret("t1"), true, now).has_error());
}

TEST(TokenOperations, WhatIsGoneIsNeitherPausedNorRotatedNorResumed) {
    TokenTable table(Salt{}, {});
    const TokenId id = added(table, "web", "t1");
    static_cast<void>(table.remove(id, now));
    EXPECT_EQ(refused(table.pause(id, now)), Refusal::Code::conflict);
    EXPECT_EQ(refused(table.resume(id, now)), Refusal::Code::conflict);
    EXPECT_EQ(refused(table.rotate(id, Secret("t2"), now)), Refusal::Code::conflict);
}

TEST(TokenOperations, A410CanBeTakenBackUntilItIsErased) {
    TokenTable table(Salt{}, {});
    const TokenId id = added(table, "web", "t1");
    table.disable(id, now, Milliseconds(1000));
    EXPECT_TRUE(table.resolve(SourceName{"web"}, false, now).has_error());
    ASSERT_TRUE(table.enable(id, later).has_value());
    EXPECT_EQ(resolved(table, SourceName{"web"}), id);
    EXPECT_EQ(resolved(table, Secret("t1")), id);

    table.disable(id, now, Milliseconds(1000));
    table.erased(id, now);
    EXPECT_EQ(refused(table.enable(id, later)), Refusal::Code::conflict);
    EXPECT_EQ(refused(table.remove(id, later)), Refusal::Code::conflict);
}

TEST(TokenOperations, ANameThatIsGoneCanBeAddedAnewAndGetsItsOwnSlot) {
    TokenTable table(Salt{}, {});
    const TokenId old = added(table, "web", "t1");
    static_cast<void>(table.remove(old, now));
    table.erased(old, now);
    const TokenId fresh = added(table, "web", "t1");
    EXPECT_NE(fresh, old);
    EXPECT_EQ(resolved(table, SourceName{"web"}), fresh);
    EXPECT_EQ(table.find("web"), fresh);
    TokenTable again(Salt{}, stored(table));
    EXPECT_EQ(resolved(again, SourceName{"web"}), fresh);
    EXPECT_EQ(resolved(again, Secret("t1")), fresh);
}

TEST(TokenOperations, ASlotIsFoundByWhatItIsCalled) {
    TokenTable table(Salt{}, {});
    const TokenId direct = *table.resolve(Secret("t1"), true, now);
    EXPECT_EQ(table.find("token-1"), direct);
    EXPECT_FALSE(table.find("web").has_value());
}

}  // namespace
}  // namespace flowrelay::core
