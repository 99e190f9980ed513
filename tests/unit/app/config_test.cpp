#include "flowrelay/app/config.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace flowrelay::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string base_config = "destination: {base_url: https://flowdock.example.com}\n";

/// Returns the problems of a text, one line each.
std::vector<std::string> problems_with(const std::string& text) {
    try {
        parse_config(text, "f.yaml");
    } catch (const ConfigError& e) {
        std::vector<std::string> lines;
        for (const ConfigProblem& problem : e.problems()) lines.push_back(to_string(problem));
        return lines;
    }
    return {};
}

std::string only_problem_of(const std::string& text) {
    const auto lines = problems_with(text);
    return lines.size() == 1 ? lines.front() : "(" + std::to_string(lines.size()) + " problems)";
}

TEST(Config, HasDefaultsForEverythingButTheBaseUrl) {
    const Config config = parse_config(base_config, "f.yaml");
    EXPECT_EQ(config.destination.base_url, "https://flowdock.example.com");
    EXPECT_EQ(config.destination.path, "/messages");
    EXPECT_EQ(config.destination.request_timeout, Seconds(30));
    EXPECT_EQ(config.destination.check_idle_sources, Hours(24));
    EXPECT_EQ(config.ingest.socket, "/run/flowrelay/ingest.sock");
    EXPECT_EQ(config.ingest.socket_mode, 0660U);
    EXPECT_TRUE(config.ingest.accept_unknown_tokens);
    EXPECT_EQ(config.spool.max_size, 4ULL << 30);
    EXPECT_EQ(config.retry.max_age, Hours(120));
    EXPECT_EQ(config.log.level, Severity::info);
    EXPECT_TRUE(config.sources.empty());
}

TEST(Config, ReadsEveryKey) {
    const Config config = parse_config(R"(
destination:
  base_url: "http://127.0.0.1:8080/prefix"
  path: /v1/messages
  ca_file: /etc/ssl/own.pem
  proxy: http://proxy.example:3128
  connect_timeout: 1500ms
  request_timeout: 1m30s
  max_connections: 7
  rate_limit: 2.5
  rate_burst: 3
  check_idle_sources: 12h
  allow_plaintext: true
ingest:
  socket: /tmp/i.sock
  socket_mode: "0600"
  socket_group: producers
  listen: "127.0.0.1:8025"
  max_event_size: 64KiB
  max_connections: 9
  unknown_tokens: reject
control: {socket: /tmp/c.sock, socket_mode: 0640, socket_group: operators}
spool: {directory: /tmp/s, max_size: 1GiB, max_events: 1000, segment_size: 1MiB, dedup_window: 0}
retry: {initial: 500ms, max: 1m, max_age: 1d}
gone: {grace: 0}
problem_reports: {after: 1s, clear_after: 1m, interval: 2m}
log: {format: json, level: debug, stats_interval: 0s}
sources:
  - {name: ci, flow_token_file: /t/ci, rate_limit: 5, defaults: {author: {name: CI}}}
  - name: web.1
    flow_token_env: WEB_TOKEN
  - name: cron
    flow_token_credential: cron.token
    report_problems: true
)",
                                       "f.yaml");
    EXPECT_EQ(config.destination.base_url, "http://127.0.0.1:8080/prefix");
    EXPECT_EQ(config.destination.path, "/v1/messages");
    EXPECT_EQ(config.destination.ca_file, "/etc/ssl/own.pem");
    EXPECT_EQ(config.destination.proxy, "http://proxy.example:3128");
    EXPECT_EQ(config.destination.connect_timeout, Milliseconds(1500));
    EXPECT_EQ(config.destination.request_timeout, Seconds(90));
    EXPECT_EQ(config.destination.max_connections, 7U);
    EXPECT_EQ(config.destination.rate_limit, 2.5);
    EXPECT_EQ(config.destination.rate_burst, 3U);
    EXPECT_EQ(config.destination.check_idle_sources, Hours(12));
    EXPECT_TRUE(config.destination.allow_plaintext);
    EXPECT_EQ(config.ingest.socket, "/tmp/i.sock");
    EXPECT_EQ(config.ingest.socket_mode, 0600U);
    EXPECT_EQ(config.ingest.socket_group, "producers");
    EXPECT_EQ(config.ingest.listen, "127.0.0.1:8025");
    EXPECT_EQ(config.ingest.max_event_size, 64U << 10);
    EXPECT_EQ(config.ingest.max_connections, 9U);
    EXPECT_FALSE(config.ingest.accept_unknown_tokens);
    EXPECT_EQ(config.control.socket, "/tmp/c.sock");
    EXPECT_EQ(config.control.socket_mode, 0640U);
    EXPECT_EQ(config.control.socket_group, "operators");
    EXPECT_EQ(config.spool.directory, "/tmp/s");
    EXPECT_EQ(config.spool.max_size, 1U << 30);
    EXPECT_EQ(config.spool.max_events, 1000U);
    EXPECT_EQ(config.spool.segment_size, 1U << 20);
    EXPECT_EQ(config.spool.dedup_window, Seconds(0));
    EXPECT_EQ(config.retry.initial, Milliseconds(500));
    EXPECT_EQ(config.retry.max, Minutes(1));
    EXPECT_EQ(config.retry.max_age, Hours(24));
    EXPECT_EQ(config.gone.grace, Seconds(0));
    EXPECT_EQ(config.problem_reports.after, Seconds(1));
    EXPECT_EQ(config.problem_reports.clear_after, Minutes(1));
    EXPECT_EQ(config.problem_reports.interval, Minutes(2));
    EXPECT_EQ(config.log.format, LogFormat::json);
    EXPECT_EQ(config.log.level, Severity::debug);
    EXPECT_EQ(config.log.stats_interval, Seconds(0));
    ASSERT_EQ(config.sources.size(), 3U);
    EXPECT_EQ(config.sources[0].name, "ci");
    EXPECT_EQ(config.sources[0].flow_token_file, "/t/ci");
    EXPECT_EQ(config.sources[0].rules.rate_limit, 5);
    EXPECT_EQ(config.sources[1].flow_token_env, "WEB_TOKEN");
    EXPECT_FALSE(config.sources[1].rules.report_problems);
    EXPECT_TRUE(config.sources[2].rules.report_problems);
    EXPECT_EQ(config.sources[2].flow_token_credential, "cron.token");
}

