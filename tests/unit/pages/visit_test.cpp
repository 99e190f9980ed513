#include "pages/visit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace flowrelay::pages {
namespace {

using ::testing::ElementsAre;

constexpr const char* base = "https://api.example.com/";

std::string setup(const std::string& query) {
    const auto visit = read_setup(query, base);
    return visit ? visit->flow : "error";
}

std::string configure(const std::string& query) {
    const auto visit = read_configure(query, base);
    return visit ? visit->flow + " " + visit->source_id : "error";
}

TEST(SetupLink, NamesAFlowByIdOrUrl) {
    EXPECT_EQ(setup("flow=example%3Amain&flow_url=https://api.example.com/flows/a/b"),
              "example:main");
    EXPECT_EQ(setup("flow_url=https%3A%2F%2Fapi.example.com%2Fflows%2Fexample%2Fmain"),
              "example/main");
    EXPECT_EQ(setup(""), "");
    EXPECT_EQ(setup("flow=a%0D%0Ab"), "error");
    EXPECT_EQ(setup("flow=" + std::string(600, 'x')), "error");
}

TEST(SetupLink, RefusesAUrlOfAnotherServer) {
    for (const char* url :
         {"https://evil.example/flows/a/b", "https://api.example.com.evil/flows/a/b",
          "https://api.example.com/other/a/b", "https://api.example.com/flows/a",
          "https://api.example.com/flows/a/b/c"}) {
        EXPECT_EQ(setup(std::string("flow_url=") + url), "") << url;
    }
}

TEST(ConfigureLink, HasTwoSpellings) {
    EXPECT_EQ(configure("integration_id=36&flow=example:main"), "example:main 36");
    EXPECT_EQ(configure("source=36&flow=example:main"), "example:main 36");
    const std::string source_url = "source_url=https://api.example.com/flows/example/main/sources/";
    EXPECT_EQ(configure("source=36&" + source_url + "36"), "example/main 36");
    EXPECT_EQ(configure(source_url + "36?x"), "example/main 36");
    EXPECT_EQ(configure("source=36&flow_url=https://api.example.com/flows/example/main"),
              "example/main 36");
}

TEST(ConfigureLink, SaysBothFlowAndSource) {
    for (const char* query : {"", "source=36", "flow=a", "source=3/6&flow=a", "source=3%206&flow=a",
                              "source=36&flow=a%00b"}) {
        EXPECT_EQ(configure(query), "error") << query;
    }
}

TEST(PathBelow, IsWhatFollowsThePublicUrl) {
    EXPECT_EQ(path_below("/setup", "https://a.example"), "/setup");
    EXPECT_EQ(path_below("/flowdock/setup", "https://a.example/flowdock"), "/setup");
    for (const char* path : {"/setup", "/flowdockx/setup", "/flowdock", "/"}) {
        EXPECT_EQ(path_below(path, "https://a.example/flowdock"), "") << path;
    }
}

TEST(OpenTo, ComparesUsersByEmailOrIdAndOrganizationsByPath) {
    const OpenTo open{{"example"}, {"Dev@Example.com", "7"}};
    EXPECT_TRUE(open.is_user({"1", "", "dev@example.com"}));
    EXPECT_TRUE(open.is_user({"7", "", ""}));
    EXPECT_FALSE(open.is_user({"8", "7", "dev@example.org"}));
    EXPECT_FALSE(OpenTo({{}, {""}}).is_user({"", "", ""}));
    client::Flow flow;
    flow.path = "example/main";
    EXPECT_TRUE(open.is_organization_of(flow));
    flow.path = "example2/main";
    EXPECT_FALSE(open.is_organization_of(flow));
    flow.path = "";
    EXPECT_FALSE(open.is_organization_of(flow));
}

TEST(Lists, AreReadAsUsersTypeThem) {
    EXPECT_THAT(split_lines("build 1\r\n\r\n  deploy-\n"), ElementsAre("build 1", "deploy-"));
    EXPECT_TRUE(split_lines(" \r\n\n").empty());
}

}  // namespace
}  // namespace flowrelay::pages
