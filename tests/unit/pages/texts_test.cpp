#include "pages/texts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <string>

namespace flowrelay::pages {
namespace {

namespace json = boost::json;

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

client::Flow flow_called(const std::string& name, const std::string& path) {
    client::Flow flow;
    flow.name = name;
    flow.path = path;
    return flow;
}

SettingsText settings_of(const char* source) {
    SettingsText text;
    text.base = "https://a.example/settings";
    text.csrf = "token";
    text.source = json::parse(source).get_object();
    return text;
}

TEST(Texts, BecomeSentences) {
    EXPECT_EQ(as_sentence("the flow is disabled"), "The flow is disabled.");
    EXPECT_EQ(as_sentence("flowrelayd did not answer"), "flowrelayd did not answer.");
    EXPECT_EQ(as_sentence("api.example.com does not answer"), "api.example.com does not answer.");
    EXPECT_EQ(as_sentence("is it there?"), "Is it there?");
    EXPECT_EQ(as_sentence(""), "");
}

TEST(ConfirmPage, ShowsOneFlowOrAChoiceOfSeveral) {
    ConfirmText text;
    text.action = "https://a.example/connect";
    text.csrf = "token";
    text.flows = {flow_called("Main", "example/main")};
    text.name = "ci";
    text.is_name_fixed = true;
    EXPECT_THAT(confirm(text), AllOf(HasSubstr("Main (example/main)"), HasSubstr("<dd>ci</dd>"),
                                     HasSubstr("value=\"token\""), Not(HasSubstr("type=\"radio\"")),
                                     Not(HasSubstr("name=\"name\""))));
    text.flows.push_back(flow_called("<b>", "example/b"));
    text.flows.back().disabled = true;
    text.chosen = 1;
    text.is_name_fixed = false;
    EXPECT_THAT(confirm(text),
                AllOf(HasSubstr("value=\"1\" checked"),
                      HasSubstr("&lt;b&gt; (example/b) (disabled)"), HasSubstr("name=\"name\"")));
}

TEST(SettingsPage, OffersAFilterUnlessTheConfigurationHasIt) {
    EXPECT_THAT(settings(settings_of(R"({"name":"ci","state":"active","kind":"added"})")),
                AllOf(HasSubstr("/settings/pause\""), HasSubstr("Which events pass"),
                      HasSubstr("name=\"activity\" value=\"yes\" checked")));
    EXPECT_THAT(settings(settings_of(R"({"name":"ci","state":"active","kind":"configured"})")),
                Not(HasSubstr("Which events pass")));
    const std::string page = settings(settings_of(
        R"({"name":"ci","state":"paused","filter":{"events":["activity"],"tags":["a","b"],
            "threads":["build-","x y"]}})"));
    EXPECT_THAT(page, AllOf(HasSubstr("/settings/resume\""), HasSubstr("a\nb\n"),
                            HasSubstr("build-\nx y\n")));
    EXPECT_THAT(page, HasSubstr("name=\"activity\" value=\"yes\" checked"));
    EXPECT_THAT(page, Not(HasSubstr("name=\"discussion\" value=\"yes\" checked")));
}

TEST(SettingsPage, ChecksAllTypesForAnEmptyFilter) {
    EXPECT_THAT(settings(settings_of(R"({"name":"ci","filter":{"events":[]}})")),
                AllOf(HasSubstr("name=\"activity\" value=\"yes\" checked"),
                      HasSubstr("name=\"discussion\" value=\"yes\" checked")));
}

TEST(RemovalPage, SaysWhatIsLost) {
    EXPECT_THAT(removal(settings_of("{}"),
                        json::parse(R"({"name":"ci","queued":1,"dead_letters":2})").get_object()),
                AllOf(HasSubstr("1 event that wait"), HasSubstr("2 events that were refused"),
                      HasSubstr("Remove ci")));
}

}  // namespace
}  // namespace flowrelay::pages
