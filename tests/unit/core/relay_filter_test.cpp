// What the relay does with events that the filter of their source does not let pass.
#include "relay_fixture.hpp"

namespace flowrelay::core {
namespace {

class RelayFilterTest : public RelayTest {
protected:
    static KnownFilter with_tag(std::string_view tag) {
        EventFilter filter;
        EXPECT_EQ(add_entry(filter, FilterList::tags, tag), std::nullopt);
        return known_filter(std::move(filter));
    }

    void configure(KnownFilter filter, EventDefaults defaults = {}) {
        SourceRules rules;
        rules.filter = std::move(filter);
        rules.defaults = std::move(defaults);
        relay_->configure({{"ci", Secret(std::string(token)), rules}}, now_);
        ci_ = *relay_->tokens().find("ci");
    }

    /// The id with which it was filtered; empty when it was not.
    std::string filtered(std::string_view more) {
        auto decision = relay_->admission().submit(event("t1", more), now_);
        const auto* out = std::get_if<Admission::Filtered>(&decision);
        if (auto* append = std::get_if<Admission::Append>(&decision)) {
            relay_->admission().committed(append->record, Seq{++last_seq_});
        }
        return out == nullptr ? "" : out->id;
    }

    TokenId ci_ = TokenId::none;
};

TEST_F(RelayFilterTest, WhatDoesNotPassIsCountedAndNotQueued) {
    configure(with_tag("deploy"));
    EXPECT_EQ(filtered(R"(,"tags":["deploy"])"), "");
    EXPECT_EQ(filtered(R"(,"uuid":"mine")"), "mine");
    EXPECT_FALSE(filtered("").empty()) << "it has an id, as any that is accepted";
    EXPECT_EQ(relay_->counters().accepted, 1U);
    EXPECT_EQ(relay_->counters().filtered, 2U);
    EXPECT_EQ(relay_->counters().rejected, 0U);
    EXPECT_EQ(relay_->destination().queued(), 1U);
    EXPECT_EQ(relay_->tokens().at(ci_).filtered, 2U);
}

TEST_F(RelayFilterTest, TheDefaultsOfTheSourceCountForItsFilter) {
    configure(with_tag("deploy"), {{"tags", R"(["Deploy"])"}});
    EXPECT_EQ(filtered(""), "");
    EXPECT_EQ(filtered(R"(,"tags":null)"), "");
    EXPECT_NE(filtered(R"(,"tags":["x"])"), "");
}

// Its id is not one that was accepted for delivery: it may be handed in again.
TEST_F(RelayFilterTest, WhatWasFilteredIsNoDuplicateLater) {
    configure(with_tag("deploy"));
    EXPECT_EQ(filtered(R"(,"uuid":"mine")"), "mine");
    EXPECT_EQ(filtered(R"(,"uuid":"mine")"), "mine");
    configure({});
    EXPECT_EQ(filtered(R"(,"uuid":"mine")"), "");
    EXPECT_EQ(relay_->destination().queued(), 1U);
    EXPECT_EQ(relay_->counters().duplicates, 0U);
}

TEST_F(RelayFilterTest, WhatWasAcceptedIsADuplicateWhateverTheFilterSaysNow) {
    configure({});
    EXPECT_EQ(filtered(R"(,"uuid":"mine")"), "");
    configure(with_tag("deploy"));
    EXPECT_TRUE(std::holds_alternative<Admission::Duplicate>(
        relay_->admission().submit(event("t1", R"(,"uuid":"mine")"), now_)));
    EXPECT_EQ(relay_->counters().filtered, 0U);
}

TEST_F(RelayFilterTest, WhatIsWrongIsRefusedAndNotFiltered) {
    configure(with_tag("deploy"));
    EXPECT_TRUE(std::holds_alternative<Rejection>(relay_->admission().submit(event("  "), now_)));
    relay_->admission().stop_accepting();
    EXPECT_TRUE(std::holds_alternative<Rejection>(relay_->admission().submit(event("t1"), now_)));
    EXPECT_EQ(relay_->counters().filtered, 0U);
}

// It needs no room.
TEST_F(RelayFilterTest, WhatDoesNotPassIsNotRefusedAtTheQuota) {
    options_.max_events_per_token = 1;
    restart({});
    configure(with_tag("deploy"));
    EXPECT_EQ(filtered(R"(,"tags":["deploy"])"), "");
    EXPECT_NE(filtered(""), "");
    EXPECT_TRUE(std::holds_alternative<Rejection>(
        relay_->admission().submit(event("t1", R"(,"tags":["deploy"])"), now_)));
}

TEST_F(RelayFilterTest, AChangeCountsForWhatComesAfterIt) {
    const auto added = relay_->lifecycle().add_source("web", Secret(std::string(token)), now_);
    ASSERT_TRUE(added.has_value());
    const TokenId web = added->front().id;
    EXPECT_EQ(filtered(""), "");
    ASSERT_TRUE(relay_->lifecycle().set_source_filter(web, with_tag("deploy")).has_value());
    EXPECT_NE(filtered(""), "");
    EXPECT_EQ(relay_->destination().queued(), 1U) << "what is queued stays";
    EXPECT_TRUE(relay_->delivery().next(now_)) << "and is delivered";
    ASSERT_TRUE(relay_->lifecycle().set_source_filter(web, {}).has_value());
    EXPECT_EQ(filtered(""), "");
}

TEST_F(RelayFilterTest, IsRememberedForThoseWhoAsk) {
    configure(with_tag("deploy"));
    EXPECT_EQ(filtered(R"(,"uuid":"mine")"), "mine");
    configure(with_tag("release"));
    const auto found = relay_->reporting().history().find_filtered("mine");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->token, ci_);
    EXPECT_EQ(found->at, now_.wall);
    EXPECT_EQ(found->list, FilterList::tags);
    EXPECT_EQ(found->filter, with_tag("deploy")) << "as it was then";
    EXPECT_EQ(explain(*found, "ci"),
              "was filtered at 1970-01-12T13:46:40.000Z, and neither stored nor delivered: the "
              "filter of ci lets pass only events with one of the tags deploy");
    EXPECT_FALSE(relay_->reporting().history().find_filtered("other"));
}

TEST_F(RelayFilterTest, IsForgottenWithItsToken) {
    const auto added = relay_->lifecycle().add_source("web", Secret(std::string(token)), now_);
    const TokenId web = added->front().id;
    ASSERT_TRUE(relay_->lifecycle().set_source_filter(web, with_tag("deploy")).has_value());
    EXPECT_EQ(filtered(R"(,"uuid":"mine")"), "mine");
    ASSERT_TRUE(relay_->lifecycle().remove_source(web, now_).has_value());
    relay_->lifecycle().tokens_saved(std::vector{relay_->tokens().registry_entry(web)});
    const auto due = relay_->lifecycle().take_due_erasures(now_);
    ASSERT_EQ(due.size(), 1U);
    const auto entries = relay_->lifecycle().erasing(due, now_);
    ASSERT_EQ(entries.size(), 1U);
    EXPECT_FALSE(entries[0].filter);
    EXPECT_FALSE(relay_->reporting().history().find_filtered("mine"));
}

}  // namespace
}  // namespace flowrelay::core
