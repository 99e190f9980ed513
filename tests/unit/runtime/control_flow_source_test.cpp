// The flow of a source and source checks, over the control socket.
#include <string>

#include "control_fixture.hpp"

namespace flowrelay::runtime {
namespace {

class ControlFlowSource : public ControlFixture {
protected:
    http::Response post(std::string_view target, const std::string& body) {
        return ask(request("POST", target, body), root()).value();
    }

    http::Response add(const std::string& name, const std::string& flow_source) {
        return post("/v1/sources",
                    fmt::format(R"({{"name":"{}","flow_token":"t0ken-of-{}","flow_source":{}}})",
                                name, name, flow_source));
    }

    std::string shown(std::string_view name) {
        return ask(request("GET", fmt::format("/v1/sources/{}", name)), looker()).value().body;
    }
};

TEST_F(ControlFlowSource, IsKeptWithASourceAndShown) {
    const std::string lives =
        R"({"id":"36","flow":"example/main","flow_name":"Main","application":"app",)"
        R"("configuration_uri":"https://x/configure"})";
    EXPECT_EQ(add("new", lives).status, 201);
    EXPECT_NE(shown("new").find(R"("flow_source":)" + lives), std::string::npos) << shown("new");
    EXPECT_EQ(shown("extra").find("flow_source"), std::string::npos);
    // Unknown values are left out, and members of a later version are ignored.
    EXPECT_EQ(add("short", R"({"id":"37","later":{"a":1},"flow":""})").status, 201);
    EXPECT_NE(shown("short").find(R"("flow_source":{"id":"37"})"), std::string::npos);
    const auto rotated =
        post("/v1/sources/new/rotate", R"({"flow_token":"another","flow_source":{"id":"38"}})");
    EXPECT_EQ(rotated.status, 200);
    EXPECT_NE(rotated.body.find(R"("flow_source":{"id":"38"})"), std::string::npos);
    EXPECT_EQ(
        post("/v1/sources/new/rotate", R"({"flow_token":"a-third"})").body.find("flow_source"),
        std::string::npos);
}

TEST_F(ControlFlowSource, ThatMakesNoSenseChangesNothing) {
    const std::string before = state();
    for (const std::string& flow_source :
         {std::string("null"), std::string("\"36\""), std::string("{}"),
          std::string(R"({"flow":"example/main"})"), std::string(R"({"id":36})"),
          std::string(R"({"id":""})"), fmt::format(R"({{"id":"{}"}})", std::string(1025, 'x'))}) {
        const auto refused = add("new", flow_source);
        EXPECT_EQ(refused.status, 400) << flow_source;
        EXPECT_NE(refused.body.find("\"invalid\""), std::string::npos) << refused.body;
        EXPECT_EQ(post("/v1/sources/extra/rotate",
                       R"({"flow_token":"another","flow_source":)" + flow_source + "}")
                      .status,
                  400);
    }
    EXPECT_EQ(state(), before);
    EXPECT_EQ(shown("nobody").find("not_found") == std::string::npos, false);
}

// There is no delivery in this test.
TEST_F(ControlFlowSource, WhatCanNotBeAskedForIsAnswered) {
    const auto answer = post("/v1/sources/ci/check", "");
    EXPECT_EQ(answer.status, 200);
    EXPECT_NE(answer.body.find(R"("result":"unanswered")"), std::string::npos) << answer.body;
    EXPECT_EQ(post("/v1/sources/nobody/check", "").status, 404);
    EXPECT_EQ(ask(request("POST", "/v1/sources/ci/check"), looker()).value().status, 403);
}

// Checks that are pending when the daemon stops are answered, and so are later ones.
TEST_F(ControlFlowSource, AStopAnswersWhoAsked) {
    int asked = 0;
    engine_.set_check_listener([&] { ++asked; });
    std::vector<Engine::CheckAnswer> answers;
    const auto take = [&](const Engine::CheckAnswer& answer) { answers.push_back(answer); };
    const TokenId ci = *relay_.tokens().find("ci");
    engine_.check_source(ci, take);
    engine_.check_source(ci, take);
    EXPECT_EQ(asked, 2);
    const auto first = engine_.next_check();
    ASSERT_TRUE(first);
    EXPECT_FALSE(engine_.next_check()) << "one at a time";
    engine_.stop_checks();
    EXPECT_EQ(answers.size(), 1U);
    engine_.release_check(first->check);
    engine_.check_source(ci, take);
    ASSERT_EQ(answers.size(), 3U);
    for (const auto& answer : answers) EXPECT_EQ(answer.life, core::SourceLife::unanswered);
}

// The check waits for another one, and its source is gone by then.
TEST_F(ControlFlowSource, WhatIsGoneWhenItsTurnComesIsRefused) {
    engine_.set_check_listener([] {});
    std::vector<Engine::CheckAnswer> answers;
    const TokenId ci = *relay_.tokens().find("ci");
    engine_.check_source(ci, [&](const auto& answer) { answers.push_back(answer); });
    engine_.check_source(ci, [&](const auto& answer) { answers.push_back(answer); });
    const auto first = engine_.next_check();
    ASSERT_TRUE(first);
    core::AttemptResult gone;
    gone.status = 410;
    engine_.end_check(first->check, gone, false);
    ASSERT_EQ(answers.size(), 1U);
    EXPECT_EQ(answers[0].life, core::SourceLife::gone);
    EXPECT_EQ(answers[0].status, 410);
    EXPECT_FALSE(engine_.next_check());
    ASSERT_EQ(answers.size(), 2U);
    ASSERT_TRUE(answers[1].refusal);
    EXPECT_NE(answers[1].refusal->message.find("gone already"), std::string::npos);
}

}  // namespace
}  // namespace flowrelay::runtime
