#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "flowrelay/app/config.hpp"

namespace flowrelay::app {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string base = "destination: {base_url: https://h.example}\n";

std::string problems_of(const std::string& text) {
    try {
        parse_config(text, "f.yaml");
    } catch (const ConfigError& e) {
        return e.what();
    }
    return "";
}

std::string problem_of_source(const std::string& source) {
    return problems_of(base + "sources:\n  - {" + source + "}\n");
}

core::EventDefaults defaults_of(const std::string& map) {
    return parse_config(base + "sources: [{name: s, flow_token_env: T, defaults: " + map + "}]",
                        "f.yaml")
        .sources.at(0)
        .rules.defaults;
}

TEST(ConfigSources, NeedsAName) {
    EXPECT_EQ(problem_of_source("flow_token_env: T"), "f.yaml:3:5: key `sources.name`: missing");
    EXPECT_THAT(problem_of_source("name: \"\", flow_token_env: T"),
                HasSubstr("\"\" is not a name"));
    EXPECT_THAT(problem_of_source("name: a b, flow_token_env: T"),
                HasSubstr("\"a b\" is not a name"));
    EXPECT_THAT(problem_of_source("name: " + std::string(65, 'a') + ", flow_token_env: T"),
                HasSubstr("1 to 64 letters"));
    EXPECT_EQ(problem_of_source("name: " + std::string(64, 'a') + ", flow_token_env: T"), "");
}

TEST(ConfigSources, CanBeRoutes) {
    const std::string longest(64, 'a');
    for (const std::string& name : {std::string("ci/ops"), longest + "/" + longest}) {
        EXPECT_EQ(problem_of_source("name: " + name + ", flow_token_env: T"), "") << name;
    }
    for (const char* name : {"ci/", "/ops", "ci/ops/x", "ci//x"}) {
        EXPECT_THAT(problem_of_source(std::string("name: ") + name + ", flow_token_env: T"),
                    HasSubstr("is not a name; 1 to 64 letters"))
            << name;
    }
    EXPECT_THAT(problem_of_source("name: ci/token-7, flow_token_env: T"),
                HasSubstr("can't be the name of a source"));
}

TEST(ConfigSources, RoutesKnowWhetherTheirEventIsTheirOwn) {
    const auto has_own_event = [](const std::string& source) {
        return parse_config(base + "sources: [{flow_token_env: T, " + source + "}]", "f.yaml")
            .sources.at(0)
            .rules.has_own_event;
    };
    EXPECT_FALSE(has_own_event("name: ci/ops"));
    EXPECT_FALSE(has_own_event("name: ci/ops, defaults: {tags: [a]}"));
    EXPECT_TRUE(has_own_event("name: ci/ops, defaults: {event: activity}"));
}

TEST(ConfigSources, RefusesTheNameOfASlot) {
    EXPECT_THAT(problem_of_source("name: token-7, flow_token_env: T"),
                HasSubstr("can't be the name of a source"));
    EXPECT_EQ(problem_of_source("name: token-7a, flow_token_env: T"), "");
}

TEST(ConfigSources, RefusesANameThatIsThereTwice) {
    EXPECT_EQ(problems_of(base + "sources:\n  - {name: a, flow_token_env: T}\n"
                                 "  - {name: a, flow_token_env: U}\n"),
              "f.yaml:4:5: key `sources.name`: \"a\" is the name of an earlier source");
}

TEST(ConfigSources, RefusesATokenThatAnEarlierSourceHas) {
    EXPECT_EQ(problems_of(base + "sources:\n  - {name: a, flow_token_env: T}\n"
                                 "  - {name: b, flow_token_env: T}\n"),
              "f.yaml:4:5: key `sources`: source \"b\" has the same token as source \"a\": each "
              "source needs its own");
}

TEST(ConfigSources, MustBeAListOfMaps) {
    EXPECT_EQ(problems_of(base + "sources: {ci: {}}"),
              "f.yaml:2:10: key `sources`: must be a list; each source begins with `- name: ...`");
    EXPECT_THAT(problems_of(base + "sources: [ci]"), HasSubstr("`sources`: must hold keys"));
}

TEST(ConfigSources, NeedsExactlyOneOriginOfItsToken) {
    EXPECT_THAT(problem_of_source("name: s"), HasSubstr("`sources.flow_token_file`: missing"));
    EXPECT_THAT(problem_of_source("name: s, flow_token_env: T, flow_token_file: /f"),
                HasSubstr("only one of"));
    EXPECT_THAT(problem_of_source("name: s, flow_token_file: \"\""), HasSubstr("missing"));
}

TEST(ConfigSources, ExplainsWhereAnInlineTokenBelongsAndDoesNotRepeatIt) {
    const std::string text = problem_of_source("name: s, flow_token: 3e2252e2e164");
    EXPECT_THAT(text,
                HasSubstr("f.yaml:3:15: key `sources.flow_token`: a token must not be in this "
                          "file"));
    EXPECT_THAT(text, HasSubstr("`flow_token_file`"));
    EXPECT_THAT(text, Not(HasSubstr("3e2252e2e164")));
    EXPECT_THAT(text, Not(HasSubstr("\n")));
}

TEST(ConfigSources, DoesNotRepeatATokenThatIsInTheWrongPlace) {
    for (const char* key : {"flow_token_file", "flow_token_credential", "flow_token_env"}) {
        const std::string text =
            problem_of_source(std::string("name: s, ") + key + ": 3e22/52e2e164");
        EXPECT_THAT(text, HasSubstr(std::string("sources.") + key + "`: must be"));
        EXPECT_THAT(text, Not(HasSubstr("52e2e164")));
    }
}

TEST(ConfigSources, DefaultToActivityEvents) {
    EXPECT_EQ(defaults_of("{}").at("event"), "\"activity\"");
    EXPECT_EQ(defaults_of("{event: discussion}").at("event"), "\"discussion\"");
}

TEST(ConfigSources, DefaultsBecomeJson) {
    EXPECT_EQ(defaults_of("{author: {name: CI, email: a@b}}").at("author"),
              R"({"name":"CI","email":"a@b"})");
    EXPECT_EQ(defaults_of("{tags: [a, 'b c', \"d\\\"e\\n\"]}").at("tags"),
              "[\"a\",\"b c\",\"d\\\"e\\n\"]");
    EXPECT_EQ(defaults_of("{x: []}").at("x"), "[]");
    EXPECT_EQ(defaults_of("{x: {}}").at("x"), "{}");
    EXPECT_EQ(defaults_of("{x: ~}").at("x"), "null");
}

TEST(ConfigSources, TreatOnlyJsonLiteralsAsLiterals) {
    const auto x = [](const std::string& value) {
        return defaults_of("{x: " + value + "}").at("x");
    };
    EXPECT_EQ(x("12"), "12");
    EXPECT_EQ(x("-0.5e+3"), "-0.5e+3");
    EXPECT_EQ(x("12345678901234567890123"), "12345678901234567890123");
    EXPECT_EQ(x("true"), "true");
    EXPECT_EQ(x("\"12\""), "\"12\"");
    EXPECT_EQ(x("'true'"), "\"true\"");
    EXPECT_EQ(x("!!str 12"), "\"12\"");
    EXPECT_EQ(x("007"), "\"007\"");
    EXPECT_EQ(x("0x10"), "\"0x10\"");
    EXPECT_EQ(x("1."), "\"1.\"");
    EXPECT_EQ(x("1e"), "\"1e\"");
    EXPECT_EQ(x("-"), "\"-\"");
    EXPECT_EQ(x("yes"), "\"yes\"");
    EXPECT_EQ(x(".nan"), "\".nan\"");
}

TEST(ConfigSources, RefuseDefaultsForMembersThatEachEventMustHave) {
    for (const char* member :
         {"flow_token", "source", "uuid", "relay", "external_thread_id", "thread_id"}) {
        const std::string text = problem_of_source(
            std::string("name: s, flow_token_env: T, defaults: {") + member + ": sesame}");
        EXPECT_THAT(text, HasSubstr(std::string("`sources.defaults.") + member + "`"));
        EXPECT_THAT(text, Not(HasSubstr("sesame")));
    }
}

TEST(ConfigSources, RefuseDefaultsThatEventsCanNotHave) {
    const auto problem = [](const std::string& defaults) {
        return problem_of_source("name: s, flow_token_env: T, defaults: {" + defaults + "}");
    };
    EXPECT_EQ(problem("author: CI"),
              "f.yaml:3:44: key `sources.defaults`: author must be an object");
    EXPECT_THAT(problem("author: {email: a@b}"), HasSubstr("author.name can't be blank"));
    EXPECT_THAT(problem("event: message"), HasSubstr("event must be activity or discussion"));
    EXPECT_THAT(problem("title: 5, tags: {}"),
                AllOf(HasSubstr("title must be a string"), HasSubstr("tags must be")));
    EXPECT_THAT(problem("thread: {status: {color: mauve}, title: x}"),
                HasSubstr("thread.status.color must be red, green"));
    EXPECT_EQ(problem("title: x, author: {name: CI}, tags: [a], own: {x: 1}"), "");
}

TEST(ConfigSources, RefuseDefaultsWithAMemberTwice) {
    EXPECT_THAT(problem_of_source("name: s, flow_token_env: T, defaults: {a: {b: 1, b: 2}}"),
                HasSubstr("is there twice"));
}

class LoadToken : public ::testing::Test {
protected:
    LoadToken() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "flowrelay-XXXXXX").string();
        directory_ = ::mkdtemp(pattern.data());
    }
    ~LoadToken() override { std::filesystem::remove_all(directory_); }

    std::string write(const std::string& name, const std::string& content, mode_t mode = 0600) {
        const std::string path = directory_ + "/" + name;
        std::ofstream(path) << content;
        ::chmod(path.c_str(), mode);
        return path;
    }

    static SourceConfig from_file(const std::string& path) {
        SourceConfig source;
        source.name = "ci";
        source.flow_token_file = path;
        return source;
    }

    static std::string problem_of(const SourceConfig& source) {
        try {
            load_token(source);
        } catch (const ConfigError& e) {
            return e.what();
        }
        return "";
    }

    std::string directory_;
};

