#include "flowrelay/core/token_table.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace flowrelay::core {
namespace {

using State = TokenEntry::State;

const WallTime now{Seconds(1'000'000)};

ConfiguredSource source(const std::string& name, const std::string& token) {
    return {name, Secret(token), {}};
}

Addressee by_name(const std::string& name) {
    return SourceName{name};
}

Addressee by_token(const std::string& token) {
    return Secret(token);
}

/// The slot of an accepted event; none: it was refused.
TokenId accept(TokenTable& table, const Addressee& addressee, bool accept_unknown = true) {
    const auto found = table.resolve(addressee, accept_unknown);
    return found.has_value() ? table.take(addressee, now) : TokenId::none;
}

RejectCode refused(const TokenTable& table, const Addressee& addressee,
                   bool accept_unknown = true) {
    const auto found = table.resolve(addressee, accept_unknown);
    EXPECT_TRUE(found.has_error());
    return found.has_error() ? found.error().code : RejectCode::invalid_json;
}

/// What the registry would have kept.
std::vector<TokenEntry> stored(const TokenTable& table) {
    std::vector<TokenEntry> entries;
    for (const auto& [id, token] : table.all()) entries.push_back(table.registry_entry(id));
    return entries;
}

TEST(TokenTable, FindsASourceByItsName) {
    TokenTable table(Salt{}, {});
    table.configure({source("ci", "t1")}, now);
    const auto slot = table.resolve(by_name("ci"), true);
    ASSERT_TRUE(slot.has_value());
    EXPECT_EQ(table.at(*slot).label(), "ci");
    EXPECT_EQ(table.at(*slot).entry.secret.reveal(), "t1");
}

TEST(TokenTable, ASlotHasTheRateOfItsSourceAsLongAsThatIsConfigured) {
    TokenTable table(Salt{}, {});
    auto limited = source("ci", "t1");
    limited.rules.rate_limit = 2.5;
    table.configure({limited}, now);
    const auto slot = table.resolve(by_name("ci"), true);
    ASSERT_TRUE(slot.has_value());
    EXPECT_EQ(table.at(*slot).rules.rate_limit, 2.5);
    table.configure({source("ci", "t1")}, now);
    EXPECT_EQ(table.at(*slot).rules.rate_limit, 0);
    table.configure({limited}, now);
    table.configure({}, now);
    EXPECT_EQ(table.at(*slot).rules.rate_limit, 0);
}

TEST(TokenTable, AnUnknownSourceIsRejectedByName) {
    TokenTable table(Salt{}, {});
    const auto slot = table.resolve(by_name("nobody"), true);
    ASSERT_TRUE(slot.has_error());
    EXPECT_EQ(slot.error().code, RejectCode::unknown_source);
    EXPECT_NE(slot.error().message.find("\"nobody\""), std::string::npos);
}

TEST(TokenTable, AnUnknownTokenGetsASlotThatIsNotDurableYet) {
    TokenTable table(Salt{}, {});
    const TokenId slot = accept(table, by_token("t1"));
    EXPECT_FALSE(table.at(slot).durable);
    EXPECT_EQ(table.at(slot).label(), "token-1");
    EXPECT_TRUE(table.mark_durable(table.registry_entry(slot)));
    EXPECT_TRUE(table.at(slot).durable);
    EXPECT_EQ(accept(table, by_token("t1")), slot);
}

TEST(TokenTable, AnOlderEntryInTheRegistryDoesNotMakeASlotDurable) {
    TokenTable table(Salt{}, {});
    const TokenId slot = accept(table, by_token("t1"));
    const TokenEntry older = table.registry_entry(slot);
    const auto added = table.add_source("web", Secret("t1"), WallTime(Seconds(1)));
    ASSERT_TRUE(added.has_value());
    EXPECT_FALSE(table.mark_durable(older));
    EXPECT_FALSE(table.at(slot).durable);
    EXPECT_TRUE(table.mark_durable(added->front()));
    EXPECT_TRUE(table.at(slot).durable);
}

TEST(TokenTable, UnknownTokensCanBeRefusedAndAreNotRepeated) {
    TokenTable table(Salt{}, {});
    const auto slot = table.resolve(by_token("s3cret"), false);
    ASSERT_TRUE(slot.has_error());
    EXPECT_EQ(slot.error().code, RejectCode::unknown_source);
    EXPECT_EQ(slot.error().message.find("s3cret"), std::string::npos);
}

TEST(TokenTable, TheTokenOfASourceLeadsToItsSlot) {
    TokenTable table(Salt{}, {});
    table.configure({source("ci", "t1")}, now);
    EXPECT_EQ(accept(table, by_token("t1"), false), accept(table, by_name("ci")));
}

TEST(TokenTable, TheRegistryDoesNotGetTheTokenOfASource) {
    TokenTable table(Salt{}, {});
    const auto changed = table.configure({source("ci", "t1")}, now).entries;
    ASSERT_EQ(changed.size(), 1U);
    EXPECT_TRUE(changed.front().secret.empty());
    EXPECT_EQ(changed.front().source, "ci");
}

TEST(TokenTable, ASourceKeepsItsSlotOverARestartAndARotation) {
    TokenTable before(Salt{}, {});
    before.configure({source("ci", "t1")}, now);
    const TokenId slot = accept(before, by_name("ci"));

    TokenTable same(Salt{}, stored(before));
    EXPECT_TRUE(same.configure({source("ci", "t1")}, now).entries.empty());
    EXPECT_EQ(accept(same, by_name("ci")), slot);

    TokenTable rotated(Salt{}, stored(before));
    EXPECT_EQ(rotated.configure({source("ci", "t2")}, now).entries.size(), 1U);
    EXPECT_EQ(accept(rotated, by_name("ci")), slot);
    EXPECT_EQ(rotated.at(slot).entry.secret.reveal(), "t2");
}

TEST(TokenTable, AFlowTokenThatBecomesASourcesHandsItsSlotOver) {
    TokenTable table(Salt{}, {});
    const TokenId slot = accept(table, by_token("t1"));
    const auto changed = table.configure({source("ci", "t1")}, now).entries;
    ASSERT_EQ(changed.size(), 1U);
    EXPECT_EQ(changed.front().id, slot);
    EXPECT_TRUE(changed.front().secret.empty()) << "the registry has to forget it";
    EXPECT_EQ(accept(table, by_name("ci")), slot);
}

TEST(TokenTable, ASourceThatLeftTheConfigurationIsUnknownButKeepsItsSlot) {
    TokenTable before(Salt{}, {});
    before.configure({source("ci", "t1")}, now);
    const TokenId slot = accept(before, by_name("ci"));
    TokenTable after(Salt{}, stored(before));
    after.configure({}, now);
    EXPECT_TRUE(after.at(slot).missing());
    EXPECT_EQ(refused(after, by_name("ci")), RejectCode::unknown_source);
}

TEST(TokenTable, AnAcceptedEventSetsTheSlotOfALeftSourceGoingAndLeavesItsName) {
    TokenTable before(Salt{}, {});
    before.configure({source("ci", "t1")}, now);
    const TokenId slot = accept(before, by_name("ci"));
    TokenTable table(Salt{}, stored(before));
    table.configure({}, now);
    EXPECT_NE(accept(table, by_token("t2")), slot);
    EXPECT_EQ(accept(table, by_token("t1")), slot);
    EXPECT_FALSE(table.at(slot).durable);
    EXPECT_FALSE(table.at(slot).missing());
    EXPECT_EQ(table.at(slot).label(), "ci");
    EXPECT_EQ(refused(table, by_name("ci")), RejectCode::unknown_source);
    EXPECT_EQ(table.registry_entry(slot).secret.reveal(), "t1");

    TokenTable after(Salt{}, stored(table));
    after.configure({}, now);
    EXPECT_EQ(accept(after, by_token("t1")), slot);
    EXPECT_EQ(refused(after, by_name("ci")), RejectCode::unknown_source);
    after.configure({source("ci", "t1")}, now);
    EXPECT_EQ(accept(after, by_name("ci")), slot);
    EXPECT_TRUE(after.registry_entry(slot).secret.empty());
}

TEST(TokenTable, ARefusedEventChangesNothing) {
    TokenTable table(Salt{}, {});
    table.configure({source("ci", "t1")}, now);
    const TokenId slot = accept(table, by_name("ci"));
    table.configure({}, now);
    const auto before = stored(table);
    EXPECT_EQ(*table.resolve(by_token("t1"), true), slot);
    EXPECT_EQ(*table.resolve(by_token("t2"), true), TokenId::none);
    EXPECT_EQ(stored(table), before);
    // Its queue goes on with the new token, as the configuration says.
    table.configure({source("ci", "t3")}, now);
    EXPECT_EQ(accept(table, by_name("ci")), slot);
    EXPECT_EQ(table.at(slot).entry.secret.reveal(), "t3");
}

TEST(TokenTable, WhereUnknownTokensAreRefusedSourcesAloneAreTaken) {
    TokenTable table(Salt{}, {});
    const TokenId direct = accept(table, by_token("t1"));
    table.configure({source("ci", "t2")}, now);
    ASSERT_TRUE(table.add_source("web", Secret("t3"), now).has_value());
    EXPECT_EQ(refused(table, by_token("t1"), false), RejectCode::unknown_source);
    EXPECT_EQ(accept(table, by_token("t1")), direct);
    EXPECT_NE(accept(table, by_token("t2"), false), TokenId::none);
    EXPECT_NE(accept(table, by_token("t3"), false), TokenId::none);
    table.configure({}, now);
    EXPECT_EQ(refused(table, by_token("t2"), false), RejectCode::unknown_source);
    EXPECT_NE(accept(table, by_token("t2")), TokenId::none);
    EXPECT_EQ(refused(table, by_token("t2"), false), RejectCode::unknown_source)
        << "that it was seen makes it no source's";
}

TEST(TokenTable, ASourceThatIsRenamedKeepsItsSlot) {
    TokenTable before(Salt{}, {});
    before.configure({source("ci", "t1"), source("web", "t2")}, now);
    const TokenId ci = accept(before, by_name("ci"));
    const TokenId web = accept(before, by_name("web"));
    TokenTable table(Salt{}, stored(before));
    const auto changed = table.configure({source("build", "t1"), source("web", "t2")}, now).entries;
    ASSERT_EQ(changed.size(), 1U);
    EXPECT_EQ(changed.front().source, "build");
    EXPECT_TRUE(changed.front().secret.empty());
    EXPECT_EQ(accept(table, by_name("build")), ci);
    EXPECT_EQ(accept(table, by_name("web")), web);
}

/// Two sources with a slot each, of t1 and t2.
class TwoSources : public testing::Test {
protected:
    TwoSources() { table.configure({source("a", "t1"), source("b", "t2")}, now); }

