#include <gtest/gtest.h>

#include <string>

#include "app/config_changes.hpp"
#include "flowrelay/app/config.hpp"

namespace flowrelay::app {
namespace {

const char* const minimal = "destination: {base_url: \"https://api.example.com\"}\n";

/// Checks that the text shown has the same meaning when it is parsed.
void expect_same(const std::string& text) {
    const Config config = parse_config(text, "f");
    const std::string shown = show_config(config);
    const Config again = parse_config(shown, "shown");
    const ConfigChanges changes = compare(config, again);
    EXPECT_TRUE(changes.live.empty() && changes.restart.empty()) << shown;
    EXPECT_TRUE(changed_sources(config, again).empty()) << shown;
    EXPECT_EQ(show_config(again), shown);
}

TEST(ShowConfig, HasEveryKeyWithItsDefault) {
    const std::string shown = show_config(parse_config(minimal, "f"));
    for (const std::string_view key : config_keys()) {
        if (key.starts_with("sources.")) continue;
        const std::string line = "\n  " + std::string(key.substr(key.find('.') + 1)) + ": ";
        EXPECT_NE(shown.find(line), std::string::npos) << key;
    }
    EXPECT_NE(shown.find("  socket_mode: \"0660\"\n"), std::string::npos) << shown;
    EXPECT_NE(shown.find("  max_size: 4GiB\n"), std::string::npos) << shown;
    EXPECT_NE(shown.find("  max_age: 5d\n"), std::string::npos) << shown;
    EXPECT_NE(shown.find("  unknown_tokens: accept\n"), std::string::npos) << shown;
}

TEST(ShowConfig, MeansTheSameWhenItIsRead) {
    expect_same(minimal);
    expect_same(
        R"(destination: {base_url: "https://api.example.com/x", rate_limit: 2.5, check_idle_sources: off}
ingest: {listen: "127.0.0.1:8025", unknown_tokens: reject, socket_mode: "0600"}
retry: {initial: 1234ms, max: 1h1m1s}
gone: {grace: 0s}
problem_reports: {after: 0s, clear_after: 1m, interval: 5m}
connect: {client_id: "4 \"x\"", client_secret_file: /etc/flowrelay/client.secret,
          redirect_uri: "http://127.0.0.1:8976/callback", scopes: flow integration,
          token_url: "https://login.example.com/token"}
log: {format: json, level: debug, stats_interval: 0s}
sources:
  - name: ci
    flow_token_file: /etc/ci.token
    rate_limit: 0.5
    allow: [root, "4711", "group:12"]
    filter: {threads: ["b\"-", "c: d"], tags: ["#Deploy", release], events: [activity]}
    defaults: {author: {name: "C \"I\""}, tags: [a, b]}
  - name: web
    flow_token_env: WEB
    report_problems: true
  - {name: ci/ops, flow_token_env: OPS}
  - {name: ci/dev, flow_token_env: DEV, defaults: {event: activity}}
)");
}

}  // namespace
}  // namespace flowrelay::app