TEST_F(LoadToken, ReadsAFileAndCutsOffLineBreaks) {
    EXPECT_EQ(load_token(from_file(write("t", "3e2252e2\r\n\n"))).reveal(), "3e2252e2");
    EXPECT_EQ(load_token(from_file(write("u", "3e2252e2", 0640))).reveal(), "3e2252e2");
    EXPECT_EQ(load_token(from_file(write("v", std::string(256, 'a') + "\n"))).reveal().size(),
              256U);
}

TEST_F(LoadToken, RefusesAFileThatOthersCanRead) {
    for (const mode_t mode :
         {mode_t{0644}, mode_t{0660}, mode_t{0604}, mode_t{0666}, mode_t{0700}}) {
        const std::string path = write("t", "3e2252e2", mode);
        EXPECT_THAT(problem_of(from_file(path)), HasSubstr("set it with: chmod 0600 " + path));
    }
}

TEST_F(LoadToken, SaysWhichFileOfWhichSourceIsMissing) {
    EXPECT_EQ(problem_of(from_file(directory_ + "/none")),
              directory_ +
                  "/none: token of source `ci`: cannot read the file: No such file or "
                  "directory");
}

TEST_F(LoadToken, RefusesAnInvalidTokenWithoutRepeatingIt) {
    EXPECT_THAT(problem_of(from_file(write("a", ""))), HasSubstr("is empty"));
    EXPECT_THAT(problem_of(from_file(write("b", "\n\n"))), HasSubstr("is empty"));
    EXPECT_THAT(problem_of(from_file(write("c", std::string(257, 'a')))),
                HasSubstr("longer than 256 bytes"));
    EXPECT_THAT(problem_of(from_file(write("d", std::string(100000, 'a')))),
                HasSubstr("longer than 256 bytes"));
    for (const char* content : {"geheim wort", "geheim\nwort", "geheim\x01", "geheim\xC3\xA4"}) {
        const std::string text = problem_of(from_file(write("e", content)));
        EXPECT_THAT(text, HasSubstr("it must hold the token and nothing else"));
        EXPECT_THAT(text, Not(HasSubstr("geheim")));
    }
}