TEST(Config, DoesNotCheckSourcesWhenThatIsOff) {
    const auto with = [](std::string_view value) {
        return fmt::format(
            "destination: {{base_url: \"https://f.example.com\", check_idle_sources: {}}}", value);
    };
    EXPECT_EQ(parse_config(with("off"), "f").destination.check_idle_sources, Milliseconds(0));
    EXPECT_EQ(parse_config(with("\"off\""), "f").destination.check_idle_sources, Milliseconds(0));
    EXPECT_NE(only_problem_of(with("0")).find("out of range"), std::string::npos);
    EXPECT_NE(only_problem_of(with("no")).find("not a duration"), std::string::npos);
}

TEST(Config, TreatsASectionWithoutKeysAsEmpty) {
    EXPECT_THAT(problems_with(base_config + "ingest:\ncontrol: ~\nsources:\n"), ElementsAre());
}

TEST(Config, RequiresABaseUrlInAnEmptyFile) {
    EXPECT_EQ(only_problem_of(""),
              "f.yaml: key `destination.base_url`: missing; set it to the URL of the server that "
              "takes the events, like https://flowdock.example.com");
}

TEST(Config, NamesThePlaceAndTheNearestKeyOfAnUnknownKey) {
    EXPECT_EQ(only_problem_of(base_config + "ingest:\n  max_event_siz: 1MiB\n"),
              "f.yaml:3:3: key `ingest.max_event_siz`: unknown; did you mean `max_event_size`?");
}

TEST(Config, NamesTheNearestSection) {
    EXPECT_EQ(only_problem_of(base_config + "ingset: {}\n"),
              "f.yaml:2:1: key `ingset`: unknown; did you mean `ingest`?");
}

TEST(Config, FindsAKeyThatBelongsToAnotherSection) {
    EXPECT_EQ(only_problem_of(base_config + "spool: {max_age: 5d}\n"),
              "f.yaml:2:9: key `spool.max_age`: unknown here; did you mean `retry.max_age`?");
    EXPECT_EQ(only_problem_of(base_config + "segment_size: 1MiB\n"),
              "f.yaml:2:1: key `segment_size`: unknown here; did you mean `spool.segment_size`?");
}

TEST(Config, ListsTheKeysWhenNoneIsNear) {
    EXPECT_EQ(only_problem_of(base_config + "gone: {frobnicate: 1}\n"),
              "f.yaml:2:8: key `gone.frobnicate`: unknown; known here are grace");
}

