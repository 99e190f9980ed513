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

TEST(BuildEvent, has_only_the_members_that_were_given) {
    EventOptions options = ci();
    options.thread = "build-42";
    options.title = "failed";
    EXPECT_EQ(event_of(options),
              R"({"source":"ci","external_thread_id":"build-42","title":"failed"})");
}

TEST(BuildEvent, has_everything_that_was_given) {
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

TEST(BuildEvent, the_item_has_the_title_of_the_event_unless_it_has_its_own) {
    EventOptions options = ci();
    options.title = "failed";
    options.status = "red:failed";
    EXPECT_THAT(event_of(options), HasSubstr(R"("thread":{"title":"failed",)"));
    options.thread_title = "Build 42";
    EXPECT_THAT(event_of(options), HasSubstr(R"("thread":{"title":"Build 42",)"));
}

TEST(BuildEvent, a_token_takes_the_place_of_a_source_and_needs_the_kind_of_event) {
    EventOptions options;
    options.title = "x";
    EXPECT_EQ(build_event(options, Secret("3e22")).value(),
              R"({"flow_token":"3e22","event":"activity","title":"x"})");
    options.event = "discussion";
    EXPECT_EQ(build_event(options, Secret("3e22")).value(),
              R"({"flow_token":"3e22","event":"discussion","title":"x"})");
}

TEST(BuildEvent, is_one_line_of_utf8_whatever_the_values_are) {
    EventOptions options = ci();
    options.body = std::string("two\nlines \"quoted\" \x1b[0m \xFF \0 end", 32);
    const std::string event = event_of(options);
    EXPECT_THAT(event, Not(HasSubstr("\n")));
    EXPECT_EQ(boost::json::parse(event).at("body").as_string(),
              std::string("two\nlines \"quoted\" \x1b[0m \xEF\xBF\xBD \0 end", 34));
}

TEST(BuildEvent, needs_to_know_whom_it_is_for) {
    EXPECT_THAT(problem_of(EventOptions()), HasSubstr("Name a source with --source"));
    const auto both = build_event(ci(), Secret("3e22"));
    ASSERT_FALSE(both);
    EXPECT_THAT(both.error().message, HasSubstr("exclude each other"));
    EXPECT_THAT(both.error().message, Not(HasSubstr("3e22")));
}

TEST(BuildEvent, says_how_a_status_is_written) {
    for (const char* status : {"failed", ":failed", "red:", ""}) {
        EventOptions options = ci();
        options.status = status;
        EXPECT_THAT(problem_of(options), HasSubstr("write COLOR:TEXT, like red:failed")) << status;
    }
}

TEST(BuildEvent, says_how_a_field_is_written) {
    for (const char* field : {"Branch", "=main", ""}) {
        EventOptions options = ci();
        options.fields = {"Good=1", field};
        EXPECT_THAT(problem_of(options), HasSubstr("write LABEL=VALUE")) << field;
    }
}

TEST(BuildEvent, takes_a_bare_number_for_seconds) {
    for (const char* seconds : {"1", "3600", "86400"}) {
        EventOptions options = ci();
        options.expires_in = seconds;
        const auto event = build_event(options, std::nullopt);
        ASSERT_TRUE(event) << seconds;
        EXPECT_THAT(*event, HasSubstr("\"expires_in\":\"" + std::string(seconds) + "s\""));
    }
}

TEST(BuildEvent, says_how_a_duration_is_written) {
    for (const char* duration : {"0", "0s", "soon", "-1h", ""}) {
        EventOptions options = ci();
        options.expires_in = duration;
        EXPECT_THAT(problem_of(options), HasSubstr("write a number and a unit, like 2h"))
            << duration;
    }
}

}  // namespace
}  // namespace flowrelay::cli