TEST_F(LoadToken, DoesNotWaitForAPipe) {
    const std::string path = directory_ + "/pipe";
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    EXPECT_THAT(problem_of(from_file(path)), HasSubstr("is not a regular file"));
    EXPECT_THAT(problem_of(from_file(directory_)), HasSubstr("is not a regular file"));
}

TEST_F(LoadToken, ReadsTheEnvironment) {
    SourceConfig source;
    source.name = "ci";
    source.flow_token_env = "FLOWRELAY_TEST_TOKEN";
    ::unsetenv("FLOWRELAY_TEST_TOKEN");
    EXPECT_THAT(problem_of(source), HasSubstr("the environment variable is not set"));
    ::setenv("FLOWRELAY_TEST_TOKEN", "3e2252e2", 1);
    EXPECT_EQ(load_token(source).reveal(), "3e2252e2");
    ::setenv("FLOWRELAY_TEST_TOKEN", "", 1);
    EXPECT_THAT(problem_of(source), HasSubstr("is empty"));
    ::unsetenv("FLOWRELAY_TEST_TOKEN");
}

TEST_F(LoadToken, ReadsACredentialOfSystemd) {
    SourceConfig source;
    source.name = "ci";
    source.flow_token_credential = "ci.token";
    ::unsetenv("CREDENTIALS_DIRECTORY");
    EXPECT_THAT(problem_of(source), HasSubstr("use LoadCredential="));
    ::setenv("CREDENTIALS_DIRECTORY", directory_.c_str(), 1);
    EXPECT_THAT(problem_of(source), HasSubstr("No such file"));
    write("ci.token", "3e2252e2\n", 0444);
    EXPECT_EQ(load_token(source).reveal(), "3e2252e2");
    ::unsetenv("CREDENTIALS_DIRECTORY");
}

