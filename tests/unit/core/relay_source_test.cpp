// What the relay does when sources are renamed, removed, and named in events that are refused.
#include <gtest/gtest.h>

#include <vector>

#include "relay_fixture.hpp"

namespace flowrelay::core {
namespace {

TEST_F(RelayTest, ARefusedEventMakesNoSlotAndTakesNone) {
    const auto refuse = [this] {
        auto parsed = Submission::parse(R"({"flow_token":")" + std::string(token) + "\"}");
        ASSERT_TRUE(parsed.has_value());
        const auto decision = relay_->admission().submit(std::move(*parsed), now_);
        ASSERT_TRUE(std::holds_alternative<Rejection>(decision));
    };
    refuse();
    EXPECT_TRUE(relay_->tokens().all().empty());
    relay_->configure({{"ci", Secret(std::string(token)), {}}}, now_);
    accept("one");
    relay_->configure({}, now_);
    refuse();
    EXPECT_TRUE(relay_->tokens().at(TokenId{1}).missing());
    EXPECT_FALSE(relay_->delivery().next(now_));
    relay_->configure({{"ci", Secret("another"), {}}}, now_);
    EXPECT_EQ(relay_->delivery().next(now_)->lane.token, TokenId{1});
    EXPECT_EQ(relay_->tokens().at(TokenId{1}).entry.secret.reveal(), "another");
}

TEST_F(RelayTest, OnlyATokenThatBelongsToNoSourceIsAnnounced) {
    relay_->configure({{"ci", Secret(std::string(token)), {}}}, now_);
    accept("one");
    EXPECT_TRUE(log_.named("token.added").empty());
    restart({});
    accept("one");
    accept("one");
    EXPECT_EQ(log_.named("token.added").size(), 1U);
}

TEST_F(RelayTest, ASourceThatWasRemovedIsErasedAndItsTokenComesAgain) {
    const std::vector<ConfiguredSource> ci{{"ci", Secret(std::string(token)), {}}};
    relay_->configure(ci, now_);
    accept("one");
    const auto removed = relay_->lifecycle().remove_source(TokenId{1}, now_);
    ASSERT_TRUE(removed.has_value());
    relay_->lifecycle().tokens_saved(*removed);
    relay_->configure(ci, now_);
    EXPECT_EQ(accept("two"), Seq{2});
    EXPECT_EQ(records_.at(Seq{2}).token, TokenId{2});
    EXPECT_EQ(relay_->lifecycle().take_due_erasures(now_), std::vector{TokenId{1}});
    restart({removed->front()});
    relay_->configure(ci, now_);
    relay_->lifecycle().restore(TokenId{1}, 1, Seq{1});
    EXPECT_EQ(relay_->lifecycle().take_due_erasures(now_), std::vector{TokenId{1}})
        << "it begins again";
    const TokenId erased{1};
    EXPECT_EQ(relay_->lifecycle().erasing({&erased, 1}, now_).front().state,
              TokenEntry::State::forgotten);
    relay_->lifecycle().erased(erased, 1, 0);
    relay_->configure(ci, now_);
    EXPECT_TRUE(relay_->lifecycle().take_due_erasures(now_).empty());
    EXPECT_FALSE(relay_->tokens().at(TokenId{2}).gone());
}

TEST_F(RelayTest, ASourceThatIsRenamedIsLogged) {
    relay_->configure({{"ci", Secret(std::string(token)), {}}}, now_);
    accept("one");
    relay_->configure({{"build", Secret(std::string(token)), {}}}, now_);
    const auto lines = log_.named("token.renamed");
    ASSERT_EQ(lines.size(), 1U);
    const auto& fields = lines.front().fields;
    EXPECT_EQ(fields.at("before"), "ci");
    EXPECT_EQ(fields.at("source"), "build");
    EXPECT_EQ(fields.at("queued"), "1");
}

}  // namespace
}  // namespace flowrelay::core
