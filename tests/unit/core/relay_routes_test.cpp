// What becomes of an event whose source has several routes: which slots it goes to, and that it is
// refused as a whole or not at all.
#include <algorithm>
#include <initializer_list>
#include <set>
#include <string>
#include <vector>

#include "relay_fixture.hpp"

namespace flowrelay::core {
namespace {

class RelayRoutesTest : public RelayTest {
protected:
    struct Source {
        std::string name;
        SourceRules rules{};
    };

    /// The configuration has these sources and no others. The token of `x` is "token-of-x".
    void configure(std::vector<Source> sources) {
        std::vector<ConfiguredSource> configured;
        for (auto& source : sources) {
            configured.push_back(
                {source.name, Secret("token-of-" + source.name), std::move(source.rules)});
        }
        for (const auto& entry : relay_->configure(std::move(configured), now_)) {
            relay_->tokens().mark_durable(entry);
        }
    }

    static SourceRules with_tag(std::string_view tag) {
        SourceRules rules;
        EventFilter filter;
        EXPECT_EQ(add_entry(filter, FilterList::tags, tag), std::nullopt);
        rules.filter = known_filter(std::move(filter));
        return rules;
    }

    static SourceRules with_defaults(EventDefaults defaults) {
        SourceRules rules;
        rules.defaults = std::move(defaults);
        return rules;
    }

    static SourceRules for_users(std::vector<std::uint32_t> uids) {
        SourceRules rules;
        rules.allow.restricted = true;
        rules.allow.uids = std::move(uids);
        return rules;
    }

    static Submitter user(std::uint32_t uid) {
        Submitter by;
        by.producer = Producer{uid, 1, ""};
        return by;
    }

    static Submission parse(const std::string& json) {
        auto parsed = Submission::parse(json);
        EXPECT_TRUE(parsed.has_value());
        return std::move(*parsed);
    }

    Admission::Decision submit(std::string_view source, std::string_view more = "",
                               const Submitter& by = {}) {
        return relay_->admission().submit(
            parse(R"({"source":")" + std::string(source) +
                  R"(","title":"x","author":{"name":"a"},"external_thread_id":"t")" +
                  std::string(more) + "}"),
            now_, by);
    }

    std::string label(TokenId slot) const { return relay_->tokens().at(slot).label(); }

    /// "ci=append ci/ops=duplicate", or "filtered", or the code of the rejection.
    std::string text(const Admission::Decision& decision) const {
        std::string text;
        const auto add = [&](TokenId slot, std::string_view what) {
            text += (text.empty() ? "" : " ") + label(slot) + "=" + std::string(what);
        };
        if (const auto* one = std::get_if<Admission::Append>(&decision)) {
            add(one->record.token, "append");
        } else if (const auto* known = std::get_if<Admission::Duplicate>(&decision)) {
            add(known->token, "duplicate");
        } else if (const auto* rejection = std::get_if<Rejection>(&decision)) {
            return std::string(to_string(rejection->code));
        } else if (std::holds_alternative<Admission::Filtered>(decision)) {
            return "filtered";
        } else {
            const auto& copies = std::get<Admission::Copies>(decision);
            for (const auto& copy : copies.appends) add(copy.record.token, "append");
            for (const auto& copy : copies.duplicates) add(copy.token, "duplicate");
        }
        return text;
    }

    static std::vector<Admission::Append> appends_of(Admission::Decision decision) {
        std::vector<Admission::Append> appends;
        if (auto* one = std::get_if<Admission::Append>(&decision)) {
            appends.push_back(std::move(*one));
        } else if (auto* copies = std::get_if<Admission::Copies>(&decision)) {
            appends = std::move(copies->appends);
        }
        return appends;
    }

    void commit(const Admission::Append& append) {
        const Seq seq{++last_seq_};
        relay_->admission().committed(append.record, seq);
        records_[seq] = append.record;
    }

    void commit_all(Admission::Decision decision) {
        for (const auto& append : appends_of(std::move(decision))) commit(append);
    }

    void make_gone(std::string_view source) {
        relay_->lifecycle().disable(*relay_->tokens().find(source), now_);
    }

    Rejection rejection(const Admission::Decision& decision) const {
        return std::get<Rejection>(decision);
    }
};

