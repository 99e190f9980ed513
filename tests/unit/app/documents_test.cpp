// config/flowrelay.yaml and docs/configuration.md document every key with its default.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <string>

#include "app/config_changes.hpp"
#include "flowrelay/app/config.hpp"
#include "flowrelay/core/status_table.hpp"

namespace flowrelay::app {
namespace {

std::string read_file(const std::string& path) {
    std::ifstream in(std::string(FLOWRELAY_SOURCE_DIR "/") + path);
    EXPECT_TRUE(in.good()) << path;
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

/// Returns the annotated file with a base_url, optionally with the commented keys enabled.
std::string annotated(bool with_commented_keys) {
    std::string text = read_file("config/flowrelay.yaml");
    text = std::regex_replace(text, std::regex("\n  base_url:\n"),
                              "\n  base_url: https://api.example.com\n");
    if (!with_commented_keys) return text;
    const std::size_t sources = text.find("\n# Sources:");
    return std::regex_replace(text.substr(0, sources), std::regex("\n  #([a-z_]+:)"), "\n  $1");
}

TEST(AnnotatedConfiguration, CanBeUsedOnceItHasABaseUrl) {
    const Config config = parse_config(annotated(false), "flowrelay.yaml");
    EXPECT_EQ(config.destination.base_url, "https://api.example.com");
}

TEST(AnnotatedConfiguration, SaysWhatIsMissingAsItIs) {
    EXPECT_THROW(parse_config(read_file("config/flowrelay.yaml"), "flowrelay.yaml"), ConfigError);
}

TEST(AnnotatedConfiguration, ShowsTheDefaults) {
    const Config shown = parse_config(annotated(true), "flowrelay.yaml");
    const Config plain = parse_config("destination: {base_url: \"https://api.example.com\"}", "f");
    EXPECT_EQ(shown.destination.path, plain.destination.path);
    EXPECT_EQ(shown.destination.ca_file, plain.destination.ca_file);
    EXPECT_EQ(shown.destination.proxy, plain.destination.proxy);
    EXPECT_EQ(shown.destination.connect_timeout, plain.destination.connect_timeout);
    EXPECT_EQ(shown.destination.request_timeout, plain.destination.request_timeout);
    EXPECT_EQ(shown.destination.max_connections, plain.destination.max_connections);
    EXPECT_EQ(shown.destination.rate_limit, plain.destination.rate_limit);
    EXPECT_EQ(shown.destination.rate_burst, plain.destination.rate_burst);
    EXPECT_EQ(shown.destination.check_idle_sources, plain.destination.check_idle_sources);
    EXPECT_EQ(shown.destination.expects_json, plain.destination.expects_json);
    EXPECT_EQ(shown.destination.allow_plaintext, plain.destination.allow_plaintext);
    EXPECT_EQ(shown.ingest.socket, plain.ingest.socket);
    EXPECT_EQ(shown.ingest.socket_mode, plain.ingest.socket_mode);
    EXPECT_EQ(shown.ingest.socket_group, plain.ingest.socket_group);
    EXPECT_EQ(shown.ingest.listen, plain.ingest.listen);
    EXPECT_EQ(shown.ingest.max_event_size, plain.ingest.max_event_size);
    EXPECT_EQ(shown.ingest.max_connections, plain.ingest.max_connections);
    EXPECT_EQ(shown.ingest.max_connections_per_uid, plain.ingest.max_connections_per_uid);
    EXPECT_EQ(shown.ingest.accept_unknown_tokens, plain.ingest.accept_unknown_tokens);
    EXPECT_EQ(shown.ingest.max_unknown_tokens, plain.ingest.max_unknown_tokens);
    EXPECT_EQ(shown.control.socket, plain.control.socket);
    EXPECT_EQ(shown.control.socket_mode, plain.control.socket_mode);
    EXPECT_EQ(shown.control.socket_group, plain.control.socket_group);
    EXPECT_EQ(shown.control.admin_group, plain.control.admin_group);
    EXPECT_EQ(shown.spool.directory, plain.spool.directory);
    EXPECT_EQ(shown.spool.max_size, plain.spool.max_size);
    EXPECT_EQ(shown.spool.max_events, plain.spool.max_events);
    EXPECT_EQ(shown.spool.max_events_per_token, plain.spool.max_events_per_token);
    EXPECT_EQ(shown.spool.segment_size, plain.spool.segment_size);
    EXPECT_EQ(shown.spool.dedup_window, plain.spool.dedup_window);
    EXPECT_EQ(shown.retry.initial, plain.retry.initial);
    EXPECT_EQ(shown.retry.max, plain.retry.max);
    EXPECT_EQ(shown.retry.max_age, plain.retry.max_age);
    EXPECT_EQ(shown.gone.grace, plain.gone.grace);
    EXPECT_EQ(shown.problem_reports.after, plain.problem_reports.after);
    EXPECT_EQ(shown.problem_reports.clear_after, plain.problem_reports.clear_after);
    EXPECT_EQ(shown.problem_reports.interval, plain.problem_reports.interval);
    EXPECT_EQ(shown.connect.client_id, plain.connect.client_id);
    EXPECT_EQ(shown.connect.client_secret_file, plain.connect.client_secret_file);
    EXPECT_EQ(shown.connect.client_secret_credential, plain.connect.client_secret_credential);
    EXPECT_EQ(shown.connect.redirect_uri, plain.connect.redirect_uri);
    EXPECT_EQ(shown.connect.authorize_url, plain.connect.authorize_url);
    EXPECT_EQ(shown.connect.token_url, plain.connect.token_url);
    EXPECT_EQ(shown.connect.revoke_url, plain.connect.revoke_url);
    EXPECT_EQ(shown.connect.scopes, plain.connect.scopes);
    EXPECT_EQ(shown.pages.public_url, plain.pages.public_url);
    EXPECT_EQ(shown.pages.listen, plain.pages.listen);
    EXPECT_EQ(shown.pages.invite_socket, plain.pages.invite_socket);
    EXPECT_EQ(shown.pages.state_directory, plain.pages.state_directory);
    EXPECT_EQ(shown.pages.client_id, plain.pages.client_id);
    EXPECT_EQ(shown.pages.client_secret_file, plain.pages.client_secret_file);
    EXPECT_EQ(shown.pages.client_secret_credential, plain.pages.client_secret_credential);
    EXPECT_EQ(shown.pages.organizations, plain.pages.organizations);
    EXPECT_EQ(shown.pages.users, plain.pages.users);
    EXPECT_EQ(shown.log.format, plain.log.format);
    EXPECT_EQ(shown.log.level, plain.log.level);
    EXPECT_EQ(shown.log.stats_interval, plain.log.stats_interval);
    EXPECT_EQ(shown.metrics.listen, plain.metrics.listen);
    EXPECT_EQ(shown.metrics.allow_remote, plain.metrics.allow_remote);
}

TEST(AnnotatedConfiguration, HasEveryKey) {
    const std::string text = read_file("config/flowrelay.yaml");
    for (const std::string_view key : config_keys()) {
        const std::string name(key.substr(key.rfind('.') + 1));
        EXPECT_NE(text.find(name + ":"), std::string::npos) << key;
    }
}

TEST(ConfigurationDocument, HasEveryKey) {
    const std::string text = read_file("docs/configuration.md");
    for (const std::string_view key : config_keys()) {
        EXPECT_NE(text.find("`" + std::string(key) + "`"), std::string::npos) << key;
    }
}

TEST(ConfigurationDocument, SaysWhichKeysTakeARestart) {
    const std::string text = read_file("docs/configuration.md");
    const std::size_t begin = text.find("take a restart:");
    ASSERT_NE(begin, std::string::npos);
    const std::string list = text.substr(begin, text.find("\n\n", begin) - begin);
    for (const std::string_view key : config_keys()) {
        const auto keys = restart_keys();
        const bool takes_restart = std::ranges::find(keys, key) != keys.end();
        EXPECT_EQ(list.find("`" + std::string(key) + "`") != std::string::npos, takes_restart)
            << key;
    }
}

TEST(ManPage, HasEveryKey) {
    const std::string text = read_file("docs/man/flowrelay.yaml.5");
    for (const std::string_view key : config_keys()) {
        EXPECT_NE(text.find(".It Cm " + std::string(key) + "\n"), std::string::npos) << key;
    }
}

TEST(ProtocolDocument, HasEveryRouteOfTheControlSocket) {
    const std::string code = read_file("daemon/runtime/control_routes.cpp");
    const std::string page = read_file("docs/protocol.md");
    const std::regex route(R"re(Route\{"(GET|POST)", "/v1/([a-z]+)(/\*)?(/[a-z]+)?")re");
    int routes = 0;
    for (std::sregex_iterator at(code.begin(), code.end(), route), end; at != end; ++at, ++routes) {
        const std::smatch& found = *at;
        const std::string path = "/v1/" + found[2].str();
        EXPECT_NE(page.find("`" + found[1].str() + " " + path), page.npos) << found.str();
        if (found[4].matched) {
            EXPECT_NE(page.find(found[4].str() + "`"), page.npos) << found.str();
        }
    }
    EXPECT_GE(routes, 19);
}

TEST(Documents, TheProtocolHasARowForEachStatus) {
    const std::string text = read_file("docs/protocol.md");
    const std::map<core::Verdict, std::string_view> words{
        {core::Verdict::delivered, "delivered"},
        {core::Verdict::gone, "the token is gone"},
        {core::Verdict::throttled, "the token waits"},
        {core::Verdict::retry, "the thread waits, tried again"},
        {core::Verdict::park_token, "the token is parked"},
        {core::Verdict::park_destination, "the destination is parked"},
        {core::Verdict::rejected, "dead letter"}};
    for (const auto& row : core::status_table()) {
        const auto line =
            fmt::format("\n| {} | {} | {} |", row.status, row.name, words.at(row.verdict));
        EXPECT_NE(text.find(line), std::string::npos) << line;
    }
}

}  // namespace
}  // namespace flowrelay::app
