#include "flowrelay/app/connect_settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "flowrelay/app/config_check.hpp"
#include "support/temporary_directory.hpp"

namespace flowrelay::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Config with_connect(const std::string& section,
                    const std::string& base = "https://api.example.com/gateway/") {
    return parse_config("destination: {base_url: \"" + base + "\"}\nconnect: " + section + "\n",
                        "f.yaml");
}

std::string problem_of(const std::string& section) {
    try {
        with_connect(section);
    } catch (const ConfigError& error) {
        return error.what();
    }
    return "none";
}

TEST(ConnectSettings, PutEndpointsBelowTheBaseUrlUnlessGiven) {
    const Config derived = with_connect("{client_id: \"4\"}");
    EXPECT_EQ(authorize_url(derived), "https://api.example.com/gateway/oauth/authorize");
    EXPECT_EQ(token_url(derived), "https://api.example.com/gateway/oauth/token");
    EXPECT_EQ(revoke_url(derived), "https://api.example.com/gateway/oauth/revoke");
    const Config given = with_connect(
        "{authorize_url: \"https://www.example.com/a\", token_url: \"https://login.example.com/t\","
        " revoke_url: \"https://login.example.com/r\"}");
    EXPECT_EQ(authorize_url(given), "https://www.example.com/a");
    EXPECT_EQ(token_url(given), "https://login.example.com/t");
    EXPECT_EQ(revoke_url(given), "https://login.example.com/r");
}

TEST(ConnectSettings, ReportSettingsThatCanNotWork) {
    const std::pair<const char*, const char*> cases[] = {
        {"{client: x}", "connect.client`: unknown"},
        {"{client_secret_file: /s}", "connect.client_id`: missing"},
        {"{client_id: x, client_secret_credential: c}", "none"},
        {"{client_secret_credential: c}", "connect.client_id`: missing"},
        {"{client_id: x, client_secret_file: /s, client_secret_credential: c}", "can't be there"},
        {"{client_id: x, client_secret_credential: a/b}", "must be the name of a systemd"},
        {"{client_id: x, client_secret_file: relative}", "connect.client_secret_file"},
        {"{redirect_uri: \"urn:ietf:wg:oauth:2.0:oob:auto\"}", "connect.redirect_uri"},
        {"{redirect_uri: \"/callback\"}", "exactly as it was registered"},
        {"{redirect_uri: \"http://127.0.0.1:1/c?x=1\"}", "must not have a query"},
        {"{redirect_uri: \"http://127.0.0.1:0/c\"}", "not in 1 to 65535"},
        {"{redirect_uri: \"\"}", "connect.redirect_uri"},
        {"{token_url: \"http://api.example.com/t\"}", "plain http would show secrets"},
        {"{token_url: \"https://login.example.com\"}", "has no path"},
        {"{revoke_url: \"ftp://x\"}", "must begin with https://"},
        {"{authorize_url: \"http://127.0.0.1:1/a\"}", "none"},
        {"{scopes: \"\"}", "at least one scope"},
        {"{scopes: flow offline_access}", "`offline_access` allows more"},
        {"{scopes: \"flow,private\"}", "`private` allows more"},
        {"{scopes: \"fl\\\"ow\"}", "is no scope"},
        {"{scopes: \"flow caf\xC3\xA9\"}", "is no scope"},
    };
    for (const auto& [section, words] : cases) {
        EXPECT_THAT(problem_of(section), HasSubstr(words)) << section;
    }
}

TEST(ConnectSettings, TakeTheListeningAddressFromTheRedirectUri) {
    using Kind = RedirectUri::Kind;
    EXPECT_EQ(parse_redirect_uri(out_of_band_uri)->kind, Kind::out_of_band);
    const auto fixed = parse_redirect_uri("http://127.0.0.1:8976/a/callback/");
    EXPECT_EQ(fixed->kind, Kind::loopback);
    EXPECT_EQ(fixed->address, "127.0.0.1");
    EXPECT_EQ(fixed->port, 8976);
    EXPECT_EQ(fixed->path, "/a/callback/");
    const auto free_port = parse_redirect_uri("http://[::1]");
    EXPECT_EQ(free_port->address, "::1");
    EXPECT_EQ(free_port->port, 0);
    EXPECT_EQ(free_port->path, "/");
    EXPECT_EQ(parse_redirect_uri("http://127.0.0.1:80/c")->port, 80);
    EXPECT_EQ(parse_redirect_uri("http://localhost:7/c")->address, "127.0.0.1");
    EXPECT_EQ(parse_redirect_uri("https://127.0.0.1:7/c")->kind, Kind::elsewhere);
    EXPECT_EQ(parse_redirect_uri("https://ci.example.com/c")->kind, Kind::elsewhere);
    EXPECT_EQ(with_port("http://[::1]/c", 91), "http://[::1]:91/c");
    EXPECT_EQ(with_port("http://127.0.0.1", 91), "http://127.0.0.1:91");
    EXPECT_EQ(with_port("http://127.0.0.1:8976/c", 91), "http://127.0.0.1:8976/c");
}

TEST(ConnectSettings, SplitScopesAtSpacesOrCommas) {
    EXPECT_THAT(split_scopes(" flow, private flow,,integration\t"),
                ElementsAre("flow", "private", "integration"));
    EXPECT_THAT(split_scopes(" ,"), IsEmpty());
}

TEST(ConnectSettings, ReadTheSecretOnlyFromAPrivateFile) {
    const test::TemporaryDirectory directory;
    const std::string path = directory.file("client.secret");
    ConnectConfig config;
    EXPECT_TRUE(load_client_secret(config).empty());
    EXPECT_EQ(warn_of_client_secret(config), "");
    config.client_secret_file = path;
    EXPECT_THROW(load_client_secret(config), ConfigError);
    EXPECT_THAT(warn_of_client_secret(config), HasSubstr("there is no " + path));
    std::ofstream(path) << "s3cret-of-app\n";
    ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
    EXPECT_EQ(load_client_secret(config).reveal(), "s3cret-of-app");
    EXPECT_EQ(warn_of_client_secret(config), "");
    ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
    EXPECT_THAT(warn_of_client_secret(config), HasSubstr("chmod 0600 " + path));
    try {
        load_client_secret(config);
        FAIL() << "others can read it";
    } catch (const ConfigError& error) {
        EXPECT_THAT(error.what(), HasSubstr("connect.client_secret_file: " + path));
        EXPECT_THAT(error.what(), ::testing::Not(HasSubstr("s3cret")));
    }
}

}  // namespace
}  // namespace flowrelay::app