TEST_F(RelayRoutesTest, AnEventGoesToItsSourceAndToEachRoute) {
    configure({{"ci"}, {"ci/ops"}, {"ci/dev"}, {"cipher/x"}, {"web"}});
    EXPECT_EQ(text(submit("ci")), "ci=append ci/dev=append ci/ops=append");
    EXPECT_EQ(text(submit("ci/ops")), "ci/ops=append");
    EXPECT_EQ(text(submit("web")), "web=append");
    EXPECT_EQ(text(submit("cipher")), "cipher/x=append") << "one route, and no source";
    EXPECT_EQ(text(submit("ci/none")), "unknown_source");
    EXPECT_EQ(text(submit("c")), "unknown_source");
    EXPECT_EQ(text(relay_->admission().submit(
                  parse(R"({"flow_token":"token-of-ci","event":"activity","title":"x",)"
                        R"("author":{"name":"a"},"external_thread_id":"t"})"),
                  now_)),
              "ci=append")
        << "a token is that of one slot";
}

TEST_F(RelayRoutesTest, RoutesNeedNoSourceAboveThem) {
    configure({{"ci/a"}, {"ci/b"}});
    EXPECT_EQ(text(submit("ci")), "ci/a=append ci/b=append");
    configure({});
    EXPECT_EQ(text(submit("ci")), "unknown_source");
}

TEST_F(RelayRoutesTest, AllCopiesHaveOneId) {
    configure({{"ci/a"}, {"ci/b"}});
    const auto made = appends_of(submit("ci"));
    ASSERT_EQ(made.size(), 2U);
    EXPECT_FALSE(made[0].record.id.empty());
    EXPECT_EQ(made[0].record.id, made[1].record.id);
    EXPECT_NE(made[0].record.id, appends_of(submit("ci"))[0].record.id);
    const auto chosen = appends_of(submit("ci", R"(,"uuid":"mine")"));
    ASSERT_EQ(chosen.size(), 2U);
    for (const auto& copy : chosen) {
        EXPECT_EQ(copy.record.id, "mine");
        EXPECT_TRUE(copy.record.own_id);
    }
}

TEST_F(RelayRoutesTest, ARouteThatIsGoneIsLeftOutWhileAnotherIsThere) {
    configure({{"ci"}, {"ci/ops"}});
    make_gone("ci/ops");
    EXPECT_EQ(text(submit("ci")), "ci=append");
    EXPECT_EQ(text(submit("ci/ops")), "token_gone");
    make_gone("ci");
    EXPECT_EQ(text(submit("ci")), "token_gone");
}

TEST_F(RelayRoutesTest, ASourceThatIsGoneLeavesItsRoutes) {
    configure({{"ci"}, {"ci/ops"}});
    make_gone("ci");
    EXPECT_EQ(text(submit("ci")), "ci/ops=append");
}

TEST_F(RelayRoutesTest, ARemovedRouteIsLeftOutAndAPausedOneQueues) {
    configure({{"ci"}});
    const auto added = relay_->lifecycle().add_source("ci/ops", Secret("one"), now_);
    ASSERT_TRUE(added.has_value());
    ASSERT_TRUE(relay_->lifecycle().pause_source(added->front().id, now_).has_value());
    EXPECT_EQ(text(submit("ci")), "ci=append ci/ops=append");
    ASSERT_TRUE(relay_->lifecycle().remove_source(added->front().id, now_).has_value());
    EXPECT_EQ(text(submit("ci")), "ci=append");
    ASSERT_TRUE(relay_->lifecycle().add_source("ci/dev", Secret("two"), now_).has_value());
    EXPECT_EQ(text(submit("ci")), "ci=append ci/dev=append");
}

TEST_F(RelayRoutesTest, EachRouteHasItsFilter) {
    configure({{"ci"}, {"ci/ops", with_tag("deploy")}});
    EXPECT_EQ(text(submit("ci")), "ci=append");
    EXPECT_EQ(text(submit("ci", R"(,"tags":["deploy"])")), "ci=append ci/ops=append");
    EXPECT_EQ(relay_->counters().filtered, 1U);
    EXPECT_EQ(relay_->tokens().at(*relay_->tokens().find("ci/ops")).filtered, 1U);
}

TEST_F(RelayRoutesTest, AnEventIsFilteredWhenNoFilterLetsItPass) {
    configure({{"ci", with_tag("a")}, {"ci/ops", with_tag("b")}});
    EXPECT_EQ(text(submit("ci")), "filtered");
    EXPECT_EQ(std::get<Admission::Filtered>(submit("ci", R"(,"uuid":"mine")")).id, "mine");
    EXPECT_EQ(text(submit("ci", R"(,"tags":["b"])")), "ci/ops=append");
}

TEST_F(RelayRoutesTest, DuplicatesAreRecognisedForEachCopy) {
    configure({{"ci"}, {"ci/ops"}});
    const std::string_view mine = R"(,"uuid":"mine")";
    commit_all(submit("ci", mine));
    EXPECT_EQ(text(submit("ci", mine)), "ci=duplicate ci/ops=duplicate");
    EXPECT_EQ(text(submit("ci/ops", mine)), "ci/ops=duplicate");
    configure({{"ci"}, {"ci/dev"}, {"ci/ops"}});
    EXPECT_EQ(text(submit("ci", mine)), "ci/dev=append ci=duplicate ci/ops=duplicate")
        << "a route that was added meanwhile has not got it yet";
}

