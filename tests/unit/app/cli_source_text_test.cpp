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
        "state":"active","since":"2026-11-23T15:04:05.000Z","queued":3,"flow_source":{"id":"36",
        "flow":"example/main","flow_name":"Main","application":"app",
        "configuration_uri":"https://x/configure"}})")),
              "name          ci\n"
              "slot          token-7\n"
              "kind          added\n"
              "state         active\n"
              "since         2026-11-23T15:04:05.000Z\n"
              "queued        3\n"
              "source        36 of Main (example/main)\n"
              "application   app\n"
              "settings      https://x/configure\n");
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
