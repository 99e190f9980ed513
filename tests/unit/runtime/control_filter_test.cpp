// The filter of a source on the control socket, and what is said of events that it does not let
// pass.
#include <string>

#include "control_fixture.hpp"

namespace flowrelay::runtime {
namespace {

class ControlFilter : public ControlFixture {
protected:
    http::Response set(std::string_view source, const std::string& body) {
        return ask(request("POST", fmt::format("/v1/sources/{}/filter", source), body), root())
            .value();
    }

    std::string shown(std::string_view name) {
        return ask(request("GET", fmt::format("/v1/sources/{}", name)), looker()).value().body;
    }

    http::Response explained(std::string_view id) {
        return ask(request("GET", fmt::format("/v1/explain?event={}", id)), looker()).value();
    }

    static bool has(const std::string& body, std::string_view what) {
        return body.find(what) != std::string::npos;
    }
};

TEST_F(ControlFilter, IsSetShownAndTakenAway) {
    const auto answer =
        set("extra", R"({"tags":["#Deploy","deploy"],"threads":["b-"],"events":["activity"]})");
    EXPECT_EQ(answer.status, 200) << answer.body;
    const std::string_view filter =
        R"("filter":{"events":["activity"],"tags":["deploy"],"threads":["b-"]})";
    EXPECT_TRUE(has(answer.body, filter)) << answer.body;
    EXPECT_TRUE(has(shown("extra"), filter));
    EXPECT_FALSE(has(shown("ci"), "filter"));
    EXPECT_EQ(set("extra", R"({"tags":["x"],"threads":[],"all":false})").status, 200);
    EXPECT_TRUE(has(shown("extra"), R"("filter":{"tags":["x"]})")) << "it replaces the one before";
    EXPECT_EQ(set("extra", R"({"all":true})").status, 200);
    EXPECT_FALSE(has(shown("extra"), "filter"));
}

TEST_F(ControlFilter, ThatMakesNoSenseChangesNothing) {
    EXPECT_EQ(set("extra", R"({"tags":["x"]})").status, 200);
    const auto all = [this] { return state() + shown("extra"); };
    const std::string before = all();
    for (const char* body :
         {"", "{}", R"({"all":false})", R"({"tags":[]})", R"({"all":true,"tags":["a"]})",
          R"({"tags":"a"})", R"({"tags":[1]})", R"({"tags":["a",""]})", R"({"events":["x"]})",
          R"({"tag":["a"]})", R"({"tags":["a"],"thread":["x"]})", R"({"all":1})",
          R"({"threads":["a\u0000"]})", R"({"tags":["a"],"plan":true})"}) {
        const auto refused = set("extra", body);
        EXPECT_EQ(refused.status, 400) << body;
        EXPECT_TRUE(has(refused.body, "\"invalid\"")) << refused.body;
    }
    EXPECT_EQ(set("nobody", R"({"tags":["a"]})").status, 404);
    const auto of_configuration = set("ci", R"({"tags":["a"]})");
    EXPECT_EQ(of_configuration.status, 409);
    EXPECT_TRUE(has(of_configuration.body, "the filter of ci is the configuration's"));
    EXPECT_EQ(ask(request("POST", "/v1/sources/extra/filter", R"({"tags":["a"]})"), looker())
                  .value()
                  .status,
              403);
    EXPECT_EQ(all(), before);
}

TEST_F(ControlFilter, WhatItDoesNotLetPassIsCountedAndExplained) {
    EXPECT_EQ(set("extra", R"({"tags":["deploy"]})").status, 200);
    submit("extra", "t", "filtered-1");
    EXPECT_EQ(relay_.destination().queued(), 0U);
    EXPECT_TRUE(has(shown("extra"), R"("filtered":1)"));
    EXPECT_EQ(set("extra", R"({"all":true})").status, 200);
    const auto told = explained("filtered-1");
    EXPECT_EQ(told.status, 200);
    EXPECT_TRUE(has(told.body, R"("kind":"filtered","id":"filtered-1","source":"extra")"))
        << told.body;
    EXPECT_TRUE(has(told.body, R"("filter":{"tags":["deploy"]},"unfit":"tags")")) << told.body;
    EXPECT_TRUE(has(told.body, "the filter of extra lets pass only events with one of the tags"));
    // Handed in again it is queued, and that is what there is to say.
    submit("extra", "t", "filtered-1");
    EXPECT_EQ(relay_.destination().queued(), 1U);
    EXPECT_TRUE(has(explained("filtered-1").body, R"("kind":"event")"));
}

}  // namespace
}  // namespace flowrelay::runtime
