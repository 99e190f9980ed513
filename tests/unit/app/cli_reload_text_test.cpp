#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <string_view>

#include "cli/reload_text.hpp"

namespace flowrelay::cli {
namespace {

boost::json::object reload_object(std::string_view text) {
    return boost::json::parse(text).as_object();
}

TEST(ReloadText, SaysWhatIsInForceOfEachSource) {
    EXPECT_EQ(format_reload(reload_object(R"({"applied":true,"changed":["retry.max","sources.ci"],
        "sources":[{"name":"ci","change":["is new","has other settings"],"state":"gone","queued":1}],
        "restart":["log.format"],"consequences":["x: y"],
        "attention":[{"name":"web","state":"gone","queued":2,"erase_in_s":3540}]})")),
              "Reloaded. In force now:\n"
              "  retry.max\n"
              "  source ci is new, has other settings; gone, 1 event queued\n"
              "In force after a restart of flowrelayd:\n"
              "  log.format\n"
              "Look at web: it is gone, with 2 events queued, erased in 59m; `flowrelay source "
              "enable` takes the 410 back\n"
              "x: y\n");
}

TEST(ReloadText, AnOlderDaemonNamesItsSourcesAmongTheKeys) {
    EXPECT_EQ(format_reload(reload_object(R"({"changed":["sources.ci"],"restart":[]})")),
              "Reloaded. In force now:\n  sources.ci\n");
}

TEST(ReloadText, SaysWhenNothingIsDifferent) {
    EXPECT_EQ(format_reload(reload_object("{}")), "Reloaded; nothing has changed.\n");
    EXPECT_EQ(format_reload_plan(reload_object(R"({"changed":[],"sources":[],"problems":[]})")),
              "The running flowrelayd already uses all of it.\n");
}

TEST(ReloadText, APlanSaysWhatWouldBeDestroyed) {
    EXPECT_EQ(format_reload_plan(reload_object(R"({"would_destroy":true,"problems":["all letters"],
        "changed":["dead_letters.max_age"],"sources":[],"restart":["spool.directory"]})")),
              "A reload of the running flowrelayd would change:\n"
              "  dead_letters.max_age\n"
              "A restart of flowrelayd would change:\n"
              "  spool.directory\n"
              "A reload would DESTROY data, and is refused until that is accepted:\n"
              "  all letters\n");
}

TEST(ReloadText, APlanSaysWhyItCannotBeReloaded) {
    EXPECT_EQ(format_reload_plan(reload_object(R"({"problems":["no token","no \u001b file"],
                                            "changed":["x"]})")),
              "The running flowrelayd could not reload it:\n"
              "  no token\n"
              "  no \xEF\xBF\xBD file\n");
}

}  // namespace
}  // namespace flowrelay::cli
