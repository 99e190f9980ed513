#include "cli/source_text.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <string>

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

}  // namespace
}  // namespace flowrelay::cli