TEST(Config, CollectsEveryProblemInTheOrderOfTheFile) {
    EXPECT_THAT(problems_with("log: {format: xml}\nretry: {initial: 10, max: 1y}\n"),
                ElementsAre(HasSubstr("f.yaml: key `destination.base_url`: missing"),
                            HasSubstr("f.yaml:1:15: key `log.format`"),
                            HasSubstr("f.yaml:2:18: key `retry.initial`"),
                            HasSubstr("f.yaml:2:27: key `retry.max`")));
}

TEST(Config, RefusesAKeyThatIsThereTwice) {
    EXPECT_EQ(only_problem_of(base_config + "gone:\n  grace: 1h\n  grace: 2h\n"),
              "f.yaml:4:3: key `gone.grace`: is there twice; the first is in line 3");
}

TEST(Config, SaysWhichLogFormatsThereAre) {
    EXPECT_EQ(only_problem_of(base_config + "log: {format: xml}\n"),
              "f.yaml:2:15: key `log.format`: \"xml\" is not one of text, json, journal");
}

TEST(Config, SaysWhichLogLevelIsNearest) {
    EXPECT_EQ(only_problem_of(base_config + "log: {level: warn}\n"),
              "f.yaml:2:14: key `log.level`: \"warn\" is not one of debug, info, notice, warning, "
              "error, critical; did you mean warning?");
}

TEST(Config, RefusesADurationWithoutAUnit) {
    EXPECT_EQ(only_problem_of(base_config + "retry: {max: 300}\n"),
              "f.yaml:2:14: key `retry.max`: \"300\" is not a duration; write a number and a unit, "
              "like 500ms, 10s, 5m, 2h or 5d");
}

TEST(Config, RefusesASizeWithADecimalUnit) {
    EXPECT_EQ(only_problem_of(base_config + "spool: {segment_size: 64MB}\n"),
              "f.yaml:2:23: key `spool.segment_size`: \"64MB\" is not a size; write a number and a "
              "unit, like 512B, 64KiB, 64MiB or 4GiB");
}

TEST(Config, SaysTheRangeOfANumber) {
    EXPECT_EQ(only_problem_of("destination: {base_url: https://h, max_connections: 0}"),
              "f.yaml:1:53: key `destination.max_connections`: \"0\" is out of range; from 1 to "
              "1024");
    EXPECT_THAT(only_problem_of("destination: {base_url: https://h, max_connections: 2000}"),
                HasSubstr("from 1 to 1024"));
    EXPECT_THAT(only_problem_of(base_config + "ingest: {max_connections: 99999999999999999999}"),
                HasSubstr("from 1 to 65536"));
}

TEST(Config, SaysTheRangeOfADurationAndOfASize) {
    EXPECT_THAT(only_problem_of(base_config + "retry: {max_age: 10ms}"),
                HasSubstr("from 1s to 365d"));
    EXPECT_THAT(only_problem_of(base_config + "ingest: {max_event_size: 1GiB}"),
                HasSubstr("from 1KiB to 16MiB"));
}

TEST(Config, SaysTheRangeOfARate) {
    EXPECT_THAT(only_problem_of("destination: {base_url: https://h, rate_limit: -1}"),
                HasSubstr("from 0 (no limit) to 1000000 per second"));
    EXPECT_THAT(only_problem_of("destination: {base_url: https://h, rate_limit: fast}"),
                HasSubstr("\"fast\" is not a number of events per second"));
}

TEST(Config, RefusesANumberFollowedByText) {
    EXPECT_THAT(only_problem_of(base_config + "spool: {max_events: 10k}"),
                HasSubstr("\"10k\" is not a whole number"));
}

TEST(Config, RefusesAListOrAMapWhereAValueBelongs) {
    EXPECT_THAT(only_problem_of(base_config + "gone: {grace: [1h]}"),
                HasSubstr("`gone.grace`: must be a duration like 10s, not a list"));
    EXPECT_THAT(only_problem_of(base_config + "control: {socket: {a: b}}"),
                HasSubstr("`control.socket`: must be a text, not a map"));
}

TEST(Config, RefusesAValueWhereASectionBelongs) {
    EXPECT_EQ(only_problem_of(base_config + "retry: 5s\n"),
              "f.yaml:2:8: key `retry`: must hold keys of its own");
    EXPECT_THAT(problems_with("just words"),
                ElementsAre(HasSubstr("missing"), HasSubstr("must hold sections")));
}

TEST(Config, RefusesAnInvalidBool) {
    EXPECT_THAT(only_problem_of("destination: {base_url: https://h, allow_plaintext: yes}"),
                HasSubstr("\"yes\" is not true or false"));
}

