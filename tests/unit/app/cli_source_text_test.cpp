#include "cli/source_text.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <string>

#include "cli/remote_removal.hpp"

namespace flowrelay::cli {
namespace {

boost::json::object source_with(std::string_view text) {
    return boost::json::parse({text.data(), text.size()}).get_object();
}

TEST(SourceText, ShowsWhatIsKnownOfASource) {
    EXPECT_EQ(format_source(source_with(R"({"name":"ci","slot":"token-7","kind":"added",
        "state":"active","since":"2026-11-23T15:04:05.000Z","queued":3,"filtered":7,
        "filter":{"events":["activity"],"tags":["a","b"]},"flow_source":{"id":"36",
        "flow":"example/main","flow_name":"Main","application":"app",
        "configuration_uri":"https://x/configure"}})")),
              "name          ci\n"
              "slot          token-7\n"
              "kind          added\n"
              "state         active\n"
              "since         2026-11-23T15:04:05.000Z\n"
              "queued        3\n"
              "filter        only events of the type activity, with one of the tags a, b\n"
              "filtered      7\n"
              "source        36 of Main (example/main)\n"
              "application   app\n"
              "settings      https://x/configure\n");
}

TEST(SourceText, SaysWhatACheckHasFoundOut) {
    EXPECT_EQ(format_check(source_with(R"({"name":"ci","result":"found"})")), "ci: found");
    EXPECT_EQ(format_check(source_with(
                  R"({"name":"ci","result":"found","flow_source":{"id":"36","flow":"a/b"}})")),
              "ci: found, source 36 of a/b");
    const std::string gone = format_check(
        source_with(R"({"name":"ci","result":"gone","erase_in_s":3600,"reason":"HTTP 410"})"));
    EXPECT_NE(gone.find("removed from its flow"), gone.npos) << gone;
    EXPECT_NE(gone.find("erased in 1h"), gone.npos) << gone;
    for (const char* result : {"unknown", "refused", "unanswered", "strange"}) {
        const std::string text = format_check(source_with(
            std::string(R"({"name":"ci","reason":"HTTP 404: no","result":")") + result + "\"}"));
        EXPECT_TRUE(text.starts_with(std::string("ci: ") + result)) << text;
        EXPECT_NE(text.find("nothing was changed (HTTP 404: no)"), text.npos) << text;
    }
}

TEST(SourceText, TheExitStatusOfSeveralIsThatOfTheWorst) {
    EXPECT_EQ(exit_code_of_check("found"), ExitCode::ok);
    EXPECT_EQ(exit_code_of_check("gone"), ExitCode::rejected);
    EXPECT_EQ(exit_code_of_check("unanswered"), ExitCode::try_later);
    for (const char* result : {"unknown", "refused", "strange", "of a later version"}) {
        EXPECT_EQ(exit_code_of_check(result), ExitCode::can_not_tell);
    }
    EXPECT_EQ(worse_check(ExitCode::ok, ExitCode::ok), ExitCode::ok);
    EXPECT_EQ(worse_check(ExitCode::rejected, ExitCode::try_later), ExitCode::rejected);
    EXPECT_EQ(worse_check(ExitCode::can_not_tell, ExitCode::rejected), ExitCode::rejected);
}

TEST(RemoteRemoval, GoesByWhatTheDaemonHasNoted) {
    const auto source = source_with(R"({"name":"ci","flow_source":{"id":"36","flow":"a/b"}})");
    RemoteOptions options;
    use_known_source(options, source);
    EXPECT_TRUE(options.is_known);
    EXPECT_EQ(options.flow, "a/b");
    EXPECT_EQ(options.source_id, "36");

    for (auto member : {&RemoteOptions::flow, &RemoteOptions::title, &RemoteOptions::source_id}) {
        RemoteOptions said;
        said.*member = "other";
        use_known_source(said, source);
        EXPECT_FALSE(said.is_known) << "what somebody says goes first";
    }
    RemoteOptions nothing;
    use_known_source(nothing, source_with(R"({"name":"ci"})"));
    EXPECT_FALSE(nothing.is_known);
}

}  // namespace
}  // namespace flowrelay::cli