// A crash can keep the first copies of an event and lose the others.
TEST_F(RelayRoutesTest, ARepeatAppendsTheCopyThatACrashHasLost) {
    configure({{"ci"}, {"ci/ops"}});
    relay_->admission().remember(*relay_->tokens().find("ci"), "mine", now_.wall);
    EXPECT_EQ(text(submit("ci", R"(,"uuid":"mine")")), "ci/ops=append ci=duplicate");
}

TEST_F(RelayRoutesTest, ACopyThatFailedIsAppendedByARepeat) {
    configure({{"ci"}, {"ci/ops"}});
    const std::string_view mine = R"(,"uuid":"mine")";
    auto first = submit("ci", mine);
    auto again = submit("ci", mine);
    const auto copies = appends_of(std::move(first));
    commit(copies[0]);
    EXPECT_EQ(relay_->admission().commit_failed(copies[1].record, true).code,
              RejectCode::queue_full);
    const auto& known = std::get<Admission::Copies>(again).duplicates;
    EXPECT_TRUE(relay_->admission().confirm(known[0], now_));
    EXPECT_FALSE(relay_->admission().confirm(known[1], now_));
    EXPECT_EQ(text(submit("ci", mine)), "ci/ops=append ci=duplicate");
}

TEST_F(RelayRoutesTest, ARepeatOfWhatOneFilterHasKeptBackIsADuplicate) {
    configure({{"ci"}, {"ci/ops", with_tag("deploy")}});
    const std::string_view mine = R"(,"uuid":"mine")";
    commit_all(submit("ci", mine));
    EXPECT_EQ(text(submit("ci", mine)), "ci=duplicate");
}

// Nothing is appended, remembered or counted for any copy.
TEST_F(RelayRoutesTest, AnEventIsRefusedAsAWhole) {
    options_.max_events_per_token = 1;
    options_.max_event_size = 120;
    restart({});
    const std::string_view mine = R"(,"uuid":"mine")";
    configure({{"ci"}, {"ci/ops", with_defaults({{"body", '"' + std::string(90, 'x') + '"'}})}});
    EXPECT_EQ(text(submit("ci", mine)), "too_large");
    configure({{"ci"}, {"ci/ops"}});
    commit_all(submit("ci/ops"));
    const Rejection full = rejection(submit("ci", mine));
    EXPECT_EQ(full.code, RejectCode::token_queue_full);
    EXPECT_NE(full.message.find("source \"ci/ops\""), std::string::npos) << full.message;
    EXPECT_FALSE(relay_->admission().has_uncommitted(*relay_->tokens().find("ci")));
    EXPECT_EQ(relay_->counters().accepted, 1U);
    EXPECT_EQ(relay_->counters().rejected, 2U);
    answer(202);
    EXPECT_EQ(text(submit("ci", mine)), "ci=append ci/ops=append") << "it is no duplicate";
}

TEST_F(RelayRoutesTest, WhatOneRouteFindsWrongIsNamedWithTheRoute) {
    configure({{"ci"}, {"ci/ops", with_defaults({{"thread", R"({"title":""})"}})}});
    const Rejection wrong = rejection(submit("ci"));
    EXPECT_EQ(wrong.code, RejectCode::invalid_event);
    EXPECT_NE(wrong.message.find("ci/ops"), std::string::npos) << wrong.message;
    EXPECT_EQ(relay_->counters().rejected, 1U);
    EXPECT_FALSE(relay_->admission().has_uncommitted(*relay_->tokens().find("ci")));
}

// A quota holds up what would be appended, not what is known or filtered.
TEST_F(RelayRoutesTest, TheQuotaOfARouteCountsForItsNewCopies) {
    options_.max_events_per_token = 1;
    restart({});
    configure({{"ci"}, {"ci/ops", with_tag("deploy")}});
    commit_all(submit("ci", R"(,"tags":["deploy"],"uuid":"mine")"));
    EXPECT_EQ(text(submit("ci", R"(,"tags":["deploy"],"uuid":"mine")")),
              "ci=duplicate ci/ops=duplicate");
    EXPECT_EQ(text(submit("ci/ops")), "filtered");
    EXPECT_EQ(text(submit("ci")), "token_queue_full");
}

