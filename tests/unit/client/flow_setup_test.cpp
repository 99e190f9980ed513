#include "flowrelay/client/flow_setup.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace flowrelay::client {
namespace {

using ::testing::HasSubstr;

constexpr const char* base = "https://api.example.com/gateway/";

std::string sources(const std::string& answer) {
    const auto place = sources_of_answer(answer, base);
    return place ? *place : "error: " + place.error().message;
}

TEST(FlowSetup, AcceptsAPathOfTwoPartsOrAnId) {
    EXPECT_TRUE(is_flow_path("example/main"));
    for (const char* id : {"", "main", "/main", "example/", "a/b/c", "deadbeef:123"}) {
        EXPECT_FALSE(is_flow_path(id)) << id;
    }
    EXPECT_EQ(sources_of_path("my org/a?b"), "/flows/my%20org/a%3Fb/sources");
}

TEST(FlowSetup, FindsTheSourcesInTheLinksOrBelowTheFlow) {
    EXPECT_EQ(sources(R"({"links":{"sources":{"url":"https://api.example.com/gateway/flows/a/b/s"}},
                          "url":"https://api.example.com/gateway/flows/a/b"})"),
              "/flows/a/b/s");
    EXPECT_EQ(sources(R"({"links":{"sources":"/flows/a/b/sources"}})"), "/flows/a/b/sources");
    EXPECT_EQ(sources(R"({"url":"https://api.example.com/gateway/flows/a/b","links":[]})"),
              "/flows/a/b/sources");
}

TEST(FlowSetup, NeverSendsAnAccessTokenToAnotherServer) {
    for (const char* url :
         {"https://evil.example.com/flows/a/b", "http://api.example.com/gateway/flows/a/b",
          "https://api.example.com.evil.com/gateway/flows/a/b",
          "https://api.example.com/gatewayX/flows", "flows/a/b", "/flows/a b",
          "/flows/\\u000d\\u000a"}) {
        EXPECT_THAT(sources(R"({"url":")" + std::string(url) + R"("})"),
                    HasSubstr("is not below https://api.example.com/gateway: the access token is "
                              "not sent there"))
            << url;
    }
    for (const char* answer : {"", "[]", "{}", R"({"links":{}})", R"({"url":17})"}) {
        EXPECT_THAT(sources(answer), HasSubstr("error: the API did not ")) << answer;
    }
}

TEST(FlowSetup, ReadsTheIdAndTheTokenOfANewSource) {
    const auto source = read_new_source(R"({"id":36,"name":"x","flow_token":"t0ken"})");
    ASSERT_TRUE(source);
    EXPECT_EQ(source->id, "36");
    EXPECT_EQ(source->flow_token.reveal(), "t0ken");
    EXPECT_EQ(read_new_source(R"({"id":"a-b","flow_token":"t"})")->id, "a-b");
    for (const char* answer : {"", "[]", "17", "{"})
        EXPECT_FALSE(read_new_source(answer)) << answer;
    // The source exists in the flow, so what is known of it is needed to remove it.
    for (const char* answer :
         {R"({"id":1})", R"({"id":1,"flow_token":""})", R"({"id":1,"flow_token":17})"}) {
        const auto unusable = read_new_source(answer);
        ASSERT_TRUE(unusable) << answer;
        EXPECT_EQ(unusable->id, "1");
        EXPECT_TRUE(unusable->flow_token.empty());
    }
    EXPECT_EQ(read_new_source(R"({"flow_token":"t"})")->id, "");
    const auto named = read_new_source(
        R"({"id":1,"application":{"name":"A\u001b","configuration_uri":"https://x"}})");
    EXPECT_EQ(named->application, "A\xEF\xBF\xBD");
    EXPECT_EQ(named->configuration_uri, "https://x");
}

Flow flow(const std::string& answer) {
    const auto read = read_flow(answer, base);
    EXPECT_TRUE(read) << answer;
    return read ? *read : Flow();
}

TEST(FlowSetup, ShowsTheKnownPartsOfAFlow) {
    const Flow full = flow(
        R"({"id":"o:f","name":"Main","parameterized_name":"main","web_url":"https://w",
            "organization":{"name":"Org Inc","parameterized_name":"org"},
            "url":"https://api.example.com/gateway/flows/org/main"})");
    EXPECT_EQ(full.title(), "Main (org/main)");
    EXPECT_EQ(full.organization, "Org Inc");
    EXPECT_EQ(full.sources, "/flows/org/main/sources");
    EXPECT_EQ(refusal_of(full), "");
    const Flow old = flow(R"({"id":7,"url":"/flows/org/main"})");
    EXPECT_EQ(old.title(), "org/main");
    EXPECT_EQ(flow(R"({"id":7,"url":"/x"})").title(), "7");
    const Flow elsewhere = flow(R"({"id":7,"url":"https://evil.example.com/flows/a/b"})");
    EXPECT_EQ(elsewhere.sources, "");
    EXPECT_THAT(elsewhere.sources_problem, HasSubstr("the access token is not sent there"));
    EXPECT_FALSE(read_flow("[]", base));
    EXPECT_EQ(read_flows(R"([{"url":"/flows/a/b"},17,{"url":"/flows/c/d"}])", base)->size(), 2U);
    EXPECT_FALSE(read_flows("{}", base));
}

TEST(FlowSetup, ExplainsWhyAFlowAcceptsNoSource) {
    const std::pair<const char*, const char*> cases[] = {
        {R"("joined":false,"web_url":"https://w")", "join it at https://w and try again"},
        {R"("disabled":true)", "is disabled"},
        {R"("links":{"sources":{"url":"/s","methods":["GET","HEAD"]}})", "may not add sources"},
        {R"("links":{"sources":{"url":"/s","methods":"GET"}})", "may not add sources"},
        {R"("links":{"sources":{"url":"/s","allow":[]}})", "may not add sources"},
        {R"("links":[{"rel":"sources","href":"/s","methods":["GET"]}])", "may not add sources"}};
    for (const auto& [members, words] : cases) {
        const Flow read = flow(R"({"url":"/flows/a/b",)" + std::string(members) + "}");
        EXPECT_THAT(refusal_of(read), HasSubstr(words)) << members;
    }
    for (const char* members :
         {R"("joined":true)", R"("disabled":false)", R"("joined":null)", R"("links":{})",
          R"("links":{"sources":"/s"})", R"("links":{"sources":{"url":"/s"}})",
          R"("links":{"sources":{"url":"/s","methods":["get","post"]}})",
          R"("links":[{"rel":"sources","href":"/s","methods":"GET, POST"}])"}) {
        const Flow read = flow(R"({"url":"/flows/a/b",)" + std::string(members) + "}");
        EXPECT_EQ(refusal_of(read), "") << members;
    }
}

TEST(FlowSetup, ShowsAUserByNameNickOrAddress) {
    EXPECT_EQ(read_person(R"({"name":"A B","nick":"ab","email":"a@b"})").title(), "A B <a@b>");
    EXPECT_EQ(read_person(R"({"nick":"ab"})").title(), "ab");
    EXPECT_EQ(read_person(R"({"email":"a@b"})").title(), "a@b");
    for (const char* answer : {"", "[]", "{}", R"({"name":17})"}) {
        EXPECT_EQ(read_person(answer).title(), "") << answer;
    }
}

TEST(FlowSetup, RecognisesASourceWhoseAnswerWasLost) {
    const auto before = read_sources(R"([{"id":1,"name":"ci"},{"id":2,"name":"web"}])");
    const auto now = read_sources(
        R"([{"id":3,"name":"ci"},{"id":1,"name":"ci"},{"id":"4","name":"web"},{"name":"ci"},7])");
    ASSERT_TRUE(before && now);
    const auto made = new_sources(*before, *now, "ci");
    ASSERT_EQ(made.size(), 1U);
    EXPECT_EQ(made[0].id, "3");
    EXPECT_TRUE(new_sources(*now, *now, "ci").empty());
    EXPECT_FALSE(read_sources("{}"));
}

}  // namespace
}  // namespace flowrelay::client