TEST_F(LoadToken, ReportsWhyAConfigurationCanNotBeRead) {
    EXPECT_THROW(
        {
            try {
                load_config(directory_ + "/none.yaml");
            } catch (const ConfigError& e) {
                EXPECT_EQ(e.what(), directory_ +
                                        "/none.yaml: cannot read the file: No such file or "
                                        "directory");
                throw;
            }
        },
        ConfigError);
    EXPECT_THROW(load_config(directory_), ConfigError);
    EXPECT_THROW(load_config(write("big.yaml", std::string((1 << 20) + 1, '#'))), ConfigError);
    EXPECT_NO_THROW(load_config(write("good.yaml", base)));
}

std::string problem_of_filter(const std::string& filter) {
    return problems_of(
        base + "sources:\n  - name: s\n    flow_token_env: T\n    filter: " + filter + "\n");
}

TEST(ConfigSources, MayHaveAFilter) {
    const auto config =
        parse_config(base +
                         "sources:\n  - name: s\n    flow_token_env: T\n    filter:\n      tags: "
                         "['#Deploy', a b]\n"
                         "      threads: [build-]\n  - name: t\n    flow_token_env: U\n",
                     "f.yaml");
    core::EventFilter filter;
    filter.tags = {"deploy", "a b"};
    filter.thread_prefixes = {"build-"};
    EXPECT_EQ(config.sources.at(0).rules.filter, core::KnownFilter(filter));
    EXPECT_FALSE(config.sources.at(1).rules.filter);
}

TEST(ConfigSources, ReportWhereAFilterIsWrong) {
    EXPECT_EQ(problem_of_filter("{tag: [a]}"),
              "f.yaml:5:14: key `sources.filter.tag`: is not known; events, tags, threads are");
    EXPECT_EQ(problem_of_filter("{events: [activity, chat]}"),
              "f.yaml:5:33: key `sources.filter.events`: \"chat\" has to be activity or "
              "discussion");
    EXPECT_THAT(problem_of_filter("{tags: deploy}"),
                HasSubstr("f.yaml:5:20: key `sources.filter.tags`: must be a list"));
    EXPECT_THAT(problem_of_filter("{tags: []}"), HasSubstr("take the key out to let all pass"));
    EXPECT_THAT(problem_of_filter("{tags: [[a]]}"), HasSubstr("is no text"));
    EXPECT_THAT(problem_of_filter("{tags: [a, '']}"), HasSubstr("\"\" can't be blank"));
    EXPECT_THAT(problem_of_filter("{tags: [a], tags: [b]}"), HasSubstr("is there twice"));
    EXPECT_THAT(problem_of_filter("{threads: [" + std::string(257, 'a') + "]}"),
                HasSubstr("is too long (at most 256 bytes)"));
    EXPECT_THAT(problem_of_filter("[a]"), HasSubstr("must hold lists, like"));
    EXPECT_THAT(problem_of_filter("{}"), HasSubstr("must hold lists, like"));
    EXPECT_THAT(problem_of_filter(""), HasSubstr("`sources.filter`: has no value"));
}

}  // namespace
}  // namespace flowrelay::app