TEST(Config, RefusesAModeThatIsNotOctal) {
    for (const char* mode : {"rw-rw----", "0668", "1777", "-1"}) {
        EXPECT_THAT(only_problem_of(base_config + "ingest: {socket_mode: \"" + mode + "\"}"),
                    HasSubstr("is not a file mode"))
            << mode;
    }
}

TEST(Config, RefusesPathsThatAreNotAbsoluteOrDoNotFit) {
    EXPECT_THAT(only_problem_of(base_config + "spool: {directory: spool}"),
                HasSubstr("must be an absolute path"));
    EXPECT_THAT(only_problem_of(base_config + "ingest: {socket: /" + std::string(107, 'x') + "}"),
                HasSubstr("is longer than 107 bytes"));
    EXPECT_THAT(only_problem_of(base_config + "ingest: {socket: \"\"}"),
                HasSubstr("must not be empty"));
    EXPECT_THAT(only_problem_of(base_config + "spool: {directory: \"/a\\0b\"}"),
                HasSubstr("control characters"));
}

TEST(Config, ChecksKeysThatBelongTogether) {
    EXPECT_THAT(only_problem_of(base_config + "retry: {initial: 10s, max: 5s}"),
                HasSubstr("`retry.max`: 5s is less than retry.initial, 10s"));
    EXPECT_THAT(only_problem_of(base_config + "spool: {max_size: 100MiB}"),
                HasSubstr("`spool.max_size`: 100MiB has no room for two segments of 64MiB"));
    EXPECT_THAT(only_problem_of(base_config + "spool: {segment_size: 1MiB}"),
                HasSubstr("`ingest.max_event_size`: 1000KiB is more than half of "
                          "spool.segment_size, 1MiB"));
    EXPECT_THAT(only_problem_of(base_config + "control: {socket: /run/flowrelay/ingest.sock}"),
                HasSubstr("is the same as ingest.socket"));
    EXPECT_THAT(only_problem_of(base_config + "log: {stats_interval: 100ms}"),
                HasSubstr("must be 0 (no such lines) or at least 1s"));
}

TEST(Config, AllowsPlainHttpToThisMachineOnly) {
    EXPECT_THAT(problems_with("destination: {base_url: http://127.0.0.1:80}"), ElementsAre());
    EXPECT_THAT(problems_with("destination: {base_url: http://localhost}"), ElementsAre());
    EXPECT_THAT(problems_with("destination: {base_url: \"http://[::1]:8080\"}"), ElementsAre());
    EXPECT_THAT(only_problem_of("destination: {base_url: http://flowdock.example.com}"),
                HasSubstr("plain http would show the tokens to the network"));
    EXPECT_THAT(problems_with(
                    "destination: {base_url: http://flowdock.example.com, allow_plaintext: true}"),
                ElementsAre());
}

TEST(Config, DoesNotRepeatAPasswordInAUrl) {
    const std::string line = only_problem_of("destination: {base_url: \"https://u:geheim@h/\"}");
    EXPECT_THAT(line, HasSubstr("must not have a user or a password"));
    EXPECT_THAT(line, Not(HasSubstr("geheim")));
}

TEST(Config, ListensOnThisMachineOnly) {
    EXPECT_THAT(only_problem_of(base_config + "ingest: {listen: \"0.0.0.0:8025\"}"),
                HasSubstr("must be a loopback address"));
    EXPECT_EQ(parse_config(base_config + "metrics: {listen: \"[::1]:9100\"}", "f").metrics.listen,
              "[::1]:9100");
    EXPECT_THAT(only_problem_of(base_config + "metrics: {listen: \"0.0.0.0:9100\"}"),
                HasSubstr("`metrics.allow_remote: true`"));
    EXPECT_TRUE(
        parse_config(base_config + "metrics: {listen: \"0.0.0.0:9100\", allow_remote: true}", "f")
            .metrics.allow_remote);
    EXPECT_THAT(only_problem_of(base_config + "metrics: {listen: \"9100\"}"),
                HasSubstr("must be an address and a port, like 127.0.0.1:8025"));
}

TEST(Config, ChecksProxyAndPath) {
    EXPECT_THAT(problems_with("destination: {base_url: https://h, proxy: none}"), ElementsAre());
    EXPECT_THAT(only_problem_of("destination: {base_url: https://h, proxy: socks5://p:1}"),
                HasSubstr("must be http://host:port; no other kind of proxy is known"));
    const std::string with_password =
        only_problem_of("destination: {base_url: https://h, proxy: \"http://u:geheim@p:3128\"}");
    EXPECT_THAT(with_password, HasSubstr("name it in destination.proxy_credentials_file"));
    EXPECT_THAT(with_password, Not(HasSubstr("geheim")));
    EXPECT_THAT(only_problem_of("destination: {base_url: https://h, path: messages}"),
                HasSubstr("`destination.path`: must begin with /"));
}