    const std::string& token_of(TokenId slot) {
        return shown = std::string(table.at(slot).entry.secret.reveal());
    }

    std::string shown;
    TokenTable table{Salt{}, {}};
    const TokenId a{1};
    const TokenId b{2};
};

TEST_F(TwoSources, NamesThatMoveOnTakeNoToken) {
    const auto changed = table.configure({source("b", "t1"), source("c", "t2")}, now);
    EXPECT_EQ(changed.renamed.size(), 2U);
    EXPECT_EQ(accept(table, by_name("b")), a);
    EXPECT_EQ(accept(table, by_name("c")), b);
    EXPECT_EQ(token_of(a), "t1");
    EXPECT_EQ(token_of(b), "t2");
}

TEST_F(TwoSources, NamesThatAreSwappedTakeNoToken) {
    table.configure({source("a", "t2"), source("b", "t1")}, now);
    EXPECT_EQ(accept(table, by_name("a")), b);
    EXPECT_EQ(accept(table, by_name("b")), a);
    EXPECT_EQ(token_of(a), "t1");
    EXPECT_EQ(token_of(b), "t2");
}

TEST_F(TwoSources, TheSameComesOutWhenTheNamesMoveOverARestart) {
    TokenTable again(Salt{}, stored(table));
    again.configure({source("b", "t1"), source("c", "t2")}, now);
    EXPECT_EQ(accept(again, by_name("b")), a);
    EXPECT_EQ(accept(again, by_name("c")), b);
}

TEST_F(TwoSources, ANameThatIsTakenOverLeavesItsSlotBehind) {
    table.configure({source("b", "t1")}, now);
    EXPECT_EQ(accept(table, by_name("b")), a);
    EXPECT_TRUE(table.at(b).missing()) << "what is queued for it waits for its token";
    EXPECT_EQ(table.find("b"), a);
    EXPECT_EQ(table.find_all("b"), (std::vector{a, b}));
    // Another token for b is that of the one that is called so.
    TokenTable again(Salt{}, stored(table));
    again.configure({source("b", "t3")}, now);
    EXPECT_EQ(accept(again, by_name("b")), a);
    EXPECT_TRUE(again.at(b).missing());
    again.configure({source("b", "t3"), source("old", "t2")}, now);
    EXPECT_EQ(accept(again, by_name("old")), b);
}

TEST_F(TwoSources, OfTwoThatHaveLeftByOneNameNoneIsRotated) {
    table.configure({source("b", "t1")}, now);
    table.configure({}, now);
    table.configure({source("b", "t3")}, now);
    const TokenId fresh = accept(table, by_name("b"));
    EXPECT_TRUE(fresh != a && fresh != b) << "nobody said which is meant";
    EXPECT_TRUE(table.at(a).missing() && table.at(b).missing());
}

TEST_F(TwoSources, ARotationAndARenameInOneReloadAreBoth) {
    table.configure({source("c", "t1"), source("b", "t3")}, now);
    EXPECT_EQ(accept(table, by_name("c")), a);
    EXPECT_EQ(accept(table, by_name("b")), b);
    EXPECT_EQ(token_of(b), "t3");
}

TEST_F(TwoSources, WhatANameLeavesAndAnotherTakesIsNotRotated) {
    table.configure({source("a", "t2"), source("b", "t3")}, now);
    EXPECT_EQ(accept(table, by_name("a")), b) << "it has its token";
    const TokenId fresh = accept(table, by_name("b"));
    EXPECT_TRUE(fresh != a && fresh != b);
    EXPECT_TRUE(table.at(a).missing());
}

TEST_F(TwoSources, ARemovedSourceDoesNotTakeAnotherOfItsTokenWithIt) {
    // An added source's token is put into the configuration by another name.
    ASSERT_TRUE(table.add_source("web", Secret("t3"), now).has_value());
    const TokenId web = *table.find("web");
    const auto adopted = table.configure({source("ci", "t3")}, now);
    ASSERT_EQ(adopted.renamed.size(), 1U);
    EXPECT_EQ(adopted.renamed.front().before, "web");
    EXPECT_EQ(accept(table, by_name("ci")), web);
    EXPECT_FALSE(table.find("web").has_value()) << "nothing is left to be removed by that name";
}

TEST_F(TwoSources, ASourceThatWasRemovedCanBeConfiguredAddedOrUsedAgain) {
    for (const bool erased : {false, true}) {
        SCOPED_TRACE(erased);
        TokenTable again(Salt{}, stored(table));
        again.configure({source("b", "t2")}, now);
        ASSERT_TRUE(again.remove(a, now).has_value());
        if (erased) again.erased(a, now);
        EXPECT_EQ(refused(again, by_name("a")), RejectCode::unknown_source);
        TokenTable configured(Salt{}, stored(again));
        configured.configure({source("a", "t1")}, now);
        const TokenId fresh = accept(configured, by_name("a"));
        EXPECT_GT(fresh, b);
        EXPECT_EQ(accept(configured, by_token("t1")), fresh);
        configured.configure({source("a", "t1")}, now);
        EXPECT_FALSE(configured.at(fresh).gone()) << "a removed slot is no 410 of its token";
        TokenTable added(Salt{}, stored(again));
        added.configure({source("b", "t2")}, now);
        EXPECT_TRUE(added.add_source("a", Secret("t1"), now).has_value());
        TokenTable direct(Salt{}, stored(again));
        EXPECT_GT(accept(direct, by_token("t1")), b);
    }
}

TEST_F(TwoSources, ARemovedSourceKeepsNothingButItsId) {
    ASSERT_TRUE(table.remove(b, now).has_value());
    EXPECT_EQ(table.at(b).entry.state, State::removed);
    const TokenEntry entry = table.erased(b, now);
    EXPECT_EQ(entry.state, State::forgotten);
    EXPECT_EQ(entry.fingerprint, Fingerprint{});
    EXPECT_TRUE(entry.secret.empty());
    TokenTable again(Salt{}, {entry});
    EXPECT_GT(accept(again, by_token("t2")), b);
}

TEST_F(TwoSources, AGoneTokenStaysGoneWhateverItIsCalled) {
    table.disable(a, now, Seconds(60));
    for (const char* name : {"a", "c", "a"}) {
        TokenTable again(Salt{}, stored(table));
        again.configure({source(name, "t1"), source("b", "t2")}, now);
        EXPECT_EQ(refused(again, by_name(name)), RejectCode::token_gone);
        EXPECT_EQ(again.at(a).entry.erase_at, now + Seconds(60)) << "nothing brings it forward";
        table.configure({source(name, "t1"), source("b", "t2")}, now);
        EXPECT_EQ(refused(table, by_token("t1")), RejectCode::token_gone);
        EXPECT_EQ(accept(table, by_name("b")), b);
    }
    ASSERT_TRUE(table.enable(a, now).has_value());
    table.configure({source("c", "t1"), source("b", "t2")}, now);
    EXPECT_EQ(accept(table, by_name("c")), a) << "taken back is taken back";
}

TEST_F(TwoSources, ATokenThatWasErasedLetsNoSourceHaveItsQueuePostedWithIt) {
    table.disable(a, now, Seconds(0));
    table.erased(a, now);
    table.configure({source("b", "t1")}, now);
    EXPECT_EQ(refused(table, by_name("b")), RejectCode::token_gone);
    EXPECT_TRUE(table.at(b).missing());
    EXPECT_EQ(table.at(b).entry.state, State::active) << "b was not answered 410";
    table.configure({source("b", "t2")}, now);
    EXPECT_EQ(accept(table, by_name("b")), b);
}

TEST_F(TwoSources, ASourceOfTheConfigurationTakesTheNameOfAnAddedOne) {
    ASSERT_TRUE(table.add_source("web", Secret("t3"), now).has_value());
    const TokenId web = *table.find("web");
    table.configure({source("web", "t1")}, now);
    EXPECT_EQ(accept(table, by_name("web")), a);
    EXPECT_FALSE(table.at(web).missing()) << "its queue goes on, with its own token";
    TokenTable again(Salt{}, stored(table));
    again.configure({source("web", "t1")}, now);
    EXPECT_EQ(accept(again, by_name("web")), a);
    EXPECT_EQ(again.at(web).entry.secret.reveal(), "t3");
}

TEST(TokenTable, ARegistryOfAnEarlierVersionIsRead) {
    TokenEntry ci;
    ci.id = TokenId{1};
    ci.source = "ci";
    ci.fingerprint = fingerprint("t1", Salt{});
    TokenEntry web = ci;
    web.id = TokenId{2};
    web.source = "web";
    web.fingerprint = fingerprint("t2", Salt{});
    web.secret = Secret("t2");
    TokenEntry direct = ci;
    direct.id = TokenId{3};
    direct.source = "";
    direct.fingerprint = fingerprint("t3", Salt{});
    direct.secret = Secret("t3");
    TokenTable table(Salt{}, {ci, web, direct});
    EXPECT_TRUE(table.configure({source("ci", "t1")}, now).entries.empty());
    EXPECT_EQ(accept(table, by_name("ci")), ci.id);
    EXPECT_EQ(accept(table, by_name("web")), web.id);
    EXPECT_EQ(accept(table, by_token("t3")), direct.id);
    EXPECT_EQ(table.at(web.id).entry.origin, TokenEntry::Origin::added);
}

// Earlier versions gave a token that was configured by another name another slot.
TEST(TokenTable, OfSlotsWithOneTokenTheOneInUseIsMeant) {
    for (const State out_of_use : {State::gone, State::erased}) {
        for (const std::uint64_t in_use : {1U, 2U}) {
            for (const char* name : {"ci", "build"}) {
                std::vector<TokenEntry> entries(2);
                for (std::uint64_t id = 1; id <= 2; ++id) {
                    TokenEntry& entry = entries[id - 1];
                    entry.id = TokenId{id};
                    entry.source = id == in_use ? "ci" : "build";
                    entry.fingerprint = fingerprint("t1", Salt{});
                    entry.state = id == in_use ? State::active : out_of_use;
                    entry.origin = TokenEntry::Origin::left;
                }
                TokenTable table(Salt{}, std::move(entries));
                table.configure({source(name, "t1")}, now);
                EXPECT_EQ(accept(table, by_name(name)), TokenId{in_use}) << name;
            }
        }
    }
}

TEST(TokenTable, OfSlotsWithOneTokenThatOfItsNameIsMeant) {
    for (const char* name : {"a", "b"}) {
        std::vector<TokenEntry> entries(2);
        for (std::uint64_t id = 1; id <= 2; ++id) {
            entries[id - 1].id = TokenId{id};
            entries[id - 1].source = id == 1 ? "a" : "b";
            entries[id - 1].fingerprint = fingerprint("t1", Salt{});
            entries[id - 1].origin = TokenEntry::Origin::configured;
        }
        TokenTable table(Salt{}, std::move(entries));
        table.configure({source(name, "t1")}, now);
        EXPECT_EQ(accept(table, by_name(name)), TokenId{name[0] == 'a' ? 1U : 2U});
    }
}

TEST(TokenTable, AGoneTokenIsRefusedByNameAndByItself) {
    TokenTable table(Salt{}, {});
    table.configure({source("ci", "t1")}, now);
    const TokenId slot = accept(table, by_name("ci"));
    const auto changed = table.disable(slot, now, Seconds(60));
    ASSERT_EQ(changed.size(), 1U);
    EXPECT_EQ(changed.front().state, State::gone);
    EXPECT_EQ(changed.front().erase_at, now + Seconds(60));
    EXPECT_EQ(refused(table, by_name("ci")), RejectCode::token_gone);
    EXPECT_EQ(refused(table, by_token("t1")), RejectCode::token_gone);
    EXPECT_TRUE(table.disable(slot, now, Seconds(60)).empty()) << "once";
}

TEST(TokenTable, A410IsOfAllSlotsOfTheToken) {
    TokenEntry first;
    first.id = TokenId{1};
    first.fingerprint = fingerprint("t1", Salt{});
    first.secret = Secret("t1");
    TokenEntry second = first;
    second.id = TokenId{2};
    TokenEntry other = first;
    other.id = TokenId{3};
    other.fingerprint = fingerprint("t2", Salt{});
    other.secret = Secret("t2");
    TokenTable table(Salt{}, {first, second, other});
    EXPECT_EQ(table.disable(TokenId{1}, now, Seconds(0)).size(), 2U);
    EXPECT_EQ(refused(table, by_token("t1")), RejectCode::token_gone);
    EXPECT_EQ(accept(table, by_token("t2")), TokenId{3});
    EXPECT_EQ(table.gone_with(TokenId{2}), (std::vector{TokenId{2}, TokenId{1}}));
    EXPECT_EQ(table.enable(TokenId{2}, now)->size(), 2U) << "and it is taken back of all of them";
}

TEST(TokenTable, WhatIsErasedLeavesAFingerprintThatIsRecognisedAfterARestart) {
    TokenTable before(Salt{}, {});
    const TokenId slot = accept(before, by_token("t1"));
    before.disable(slot, now, Seconds(0));
    const TokenEntry entry = before.erased(slot, now);
    EXPECT_EQ(entry.state, State::erased);
    EXPECT_TRUE(entry.secret.empty());
    TokenTable after(Salt{}, stored(before));
    EXPECT_EQ(refused(after, by_token("t1")), RejectCode::token_gone);
}

TEST(TokenTable, ANewTokenBringsAGoneSourceBackInANewSlot) {
    TokenTable before(Salt{}, {});
    before.configure({source("ci", "t1")}, now);
    const TokenId slot = accept(before, by_name("ci"));
    before.disable(slot, now, Seconds(0));
    before.erased(slot, now);

    TokenTable same(Salt{}, stored(before));
    same.configure({source("ci", "t1")}, now);
    EXPECT_EQ(refused(same, by_name("ci")), RejectCode::token_gone);

    TokenTable rotated(Salt{}, stored(before));
    rotated.configure({source("ci", "t2")}, now);
    const auto fresh = rotated.resolve(by_name("ci"), true);
    ASSERT_TRUE(fresh.has_value());
    EXPECT_NE(*fresh, slot) << "what was queued for the removed integration is not for this one";
    EXPECT_EQ(refused(rotated, by_token("t1")), RejectCode::token_gone);

    TokenTable again(Salt{}, stored(rotated));
    EXPECT_TRUE(again.configure({source("ci", "t2")}, now).entries.empty());
    EXPECT_EQ(accept(again, by_name("ci")), *fresh);
}

TEST(TokenTable, AnIdThatEventsBelongToIsNotGivenOutAgain) {
    TokenTable table(Salt{}, {});
    table.reserve(TokenId{7});
    EXPECT_EQ(accept(table, by_token("t1")), TokenId{8});
}

TEST(TokenTable, ATokenThatIsGoneStaysGoneUnderAnotherName) {
    TokenTable table(Salt{}, {});
    const TokenId slot = accept(table, by_token("t1"));
    table.disable(slot, now, Seconds(0));
    table.configure({source("ci", "t1")}, now);
    EXPECT_EQ(refused(table, by_name("ci")), RejectCode::token_gone);
}

TEST(TokenTable, IdsAreNotUsedAgainAfterARestart) {
    TokenTable before(Salt{}, {});
    const TokenId first = accept(before, by_token("t1"));
    TokenTable after(Salt{}, stored(before));
    EXPECT_GT(accept(after, by_token("t2")), first);
}

}  // namespace
}  // namespace flowrelay::core
