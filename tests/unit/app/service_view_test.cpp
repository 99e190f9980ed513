#include "flowrelay/app/service_view.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace flowrelay::app {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view shipped =
    "User=flowrelay\nGroup=flowrelay\nSupplementaryGroups=\nStateDirectory=flowrelay\n"
    "RuntimeDirectory=flowrelay\nReadWritePaths=\nProtectSystem=strict\nProtectHome=yes\n"
    "PrivateTmp=yes\nTriggeredBy=flowrelayd-control.socket flowrelayd.socket\n";

std::vector<std::string> messages(const Config& config, std::string_view properties) {
    std::vector<std::string> found;
    const auto service = parse_service_view("flowrelayd.service", properties);
    for (const auto& problem : check_for_service(config, "f.yaml", service)) {
        found.push_back(to_string(problem));
    }
    return found;
}

std::string with(std::string_view line) {
    return std::string(shipped) + std::string(line) + '\n';
}

TEST(ServiceView, HasWhatSystemdSays) {
    const auto service = parse_service_view("a.service", with("SupplementaryGroups=one two"));
    EXPECT_EQ(service.unit, "a.service");
    EXPECT_EQ(service.user, "flowrelay");
    EXPECT_THAT(service.groups, ElementsAre("one", "two"));
    EXPECT_THAT(service.writable, ElementsAre("/var/lib/flowrelay", "/run/flowrelay"));
    EXPECT_TRUE(service.private_tmp);
    EXPECT_TRUE(service.passes_ingest);
    EXPECT_TRUE(service.passes_control);
}

TEST(ServiceView, LeavesTheDefaultsAlone) {
    EXPECT_THAT(messages(Config(), shipped), IsEmpty());
}

TEST(ServiceView, NamesTheDropInForASpoolElsewhere) {
    Config config;
    config.spool.directory = "/srv/spool";
    EXPECT_THAT(
        messages(config, shipped),
        ElementsAre(AllOf(HasSubstr("key `spool.directory`"), HasSubstr("ProtectSystem=strict"),
                          HasSubstr("systemctl edit flowrelayd.service"),
                          HasSubstr("ReadWritePaths=/srv/spool"))));
    EXPECT_THAT(messages(config, with("ReadWritePaths=-/srv")), IsEmpty());
    EXPECT_THAT(messages(config, with("ReadWritePaths=/srv/spool2")), testing::SizeIs(1));
    EXPECT_THAT(messages(config, with("BindPaths=/disk:/srv/spool:rbind")), IsEmpty());
    EXPECT_THAT(messages(config, with("ProtectSystem=full")), IsEmpty());
    EXPECT_THAT(messages(config, with("ProtectSystem=full\nReadOnlyPaths=/srv")),
                ElementsAre(HasSubstr("ReadOnlyPaths")));
}

TEST(ServiceView, SaysThatATokenInAHomeIsHidden) {
    Config config;
    config.sources.resize(1);
    config.sources[0].flow_token_file = "/root/ci.token";
    EXPECT_THAT(messages(config, shipped),
                ElementsAre(AllOf(HasSubstr("ProtectHome=yes"), HasSubstr("/etc/flowrelay"),
                                  HasSubstr("BindReadOnlyPaths=/root/ci.token"))));
    EXPECT_THAT(messages(config, with("BindReadOnlyPaths=/root/ci.token")), IsEmpty());
    EXPECT_THAT(messages(config, with("ProtectHome=read-only")), IsEmpty());
    EXPECT_THAT(messages(config, with("ProtectHome=no")), IsEmpty());
    config.sources[0].flow_token_file = "/rooted/ci.token";
    EXPECT_THAT(messages(config, shipped), IsEmpty());
    config.sources[0].flow_token_file = "/etc/ci.token";
    EXPECT_THAT(messages(config, shipped), IsEmpty());
}

TEST(ServiceView, SaysThatFilesInTmpAreHidden) {
    Config config;
    config.destination.ca_file = "/tmp/ca.pem";
    EXPECT_THAT(messages(config, shipped), ElementsAre(HasSubstr("PrivateTmp=yes")));
    EXPECT_THAT(messages(config, with("PrivateTmp=no")), IsEmpty());
}

TEST(ServiceView, LooksAtASocketThatTheDaemonOpensItself) {
    Config config;
    config.ingest.socket = "/run/relay/ingest.sock";
    EXPECT_THAT(messages(config, shipped), IsEmpty());
    std::string alone(shipped.substr(0, shipped.find("TriggeredBy")));
    EXPECT_THAT(messages(config, alone),
                ElementsAre(AllOf(HasSubstr("key `ingest.socket`"),
                                  HasSubstr("ReadWritePaths=/run/relay"))));
    EXPECT_THAT(messages(config, alone + "RuntimeDirectory=flowrelay relay\n"), IsEmpty());
}

}  // namespace
}  // namespace flowrelay::app
