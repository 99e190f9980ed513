#include "cli/event_builder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <string>

namespace flowrelay::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// Returns the minimum that a source needs.
EventOptions ci() {
    EventOptions options;
    options.source = "ci";
    return options;
}

std::string event_of(const EventOptions& options) {
    return build_event(options, std::nullopt).value();
}

std::string problem_of(const EventOptions& options) {
    const auto event = build_event(options, std::nullopt);
    return event ? "none" : event.error().message;
}

TEST(BuildEvent, HasOnlyTheMembersThatWereGiven) {
    EventOptions options = ci();
    options.thread = "build-42";
    options.title = "failed";
    EXPECT_EQ(event_of(options),
              R"({"source":"ci","external_thread_id":"build-42","title":"failed"})");
}

TEST(BuildEvent, HasEverythingThatWasGiven) {
    EventOptions options = ci();
    options.event = "discussion";
    options.thread_id = "WT5y";
    options.title = "failed";
    options.author = "Anna";
    options.body = "<b>x</b>";
    options.status = "red:failed: 3";
    options.thread_title = "Build 42";
    options.thread_body = "of main";
    options.url = "https://ci/42";
    options.fields = {"Branch=main", "Query=a=b", "Empty="};
    options.tags = {"ci", "a,b"};
    options.uuid = "u-1";
    options.expires_in = "2h";
    EXPECT_EQ(boost::json::parse(event_of(options)), boost::json::parse(R"({
        "source": "ci", "event": "discussion", "thread_id": "WT5y", "title": "failed",
        "author": {"name": "Anna"}, "body": "<b>x</b>",
        "thread": {"title": "Build 42", "body": "of main", "external_url": "https://ci/42",
                   "status": {"color": "red", "value": "failed: 3"},
                   "fields": [{"label": "Branch", "value": "main"},
                              {"label": "Query", "value": "a=b"},
                              {"label": "Empty", "value": ""}]},
        "tags": ["ci", "a,b"], "uuid": "u-1", "relay": {"expires_in": "2h"}})"));
}

TEST(BuildEvent, GivesTheItemTheTitleOfTheEventUnlessItHasItsOwn) {
    EventOptions options = ci();
    options.title = "failed";
    options.status = "red:failed";
    EXPECT_THAT(event_of(options), HasSubstr(R"("thread":{"title":"failed",)"));
    options.thread_title = "Build 42";
    EXPECT_THAT(event_of(options), HasSubstr(R"("thread":{"title":"Build 42",)"));
}

TEST(BuildEvent, SetsTheTypeOfEventWhenATokenReplacesTheSource) {
    EventOptions options;
    options.title = "x";
    EXPECT_EQ(build_event(options, Secret("3e22")).value(),
              R"({"flow_token":"3e22","event":"activity","title":"x"})");
    options.event = "discussion";
    EXPECT_EQ(build_event(options, Secret("3e22")).value(),
              R"({"flow_token":"3e22","event":"discussion","title":"x"})");
}

TEST(BuildEvent, IsOneLineOfUtf8WhateverTheValuesAre) {
    EventOptions options = ci();
    options.body = std::string("two\nlines \"quoted\" \x1b[0m \xFF \0 end", 32);
    const std::string event = event_of(options);
    EXPECT_THAT(event, Not(HasSubstr("\n")));
    EXPECT_EQ(boost::json::parse(event).at("body").as_string(),
              std::string("two\nlines \"quoted\" \x1b[0m \xEF\xBF\xBD \0 end", 34));
}

TEST(BuildEvent, NeedsASourceOrAToken) {
    EXPECT_THAT(problem_of(EventOptions()), HasSubstr("Name a source with --source"));
    const auto both = build_event(ci(), Secret("3e22"));
    ASSERT_FALSE(both);
    EXPECT_THAT(both.error().message, HasSubstr("exclude each other"));
    EXPECT_THAT(both.error().message, Not(HasSubstr("3e22")));
}

TEST(BuildEvent, SaysHowAStatusIsWritten) {
    for (const char* status : {"failed", ":failed", "red:", ""}) {
        EventOptions options = ci();
        options.status = status;
        EXPECT_THAT(problem_of(options), HasSubstr("write COLOR:TEXT, like red:failed")) << status;
    }
}

TEST(BuildEvent, SaysHowAFieldIsWritten) {
    for (const char* field : {"Branch", "=main", ""}) {
        EventOptions options = ci();
        options.fields = {"Good=1", field};
        EXPECT_THAT(problem_of(options), HasSubstr("write LABEL=VALUE")) << field;
    }
}

TEST(BuildEvent, ReadsANumberWithoutUnitAsSeconds) {
    for (const char* seconds : {"1", "3600", "86400"}) {
        EventOptions options = ci();
        options.expires_in = seconds;
        const auto event = build_event(options, std::nullopt);
        ASSERT_TRUE(event) << seconds;
        EXPECT_THAT(*event, HasSubstr("\"expires_in\":\"" + std::string(seconds) + "s\""));
    }
}

TEST(BuildEvent, SaysHowADurationIsWritten) {
    for (const char* duration : {"0", "0s", "soon", "-1h", ""}) {
        EventOptions options = ci();
        options.expires_in = duration;
        EXPECT_THAT(problem_of(options), HasSubstr("write a number and a unit, like 2h"))
            << duration;
    }
}

}  // namespace
}  // namespace flowrelay::cli