TEST(Config, ReadsTheFilesOfTheDestination) {
    const auto files = parse_config(
        "destination: {base_url: https://h, client_certificate: /c.pem, client_key: /c.key, "
        "proxy_credentials_file: /p}",
        "f.yaml");
    EXPECT_EQ(files.destination.client_certificate, "/c.pem");
    EXPECT_EQ(files.destination.client_key, "/c.key");
    EXPECT_EQ(files.destination.proxy_credentials_file, "/p");
    const auto credentials = parse_config(
        "destination: {base_url: https://h, client_certificate_credential: c.pem, "
        "client_key_credential: c.key, proxy_credential: proxy}",
        "f.yaml");
    EXPECT_EQ(credentials.destination.client_certificate_credential, "c.pem");
    EXPECT_EQ(credentials.destination.client_key_credential, "c.key");
    EXPECT_EQ(credentials.destination.proxy_credential, "proxy");
}

TEST(Config, ChecksTheFilesOfTheDestinationTogether) {
    const auto problem = [](const std::string& keys, const std::string& url = "https://h") {
        return only_problem_of("destination: {base_url: \"" + url + "\", " + keys + "}");
    };
    EXPECT_THAT(problem("client_key: /k"), HasSubstr("no use without its certificate"));
    EXPECT_THAT(problem("client_key_credential: k"), HasSubstr("no use without its certificate"));
    EXPECT_THAT(problem("client_certificate: /c, client_certificate_credential: c"),
                HasSubstr("can't be there beside `client_certificate`"));
    EXPECT_THAT(problem("client_certificate_credential: ../c"),
                HasSubstr("must be the name of a systemd credential"));
    EXPECT_THAT(problem("client_certificate: /c", "http://127.0.0.1"),
                HasSubstr("no use with plain http"));
    EXPECT_THAT(problem("proxy: none, proxy_credentials_file: /p"),
                HasSubstr("no use with `proxy: none`"));
    EXPECT_THAT(problem("proxy_credentials_file: p"), HasSubstr("proxy_credentials_file"));
}

TEST(ConfigYaml, ReportsThePlaceOfSyntaxErrors) {
    EXPECT_THAT(only_problem_of("destination:\n\tbase_url: x\n"),
                HasSubstr("f.yaml:2:10: not valid YAML: "));
    EXPECT_THAT(only_problem_of("a: [b"), HasSubstr("not valid YAML: end of sequence"));
    EXPECT_THAT(only_problem_of("a: b: c"),
                HasSubstr("f.yaml:1:5: not valid YAML: illegal map value"));
}

TEST(ConfigYaml, RefusesUnusedFeaturesOfYaml) {
    EXPECT_THAT(problems_with("a: &x {b: *x}"), ElementsAre(HasSubstr("f.yaml:1:11: aliases")));
    EXPECT_THAT(problems_with("a: !!binary aGk="), ElementsAre(HasSubstr("tags (!name)")));
    EXPECT_THAT(problems_with(base_config + "---\n" + base_config),
                ElementsAre(HasSubstr("a second document")));
    EXPECT_THAT(problems_with("? {a: b}\n: c"),
                ElementsAre(HasSubstr("a key must be a plain word")));
}

TEST(ConfigYaml, SurvivesDeepNesting) {
    EXPECT_THAT(only_problem_of("a: " + std::string(100000, '[')), HasSubstr("not valid YAML"));
}

TEST(Config, ShortensLongAndStrangeValuesInMessages) {
    const std::string line =
        only_problem_of(base_config + "gone: {grace: \"\\e[31m" + std::string(500, 'x') + "\"}");
    EXPECT_THAT(line, HasSubstr("\"?[31mxxx"));
    EXPECT_LT(line.size(), 250U);
}

