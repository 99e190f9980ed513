#include <gtest/gtest.h>

#include <string>

#include "flowrelay/core/token_table.hpp"

namespace flowrelay::core {
namespace {

using State = TokenEntry::State;

const WallTime operated_at{Seconds(1'000'000)};
const WallTime later = operated_at + Seconds(60);

std::vector<TokenEntry> stored_entries(const TokenTable& table) {
    std::vector<TokenEntry> entries;
    for (const auto& [id, token] : table.all()) entries.push_back(table.registry_entry(id));
    return entries;
}

TokenId added(TokenTable& table, const std::string& name, const std::string& token) {
    const auto entry = table.add_source(name, Secret(token), operated_at);
    EXPECT_TRUE(entry.has_value());
    return entry.has_value() ? entry->front().id : TokenId::none;
}

/// none: refused.
TokenId resolved(TokenTable& table, const Addressee& addressee, bool accept_unknown = false) {
    const auto slot = table.resolve(addressee, accept_unknown);
    return slot.has_value() ? table.take(addressee, operated_at) : TokenId::none;
}

std::string why_refused(const OrRefusal<TokenTable::Changes>& wish) {
    EXPECT_TRUE(wish.has_error());
    return wish.has_error() ? wish.error().message : "";
}

Refusal::Code refused(const OrRefusal<TokenTable::Changes>& wish) {
    EXPECT_TRUE(wish.has_error());
    return wish.has_error() ? wish.error().code : Refusal::Code::not_found;
}

bool says(const std::string& message, std::string_view what) {
    return message.find(what) != std::string::npos;
}

TEST(TokenOperations, AnAddedSourceIsThereAtOnceAndAfterARestart) {
    TokenTable table(Salt{}, {});
    const TokenId id = added(table, "web", "t1");
    EXPECT_EQ(resolved(table, SourceName{"web"}), id);
    const auto entries = stored_entries(table);
    ASSERT_EQ(entries.size(), 1U);
    EXPECT_EQ(entries[0].secret.reveal(), "t1");

    TokenTable again(Salt{}, entries);
    again.configure({{"ci", Secret("t2"), {}}}, operated_at);
    EXPECT_EQ(resolved(again, SourceName{"web"}), id);
    EXPECT_EQ(again.at(id).entry.secret.reveal(), "t1");
    EXPECT_EQ(again.at(id).entry.origin, TokenEntry::Origin::added);
}

TEST(TokenOperations, ASourceOfTheConfigurationTakesAnAddedOneOver) {
    TokenTable table(Salt{}, {});
    const TokenId id = added(table, "web", "t1");
    const auto changed = table.configure({{"web", Secret("t1"), {}}}, operated_at).entries;
    EXPECT_EQ(table.at(id).entry.origin, TokenEntry::Origin::configured);
    ASSERT_EQ(changed.size(), 1U);
    EXPECT_TRUE(changed[0].secret.empty()) << "its secret has to leave the registry";
}

TEST(TokenOperations, NamesAndTokensThatCanNotBeAreRefused) {
    TokenTable table(Salt{}, {});
    EXPECT_EQ(refused(table.add_source("", Secret("t"), operated_at)), Refusal::Code::invalid);
    EXPECT_EQ(refused(table.add_source("a b", Secret("t"), operated_at)), Refusal::Code::invalid);
    EXPECT_EQ(refused(table.add_source(std::string(65, 'a'), Secret("t"), operated_at)),
              Refusal::Code::invalid);
    for (const std::string name : {"token-1", "token-0", "token-123456789012345678901234"}) {
        EXPECT_EQ(refused(table.add_source(name, Secret("t"), operated_at)),
                  Refusal::Code::invalid);
    }
    EXPECT_EQ(refused(table.add_source("web", Secret(""), operated_at)), Refusal::Code::invalid);
    EXPECT_EQ(refused(table.add_source("web", Secret("a b"), operated_at)), Refusal::Code::invalid);
    EXPECT_EQ(refused(table.add_source("web", Secret(std::string(257, 'a')), operated_at)),
              Refusal::Code::invalid);
    EXPECT_TRUE(table.all().empty());
    for (const std::string name : {"token-", "token-1a", "token", "my-token-1"}) {
        EXPECT_FALSE(table.refuse_name(name)) << name;
    }
}

TEST(TokenOperations, ANameOrATokenInUseIsRefused) {
    TokenTable table(Salt{}, {});
    added(table, "web", "t1");
    EXPECT_EQ(refused(table.add_source("web", Secret("t2"), operated_at)), Refusal::Code::conflict);
    EXPECT_EQ(refused(table.add_source("www", Secret("t1"), operated_at)), Refusal::Code::conflict);
}

TEST(TokenOperations, AnAddedSourceTakesTheSlotOfEventsThatBroughtItsToken) {
    TokenTable table(Salt{}, {});
    const TokenId slot = resolved(table, Secret("t1"), true);
    EXPECT_EQ(added(table, "web", "t1"), slot);
}

TEST(TokenOperations, ARotatedSourceKeepsItsSlot) {
    TokenTable table(Salt{}, {});
    const TokenId id = added(table, "web", "t1");
    const auto entry = table.rotate(id, Secret("t2"), later);
    ASSERT_TRUE(entry.has_value());
    EXPECT_EQ(entry->front().secret.reveal(), "t2");
    EXPECT_EQ(table.at(id).entry.secret.reveal(), "t2");
    EXPECT_EQ(resolved(table, Secret("t2")), id);
    EXPECT_TRUE(table.resolve(Secret("t1"), false).has_error());
}

TEST(TokenOperations, OnlyAnAddedSourceIsRotatedHere) {
    TokenTable table(Salt{}, {});
    table.configure({{"ci", Secret("t1"), {}}}, operated_at);
    const TokenId ci = *table.find("ci");
    EXPECT_EQ(refused(table.rotate(ci, Secret("t2"), operated_at)), Refusal::Code::conflict);
    const TokenId direct = resolved(table, Secret("t3"), true);
    EXPECT_EQ(refused(table.rotate(direct, Secret("t4"), operated_at)), Refusal::Code::conflict);
    const TokenId web = added(table, "web", "t5");
    EXPECT_EQ(refused(table.rotate(web, Secret("a b"), operated_at)), Refusal::Code::invalid);
    EXPECT_EQ(table.at(web).entry.secret.reveal(), "t5");
}

TEST(TokenOperations, APauseLastsUntilItIsResumed) {
    TokenTable table(Salt{}, {});
    const TokenId id = added(table, "web", "t1");
    EXPECT_EQ(table.pause(id, later)->front().state, State::paused);
    EXPECT_EQ(table.pause(id, later + Seconds(1))->front().since, later)
        << "pausing twice changes nothing";
    TokenTable again(Salt{}, stored_entries(table));
    EXPECT_EQ(again.at(id).entry.state, State::paused);
    EXPECT_EQ(again.resume(id, later)->front().state, State::active);
}

TEST(TokenOperations, APauseForAnotherTokenStaysOneUntilItEnds) {
    using Pause = TokenEntry::Pause;
    for (const bool gone : {false, true}) {
        TokenTable table(Salt{}, {});
        const TokenId id = added(table, "web", "t1");
        ASSERT_TRUE(table.pause(id, later).has_value());
        ASSERT_TRUE(table.pause(id, later, Pause::other_token).has_value());
        ASSERT_TRUE(table.pause(id, later).has_value());
        TokenTable again(Salt{}, stored_entries(table));
        EXPECT_EQ(again.at(id).entry.pause, Pause::other_token);
        if (gone) {
            again.disable(id, later, Seconds(60));
            ASSERT_TRUE(again.enable(id, later).has_value());
        } else {
            ASSERT_TRUE(again.resume(id, later).has_value());
        }
        ASSERT_TRUE(again.pause(id, later).has_value());
        EXPECT_EQ(again.at(id).entry.pause, Pause::by_operator) << gone;
    }
}

TEST(TokenOperations, WhatIsNotConfiguredCanNotBeResumed) {
    TokenTable table(Salt{}, {});
    table.configure({{"ci", Secret("t1"), {}}}, operated_at);
    const TokenId id = *table.find("ci");
    table.configure({}, operated_at);
    EXPECT_EQ(refused(table.resume(id, operated_at)), Refusal::Code::conflict);
}

TEST(TokenOperations, ARemovedSourceTakesNoOthersWithIt) {
    TokenTable table(Salt{}, {});
    const TokenId first = added(table, "web", "t1");
    const TokenId other = added(table, "www", "t2");
    const auto entry = table.remove(first, later);
    ASSERT_TRUE(entry.has_value());
    EXPECT_EQ(entry->front().state, State::removed);
    EXPECT_EQ(entry->front().erase_at, later);
    EXPECT_EQ(table.at(other).entry.state, State::active);
    EXPECT_EQ(table.resolve(SourceName{"web"}, false).error().code, RejectCode::unknown_source);
    EXPECT_EQ(*table.resolve(Secret("t1"), true), TokenId::none) << "as one never seen";
}

TEST(TokenOperations, WhatIsGoneIsNeitherPausedNorRotatedNorResumed) {
    TokenTable table(Salt{}, {});
    const TokenId id = added(table, "web", "t1");
    static_cast<void>(table.remove(id, operated_at));
    EXPECT_EQ(refused(table.pause(id, operated_at)), Refusal::Code::conflict);
    EXPECT_EQ(refused(table.resume(id, operated_at)), Refusal::Code::conflict);
    EXPECT_EQ(refused(table.rotate(id, Secret("t2"), operated_at)), Refusal::Code::conflict);
}

TEST(TokenOperations, A410CanBeTakenBackUntilItIsErased) {
    TokenTable table(Salt{}, {});
    const TokenId id = added(table, "web", "t1");
    table.disable(id, operated_at, Milliseconds(1000));
    EXPECT_TRUE(table.resolve(SourceName{"web"}, false).has_error());
    ASSERT_TRUE(table.enable(id, later).has_value());
    EXPECT_EQ(resolved(table, SourceName{"web"}), id);
    EXPECT_EQ(resolved(table, Secret("t1")), id);

    table.disable(id, operated_at, Milliseconds(1000));
    table.erased(id, operated_at);
    EXPECT_EQ(refused(table.enable(id, later)), Refusal::Code::conflict);
}

TEST(TokenOperations, ATokenThatWasErasedByMistakeComesAgainWhenItsReceiptIsRemoved) {
    TokenTable table(Salt{}, {});
    const TokenId id = added(table, "web", "t1");
    table.disable(id, operated_at, Milliseconds(0));
    table.erased(id, operated_at);
    const auto why = why_refused(table.add_source("web", Secret("t1"), later));
    EXPECT_TRUE(says(why, "`source remove token-1`")) << why;
    const auto removed = table.remove(*table.find("token-1"), later);
    ASSERT_TRUE(removed.has_value());
    EXPECT_EQ(removed->front().state, State::forgotten);
    EXPECT_EQ(removed->front().since, operated_at) << "the receipt of an erasure has its own time";
    EXPECT_GT(added(table, "web", "t1"), id);
    EXPECT_EQ(refused(table.remove(id, later)), Refusal::Code::conflict);
}

TEST(TokenOperations, WhatWasRemovedCanNotBeTakenBack) {
    TokenTable table(Salt{}, {});
    const TokenId id = added(table, "web", "t1");
    table.disable(id, operated_at, Milliseconds(1000));
    ASSERT_TRUE(table.remove(id, later).has_value());
    for (const bool restart : {false, true}) {
        TokenTable again(Salt{}, stored_entries(table));
        TokenTable& of = restart ? again : table;
        EXPECT_TRUE(says(why_refused(of.enable(id, later)), "can't be taken back"));
        EXPECT_FALSE(of.find_gone("web").has_value());
        EXPECT_TRUE(of.gone_with(id).empty());
        EXPECT_TRUE(of.disable(id, later, Milliseconds(0)).empty());
    }
}

TEST(TokenOperations, AnAddedSourceStaysPausedIfItsTokenWas) {
    TokenTable table(Salt{}, {});
    const TokenId direct = resolved(table, Secret("t1"), true);
    ASSERT_TRUE(table.pause(direct, operated_at).has_value());
    EXPECT_EQ(table.add_source("web", Secret("t1"), operated_at)->front().state, State::paused);
    TokenTable again(Salt{}, stored_entries(table));
    EXPECT_EQ(again.at(direct).entry.state, State::paused);
    EXPECT_EQ(again.find("web"), direct);
}

TEST(TokenOperations, EverybodySendsALeftSourceTheSameWay) {
    TokenTable table(Salt{}, {});
    table.configure({{"ci", Secret("t1"), {}}}, operated_at);
    const TokenId ci = *table.find("ci");
    table.configure({}, operated_at);
    for (const auto& why : {why_refused(table.resume(ci, operated_at)),
                            why_refused(table.rotate(ci, Secret("t2"), operated_at)),
                            why_refused(table.add_source("web", Secret("t1"), operated_at))}) {
        EXPECT_TRUE(says(why, "put it back there, or `source add ci`")) << why;
    }
    for (const char* token : {"t1", "t2"}) {
        TokenTable again(Salt{}, stored_entries(table));
        EXPECT_EQ(added(again, "ci", token), ci) << "with its own token or a new one";
        EXPECT_EQ(again.at(ci).entry.secret.reveal(), token);
        EXPECT_EQ(resolved(again, SourceName{"ci"}), ci);
    }
    EXPECT_TRUE(table.pause(ci, operated_at).has_value());
    EXPECT_TRUE(table.remove(ci, operated_at).has_value());
}

TEST(TokenOperations, ALeftSourceWhoseNameIsAnothersIsTakenBackByANewName) {
    TokenTable table(Salt{}, {});
    table.configure({{"a", Secret("t1"), {}}, {"b", Secret("t2"), {}}}, operated_at);
    const TokenId b = *table.find("b");
    table.configure({{"b", Secret("t1"), {}}}, operated_at);
    EXPECT_TRUE(says(why_refused(table.resume(b, operated_at)), "by another name"));
    EXPECT_EQ(added(table, "old", "t2"), b);
}

TEST(TokenOperations, ATokenThatAnotherHasIsRefusedInWordsThatNameIt) {
    TokenTable table(Salt{}, {});
    table.configure({{"ci", Secret("t1"), {}}}, operated_at);
    const TokenId web = added(table, "web", "t2");
    const TokenId direct = resolved(table, Secret("t3"), true);
    EXPECT_TRUE(
        says(why_refused(table.add_source("x", Secret("t1"), operated_at)), "source ci has"));
    EXPECT_TRUE(
        says(why_refused(table.add_source("x", Secret("t2"), operated_at)), "source web has"));
    EXPECT_TRUE(says(why_refused(table.rotate(web, Secret("t1"), operated_at)), "source ci has"));
    EXPECT_TRUE(says(why_refused(table.rotate(web, Secret("t3"), operated_at)), "token-3 has"));
    EXPECT_EQ(table.at(web).entry.secret.reveal(), "t2");
    table.disable(direct, operated_at, Seconds(60));
    EXPECT_TRUE(
        says(why_refused(table.rotate(web, Secret("t3"), operated_at)), "`source enable token-3`"));
    EXPECT_TRUE(says(why_refused(table.add_source("x", Secret("t3"), operated_at)), "(410)"));
}

TEST(TokenOperations, ANameOfTheConfigurationWhoseTokenIsGoneIsRenewedThere) {
    TokenTable table(Salt{}, {});
    table.configure({{"ci", Secret("t1"), {}}}, operated_at);
    table.disable(*table.find("ci"), operated_at, Seconds(60));
    EXPECT_TRUE(
        says(why_refused(table.add_source("ci", Secret("t2"), operated_at)), "in the config"));
}

TEST(TokenOperations, ANameWhoseTokenIsGoneIsUsableOverARestart) {
    TokenTable table(Salt{}, {});
    const TokenId old = added(table, "web", "t1");
    table.disable(old, operated_at, Seconds(60));
    const TokenId fresh = added(table, "web", "t2");
    EXPECT_NE(fresh, old);
    TokenTable again(Salt{}, stored_entries(table));
    EXPECT_EQ(resolved(again, SourceName{"web"}), fresh);
    EXPECT_EQ(again.find("web"), fresh);
    EXPECT_EQ(again.find_gone("web"), old);
}

TEST(TokenOperations, ANameThatIsGoneCanBeAddedAnewAndGetsItsOwnSlot) {
    TokenTable table(Salt{}, {});
    const TokenId old = added(table, "web", "t1");
    static_cast<void>(table.remove(old, operated_at));
    table.erased(old, operated_at);
    const TokenId fresh = added(table, "web", "t1");
    EXPECT_NE(fresh, old);
    EXPECT_EQ(resolved(table, SourceName{"web"}), fresh);
    EXPECT_EQ(table.find("web"), fresh);
    TokenTable again(Salt{}, stored_entries(table));
    EXPECT_EQ(resolved(again, SourceName{"web"}), fresh);
    EXPECT_EQ(resolved(again, Secret("t1")), fresh);
}

TEST(TokenOperations, ASlotIsFoundByWhatItIsCalled) {
    TokenTable table(Salt{}, {});
    const TokenId direct = resolved(table, Secret("t1"), true);
    EXPECT_EQ(table.find("token-1"), direct);
    EXPECT_FALSE(table.find("web").has_value());
}

KnownFlowSource lives_as(const std::string& id) {
    FlowSource source;
    source.id = id;
    source.flow = "example/main";
    return source;
}

TEST(TokenOperations, WhereASourceLivesIsKnownOfItsTokenAlone) {
    TokenTable table(Salt{}, {});
    const auto web = table.add_source("web", Secret("t1"), operated_at, lives_as("36"));
    ASSERT_TRUE(web.has_value());
    EXPECT_EQ(web->front().flow_source, lives_as("36"));
    const TokenId id = web->front().id;

    // Another token is another source; the same one says nothing new.
    EXPECT_EQ(table.rotate(id, Secret("t1"), later)->front().flow_source, lives_as("36"));
    EXPECT_EQ(table.rotate(id, Secret("t2"), later, lives_as("37"))->front().flow_source,
              lives_as("37"));
    EXPECT_FALSE(table.rotate(id, Secret("t3"), later)->front().flow_source);

    // A configuration that takes the source over with its token keeps it.
    table.rotate(id, Secret("t1"), later, lives_as("36"));
    table.configure({{"web", Secret("t1"), {}}}, later);
    EXPECT_EQ(table.registry_entry(id).flow_source, lives_as("36"));
    table.configure({}, later);
    EXPECT_EQ(table.registry_entry(id).flow_source, lives_as("36")) << "it may come back";
    table.configure({{"web", Secret("t4"), {}}}, later);
    EXPECT_FALSE(table.registry_entry(id).flow_source);
}

TEST(TokenOperations, WhereASourceLivesIsErasedWithIt) {
    TokenTable table(Salt{}, {});
    const TokenId gone =
        table.add_source("a", Secret("t1"), operated_at, lives_as("1"))->front().id;
    const TokenId removed =
        table.add_source("b", Secret("t2"), operated_at, lives_as("2"))->front().id;
    EXPECT_EQ(table.disable(gone, later, Milliseconds(0)).front().flow_source, lives_as("1"))
        << "a 410 can be taken back";
    ASSERT_TRUE(table.remove(removed, later).has_value());
    EXPECT_FALSE(table.erased(gone, later).flow_source);
    EXPECT_FALSE(table.erased(removed, later).flow_source);
}

KnownFilter filter_with_tag(std::string_view tag) {
    EventFilter filter;
    EXPECT_EQ(add_entry(filter, FilterList::tags, tag), std::nullopt);
    return known_filter(std::move(filter));
}

TEST(TokenOperations, TheFilterOfAnAddedSourceIsKeptOverARestartARotationAndAPause) {
    TokenTable table(Salt{}, {});
    const TokenId id = added(table, "web", "t1");
    const WallTime since = table.at(id).entry.since;
    const auto changes = table.set_filter(id, filter_with_tag("a"));
    ASSERT_TRUE(changes.has_value());
    ASSERT_EQ(changes->size(), 1U);
    EXPECT_EQ(changes->front().filter, filter_with_tag("a"));
    EXPECT_EQ(table.at(id).entry.since, since);
    ASSERT_TRUE(table.rotate(id, Secret("t2"), later).has_value());
    ASSERT_TRUE(table.pause(id, later).has_value());
    TokenTable again(Salt{}, stored_entries(table));
    again.configure({}, later);
    EXPECT_EQ(again.at(id).filter(), filter_with_tag("a"));
    ASSERT_TRUE(again.set_filter(id, {}).has_value());
    EXPECT_FALSE(again.at(id).filter());
}

TEST(TokenOperations, TheConfigurationHasTheFilterOfItsSources) {
    TokenTable table(Salt{}, {});
    const TokenId id = added(table, "web", "t1");
    ASSERT_TRUE(table.set_filter(id, filter_with_tag("a")).has_value());
    SourceRules rules;
    rules.filter = filter_with_tag("b");
    const auto changed = table.configure({{"web", Secret("t1"), rules}}, later).entries;
    ASSERT_EQ(changed.size(), 1U);
    EXPECT_FALSE(changed[0].filter) << "the registry keeps none of a configured source";
    EXPECT_EQ(table.at(id).filter(), filter_with_tag("b"));
    EXPECT_TRUE(says(why_refused(table.set_filter(id, filter_with_tag("c"))),
                     "the filter of web is the configuration's"));
    table.configure({{"web", Secret("t1"), {}}}, later);
    EXPECT_FALSE(table.at(id).filter());
    // What the configuration said of a source that has left does not come back with it.
    table.configure({{"web", Secret("t1"), rules}}, later);
    table.configure({}, later);
    EXPECT_FALSE(table.at(id).filter());
    EXPECT_TRUE(says(why_refused(table.set_filter(id, {})), "is not in the configuration"));
    ASSERT_TRUE(table.add_source("web", Secret("t1"), later).has_value());
    EXPECT_FALSE(table.at(id).filter());
    EXPECT_TRUE(table.set_filter(id, filter_with_tag("c")).has_value());
}

TEST(TokenOperations, AFilterIsOfASourceThatIsInUse) {
    TokenTable table(Salt{}, {});
    const TokenId direct = resolved(table, Secret("t0"), true);
    EXPECT_TRUE(says(why_refused(table.set_filter(direct, {})), "belongs to no source"));
    const TokenId id = added(table, "web", "t1");
    ASSERT_TRUE(table.set_filter(id, filter_with_tag("a")).has_value());
    table.disable(id, later, Milliseconds(1000));
    EXPECT_TRUE(says(why_refused(table.set_filter(id, {})), "is gone (410)"));
    EXPECT_EQ(table.registry_entry(id).filter, filter_with_tag("a")) << "enable may take it back";
    EXPECT_FALSE(table.erased(id, later).filter);
    table.reserve(TokenId{99});
    EXPECT_EQ(refused(table.set_filter(TokenId{99}, {})), Refusal::Code::conflict);
}

}  // namespace
}  // namespace flowrelay::core
