#include "pages/html.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace flowrelay::pages {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Html, EscapesTextFromOutside) {
    const std::string bad = "<script>\"x\"&'y'</script>";
    EXPECT_EQ(escape(bad), "&lt;script&gt;&quot;x&quot;&amp;&#39;y&#39;&lt;/script&gt;");
    EXPECT_EQ(escape("a\x01"
                     "b\xFF"),
              "a\xEF\xBF\xBD"
              "b\xEF\xBF\xBD");
    const std::string all = page(bad, paragraph(bad) + row(bad, bad) + form(bad, bad, "") +
                                          text_input({bad, bad, bad, bad, true}) +
                                          text_area({bad, bad, bad, bad, false}) +
                                          choice("radio", bad, bad, bad, true) + button(bad, bad));
    EXPECT_THAT(all, Not(HasSubstr("<script")));
    EXPECT_THAT(all, Not(HasSubstr("\"x\"")));
}

TEST(Html, GivesEachFieldItsLabelAndHint) {
    const std::string input = text_input({"name", "Name", "ci", "Letters.", true});
    EXPECT_THAT(input, HasSubstr("<label for=\"name\">Name</label>"));
    EXPECT_THAT(input, HasSubstr("aria-describedby=\"name-hint\""));
    EXPECT_THAT(input, HasSubstr("id=\"name-hint\">Letters.<"));
    EXPECT_THAT(input, HasSubstr(" required"));
    EXPECT_THAT(choice("radio", "flow", "1", "Main", true),
                AllOf(HasSubstr("id=\"flow-1\""), HasSubstr("<label for=\"flow-1\">Main</label>"),
                      HasSubstr(" checked")));
}

TEST(Html, KeepsTheLinesOfATextArea) {
    EXPECT_THAT(text_area({"threads", "Threads", "\na<\nb", "", false}),
                HasSubstr(">\n\na&lt;\nb\n</textarea>"));
}

TEST(Html, GivesAPageALanguageATitleAndAWidthForPhones) {
    EXPECT_THAT(page("Connect", ""),
                AllOf(HasSubstr("<html lang=\"en\">"), HasSubstr("<title>Connect - flowrelay"),
                      HasSubstr("width=device-width"), HasSubstr("<h1>Connect</h1>")));
}

TEST(Html, AllowsTheStyleByItsHash) {
    EXPECT_TRUE(style_source().starts_with("'sha256-"));
    EXPECT_TRUE(style_source().ends_with("='"));
    EXPECT_EQ(style_source().size(), std::string("'sha256-'").size() + 44);
}

}  // namespace
}  // namespace flowrelay::pages
