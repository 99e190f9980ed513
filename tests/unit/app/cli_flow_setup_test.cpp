#include "cli/flow_setup.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace flowrelay::cli {
namespace {

using ::testing::HasSubstr;

constexpr const char* base = "https://api.example.com/gateway/";

std::string sources(const std::string& answer) {
    const auto place = sources_of_answer(answer, base);
    return place ? *place : "error: " + place.error().message;
}

TEST(FlowSetup, a_flow_is_a_path_of_two_parts_or_an_id) {
    EXPECT_TRUE(is_flow_path("example/main"));
    for (const char* id : {"", "main", "/main", "example/", "a/b/c", "deadbeef:123"}) {
        EXPECT_FALSE(is_flow_path(id)) << id;
    }
    EXPECT_EQ(sources_of_path("my org/a?b"), "/flows/my%20org/a%3Fb/sources");
}

TEST(FlowSetup, the_sources_are_where_the_links_say_or_below_the_flow) {
    EXPECT_EQ(sources(R"({"links":{"sources":{"url":"https://api.example.com/gateway/flows/a/b/s"}},
                          "url":"https://api.example.com/gateway/flows/a/b"})"),
              "/flows/a/b/s");
    EXPECT_EQ(sources(R"({"links":{"sources":"/flows/a/b/sources"}})"), "/flows/a/b/sources");
    EXPECT_EQ(sources(R"({"url":"https://api.example.com/gateway/flows/a/b","links":[]})"),
              "/flows/a/b/sources");
}

TEST(FlowSetup, an_access_token_is_not_taken_to_another_server) {
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

TEST(FlowSetup, a_new_source_has_an_id_and_a_token) {
    const auto source = read_new_source(R"({"id":36,"name":"x","flow_token":"t0ken"})");
    ASSERT_TRUE(source);
    EXPECT_EQ(source->id, "36");
    EXPECT_EQ(source->flow_token.reveal(), "t0ken");
    EXPECT_EQ(read_new_source(R"({"id":"a-b","flow_token":"t"})")->id, "a-b");
    for (const char* answer : {"", "[]", "{}", R"({"id":1})", R"({"id":1,"flow_token":""})"}) {
        EXPECT_FALSE(read_new_source(answer)) << answer;
    }
}

}  // namespace
}  // namespace flowrelay::cli