TEST(Config, ReadsEveryListedKey) {
    // A key that is listed but not read would be accepted and ignored. Every key refuses a list as
    // its value, except the three that take more than a word.
    for (const std::string_view full : config_keys()) {
        const std::size_t dot = full.find('.');
        const std::string section(full.substr(0, dot));
        const std::string key(full.substr(dot + 1));
        if (full == "sources.defaults" || full == "sources.allow" || full == "sources.filter") {
            continue;
        }
        const std::string wrong = key + ": [x]";
        const std::string text = section == "sources" ? base_config + "sources: [{" + wrong + "}]"
                                 : section == "destination"
                                     ? "destination: {" + wrong + "}"
                                     : base_config + section + ": {" + wrong + "}";
        EXPECT_THAT(problems_with(text),
                    testing::Contains(testing::AllOf(HasSubstr(full), HasSubstr("not a list"))));
    }
}

TEST(Config, RefusesAKeyWithoutAValueThatNeedsOne) {
    const std::string source = "sources:\n  - name: ci\n    flow_token_file: /t\n";
    for (const char* key :
         {"allow", "defaults", "filter", "rate_limit", "on_reject", "report_problems"}) {
        EXPECT_THAT(only_problem_of(base_config + source + "    " + key + ":\n"),
                    HasSubstr("no value"))
            << key;
        EXPECT_THAT(only_problem_of(base_config + source + "    " + key + ": ~\n"),
                    HasSubstr("no value"))
            << key;
    }
    EXPECT_THAT(only_problem_of(base_config + source + "    allow:\n      # - www-data\n"),
                HasSubstr("no value"));
    for (const std::string key :
         {"ingest: {unknown_tokens: }", "ingest: {max_event_size: }", "ingest: {socket_mode: }",
          "spool: {max_events: }", "retry: {max_age: }", "log: {level: }", "gone: {grace: }",
          "control: {socket: }", "dead_letters: {max_age: }", "metrics: {allow_remote: }"}) {
        EXPECT_THAT(only_problem_of(base_config + key + "\n"), HasSubstr("no value")) << key;
    }
    for (const std::string key : {"ingest:", "ingest: {listen: }", "ingest: {socket_group: }",
                                  "metrics: {listen: }", "control: {admin_group: }", "sources:"}) {
        EXPECT_THAT(problems_with(base_config + key + "\n"), ElementsAre()) << key;
    }
}

TEST(Config, RefusesTwoListenersOnOnePort) {
    const auto both = [](const std::string& ingest, const std::string& metrics) {
        return base_config + "ingest: {listen: \"" + ingest +
               "\"}\nmetrics: {allow_remote: true, listen: \"" + metrics + "\"}\n";
    };
    for (const auto& [ingest, metrics] :
         std::vector<std::pair<std::string, std::string>>{{"127.0.0.1:8025", "127.0.0.1:8025"},
                                                          {"127.0.0.1:8025", "0.0.0.0:8025"},
                                                          {"[::1]:8025", "[::]:8025"}}) {
        EXPECT_THAT(only_problem_of(both(ingest, metrics)), HasSubstr("port of ingest.listen"))
            << metrics;
    }
    EXPECT_THAT(problems_with(both("127.0.0.1:8025", "127.0.0.1:8026")), ElementsAre());
    EXPECT_THAT(problems_with(both("127.0.0.1:8025", "127.0.0.2:8025")), ElementsAre());
}

TEST(Config, RefusesABaseUrlThatContainsThePath) {
    for (const char* url : {"https://a.example/messages", "https://a.example/messages/",
                            "https://a.example/v1/messages"}) {
        EXPECT_THAT(only_problem_of("destination: {base_url: \"" + std::string(url) + "\"}\n"),
                    HasSubstr("destination.path adds"))
            << url;
    }
    EXPECT_THAT(problems_with("destination: {base_url: \"https://a.example/v1\"}\n"),
                ElementsAre());
}

TEST(Config, NamesATabInTheIndentation) {
    for (const char* text :
         {"destination:\n\tbase_url: https://a.example\n",
          "destination:\n  \tbase_url: https://a.example\n", "\tdestination: {}\n"}) {
        EXPECT_THAT(only_problem_of(text), HasSubstr("a tab in the indentation")) << text;
    }
    EXPECT_THAT(problems_with(base_config + "\t# a comment\n\t\nlog: {level: info}\t# another\n"),
                ElementsAre());
}

TEST(Config, SaysHowToWriteADefaultWithADotInItsName) {
    for (const char* member : {"author.name", "thread.title", "author.email"}) {
        EXPECT_THAT(
            problems_with(base_config + "sources:\n  - name: ci\n    flow_token_file: /t\n" +
                          "    defaults: {" + member + ": CI}\n")
                .front(),
            HasSubstr("has to be nested: `"))
            << member;
    }
}

}  // namespace
}  // namespace flowrelay::app