TEST_F(RelayRoutesTest, TheSourceAndEachRouteHaveToAdmitTheUser) {
    configure({{"ci"}, {"ci/ops", for_users({7})}});
    EXPECT_EQ(text(submit("ci", "", user(7))), "ci=append ci/ops=append");
    const Rejection refused = rejection(submit("ci", "", user(8)));
    EXPECT_EQ(refused.code, RejectCode::not_allowed);
    EXPECT_NE(refused.message.find("ci/ops"), std::string::npos) << refused.message;
    configure({{"ci", for_users({7})}, {"ci/ops"}});
    EXPECT_EQ(text(submit("ci", "", user(8))), "not_allowed");
    EXPECT_EQ(text(submit("ci/ops", "", user(8))), "not_allowed") << "no way round";
    EXPECT_EQ(text(submit("ci/ops", "", user(7))), "ci/ops=append");
}

TEST_F(RelayRoutesTest, ASourceThatIsGoneStillSaysWhoMayUseItsRoutes) {
    configure({{"ci", for_users({7})}, {"ci/ops"}});
    make_gone("ci");
    EXPECT_EQ(text(submit("ci", "", user(8))), "not_allowed");
    EXPECT_EQ(text(submit("ci/ops", "", user(8))), "not_allowed");
    EXPECT_EQ(text(submit("ci", "", user(7))), "ci/ops=append");
}

TEST_F(RelayRoutesTest, ARouteTakesTheDefaultsOfItsSourceWhereItHasNone) {
    configure({{"ci", with_defaults({{"body", "\"of ci\""}, {"tags", "[\"ci\"]"}})},
               {"ci/ops", with_defaults({{"tags", "[\"ops\"]"}})}});
    ASSERT_TRUE(relay_->lifecycle().add_source("ci/zoo", Secret("zoo"), now_).has_value());
    const auto copies = appends_of(submit("ci"));
    ASSERT_EQ(copies.size(), 3U);
    const auto has = [&](std::size_t copy, std::string_view what) {
        return copies[copy].record.body.find(what) != std::string::npos;
    };
    EXPECT_TRUE(has(0, "[\"ci\"]"));
    EXPECT_TRUE(has(1, "[\"ops\"]") && has(1, "of ci")) << copies[1].record.body;
    EXPECT_TRUE(has(2, "[\"ci\"]") && has(2, "of ci")) << "an added one as well";
    const auto alone = appends_of(submit("ci/ops"));
    EXPECT_EQ(alone.at(0).record.body, copies[1].record.body);
}

// Each source of a configuration has `event: activity` without being told.
TEST_F(RelayRoutesTest, TheUsualEventIsNotARoutesOwn) {
    SourceRules own = with_defaults({{"event", "\"activity\""}});
    const SourceRules usual = own;
    own.has_own_event = true;
    configure(
        {{"ci", with_defaults({{"event", "\"discussion\""}})}, {"ci/a", usual}, {"ci/b", own}});
    const auto copies = appends_of(submit("ci"));
    ASSERT_EQ(copies.size(), 3U);
    EXPECT_NE(copies[1].record.body.find("discussion"), std::string::npos);
    EXPECT_NE(copies[2].record.body.find("activity"), std::string::npos);
}

TEST_F(RelayRoutesTest, ACommitThatFailsForSeveralCopiesIsOneRefusal) {
    configure({{"ci"}, {"ci/ops"}});
    const auto copies = appends_of(submit("ci"));
    relay_->admission().commit_failed(copies[0].record, false);
    relay_->admission().copy_failed(copies[1].record);
    EXPECT_EQ(relay_->counters().rejected, 1U);
    EXPECT_FALSE(relay_->admission().has_uncommitted(copies[1].record.token));
}

TEST(SourceNames, ARouteIsTwoNamesWithASlash) {
    for (const char* name : {"ci", "ci/ops", "a.b_c-d/E.9"}) {
        EXPECT_TRUE(is_source_name(name)) << name;
    }
    for (const char* name : {"", "/", "ci/", "/ops", "ci/ops/x", "ci//ops", "c i/ops", "ci/o?s"}) {
        EXPECT_FALSE(is_source_name(name)) << name;
    }
    const std::string longest(64, 'x');
    EXPECT_TRUE(is_source_name(longest + "/" + longest));
    EXPECT_FALSE(is_source_name(longest + "x/ops"));
    EXPECT_FALSE(is_source_name("ci/x" + longest));
    EXPECT_TRUE(is_slot_name("token-7/ops"));
    EXPECT_TRUE(is_slot_name("ci/token-7"));
    EXPECT_FALSE(is_slot_name("ci/token-x"));
    EXPECT_EQ(source_of_route("ci/ops"), "ci");
    EXPECT_EQ(source_of_route("ci"), "");
}

}  // namespace
}  // namespace flowrelay::core
