#include "flowrelay/app/logging.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spdlog/sinks/ostream_sink.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <chrono>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "flowrelay/core/log_events.hpp"

namespace flowrelay::app {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr LogEvent retry_event{"delivery.retry", Severity::warning, "waits"};
const WallTime at = WallTime(Milliseconds(1'795'424'400'123));

class FixedClock final : public Clock {
public:
    Now now() const override { return {MonoTime(), at}; }
};

std::string line(LogFormat format, std::initializer_list<LogField> fields, bool journal = false) {
    return format_log_line(format, journal, at, retry_event, {fields.begin(), fields.size()});
}

std::string text(std::initializer_list<LogField> fields) {
    return line(LogFormat::text, fields);
}
std::string json(std::initializer_list<LogField> fields) {
    return line(LogFormat::json, fields);
}

/// Returns a value as it appears in a text line.
std::string value_of(std::string_view value) {
    const std::string all = text({{"k", value}});
    return all.substr(all.find(" k=") + 3);
}

TEST(LogText, IsLogfmtWithTimeAndSeverity) {
    EXPECT_EQ(text({{"source", "ci"}, {"thread", "build-42"}, {"status", 503}, {"next_in", "8s"}}),
              "2026-11-23T09:00:00.123Z warning event=delivery.retry source=ci thread=build-42 "
              "status=503 next_in=8s");
}

TEST(LogText, WritesEveryTypeOfValue) {
    EXPECT_THAT(
        text({{"a", -1}, {"b", std::uint64_t{18446744073709551615U}}, {"c", 0.5}, {"d", true}}),
        EndsWith(" a=-1 b=18446744073709551615 c=0.5 d=true"));
}

TEST(LogText, HasAPriorityAndNoTimeForTheJournal) {
    EXPECT_EQ(line(LogFormat::text, {{"a", 1}}, true), "<4>warning event=delivery.retry a=1");
}

TEST(LogText, HasThePriorityOfEachSeverity) {
    const auto priority = [](Severity severity) {
        return format_log_line(LogFormat::text, true, at, LogEvent{"e", severity, ""}, {})
            .substr(0, 3);
    };
    EXPECT_EQ(priority(Severity::debug), "<7>");
    EXPECT_EQ(priority(Severity::info), "<6>");
    EXPECT_EQ(priority(Severity::notice), "<5>");
    EXPECT_EQ(priority(Severity::warning), "<4>");
    EXPECT_EQ(priority(Severity::error), "<3>");
    EXPECT_EQ(priority(Severity::critical), "<2>");
}

TEST(LogText, QuotesWhatIsNotAPlainWord) {
    EXPECT_EQ(value_of("plain-1.2:3/4"), "plain-1.2:3/4");
    EXPECT_EQ(value_of(""), "\"\"");
    EXPECT_EQ(value_of("two words"), "\"two words\"");
    EXPECT_EQ(value_of("a=b"), "\"a=b\"");
    EXPECT_EQ(value_of("say \"hi\""), R"("say \"hi\"")");
    EXPECT_EQ(value_of("back\\slash"), R"("back\\slash")");
    EXPECT_EQ(value_of("größe"), "\"größe\"");
}

TEST(LogText, DoesNotLetAValueForgeALine) {
    const std::string forged =
        text({{"thread", "x\n2026-11-23T09:00:00.123Z critical event=relay.failed"}});
    EXPECT_THAT(forged, Not(HasSubstr("\n")));
    EXPECT_THAT(forged, HasSubstr(R"(thread="x\n2026-11-23T)"));
    EXPECT_THAT(text({{"thread", "x\" event=relay.failed y=\""}}),
                EndsWith(R"(thread="x\" event=relay.failed y=\"")"));
}

TEST(LogText, EscapesControlCharacters) {
    EXPECT_EQ(value_of("a\r\tb"), R"("a\r\tb")");
    EXPECT_EQ(value_of(std::string_view("\0\x1b[31m\x7f", 7)), "\"\\u0000\\u001b[31m\\u007f\"");
    EXPECT_EQ(value_of("\xC2\x85"), "\"\\u0085\"");            // next line (C1)
    EXPECT_EQ(value_of("\xE2\x80\xA8"), "\"\\u2028\"");        // line separator
    EXPECT_EQ(value_of("\xE2\x80\xAEgnp"), "\"\\u202egnp\"");  // right-to-left override
}

TEST(LogText, ReplacesInvalidUtf8) {
    const std::string bad = "\xEF\xBF\xBD";
    EXPECT_EQ(value_of("a\xFFz"), "\"a" + bad + "z\"");
    EXPECT_EQ(value_of("\xC3"), "\"" + bad + "\"");                                // cut off
    EXPECT_EQ(value_of("\xC0\xAF"), "\"" + bad + bad + "\"");                      // overlong
    EXPECT_EQ(value_of("\xE0\x80\xAF"), "\"" + bad + bad + bad + "\"");            // overlong
    EXPECT_EQ(value_of("\xED\xA0\x80"), "\"" + bad + bad + bad + "\"");            // surrogate
    EXPECT_EQ(value_of("\xF4\x90\x80\x80"), "\"" + bad + bad + bad + bad + "\"");  // beyond Unicode
    EXPECT_EQ(value_of("\xF0\x9F\x98\x80"), "\"\xF0\x9F\x98\x80\"");               // valid
}

TEST(LogText, CutsLongValuesBetweenCharacters) {
    const std::string cut = value_of(std::string(2047, 'a') + "ä");
    EXPECT_EQ(cut, "\"" + std::string(2047, 'a') + "…\"");
    EXPECT_EQ(value_of(std::string(2047, 'a')), std::string(2047, 'a'));
}

TEST(LogJson, IsOneObjectPerLine) {
    EXPECT_EQ(json({{"source", "ci"}, {"status", 503}, {"again", false}}),
              R"({"time":"2026-11-23T09:00:00.123Z","severity":"warning","event":"delivery.retry",)"
              R"("source":"ci","status":503,"again":false})");
}

TEST(LogJson, StaysJsonWhateverTheValuesAre) {
    std::string all;
    for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
    const std::string written = json({{"k", all},
                                      {"nan", std::nan("")},
                                      {"inf", std::numeric_limits<double>::infinity()},
                                      {"rate", 2.5}});
    EXPECT_THAT(written, Not(HasSubstr("\n")));
    const auto object = boost::json::parse(written).as_object();
    EXPECT_TRUE(object.at("nan").is_null());
    EXPECT_TRUE(object.at("inf").is_null());
    EXPECT_EQ(object.at("rate").as_double(), 2.5);
    EXPECT_TRUE(object.at("k").as_string().starts_with(std::string_view("\0\x01", 2)));
}

TEST(MakeLog, WritesLinesFromTheLevelUp) {
    std::ostringstream out;
    const FixedClock clock;
    LogConfig config;
    config.level = Severity::notice;
    const auto log =
        make_log(config, std::make_shared<spdlog::sinks::ostream_sink_mt>(out), false, clock);
    EXPECT_FALSE(log->enabled(Severity::info));
    EXPECT_TRUE(log->enabled(Severity::notice));
    log->write(LogEvent{"a.b", Severity::info, ""});
    log->write(LogEvent{"c.d", Severity::notice, ""}, {{"percent", "%v {} %"}});
    EXPECT_EQ(out.str(), "2026-11-23T09:00:00.123Z notice event=c.d percent=\"%v {} %\"\n");
}

TEST(MakeLog, KeepsLinesOfSeveralThreadsApart) {
    std::ostringstream out;
    const FixedClock clock;
    const auto log =
        make_log(LogConfig{}, std::make_shared<spdlog::sinks::ostream_sink_mt>(out), false, clock);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 200; ++i) log->write(retry_event, {{"k", std::string(100, 'x')}});
        });
    }
    for (std::thread& thread : threads) thread.join();
    const std::string expected = text({{"k", std::string(100, 'x')}});
    std::istringstream lines(out.str());
    int count = 0;
    for (std::string got; std::getline(lines, got); ++count) EXPECT_EQ(got, expected);
    EXPECT_EQ(count, 800);
}

class ThrowingSink final : public spdlog::sinks::sink {
public:
    void log(const spdlog::details::log_msg&) override { throw std::runtime_error("full"); }
    void flush() override { throw std::runtime_error("full"); }
    void set_pattern(const std::string&) override {}
    void set_formatter(std::unique_ptr<spdlog::formatter>) override {}
};

TEST(MakeLog, SurvivesABrokenOutput) {
    const FixedClock clock;
    const auto log = make_log(LogConfig{}, std::make_shared<ThrowingSink>(), false, clock);
    ::testing::internal::CaptureStderr();
    log->write(retry_event, {{"k", 1}});
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(MakeLog, WritesToStderr) {
    const FixedClock clock;
    ::unsetenv("JOURNAL_STREAM");
    ::testing::internal::CaptureStderr();
    make_log(LogConfig{}, clock)->write(retry_event, {{"k", 1}});
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), text({{"k", 1}}) + "\n");
}

TEST(IsJournalStream, ComparesDeviceAndInode) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    struct stat status{};
    ASSERT_EQ(::fstat(ends[0], &status), 0);
    const std::string own = std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
    ::setenv("JOURNAL_STREAM", own.c_str(), 1);
    EXPECT_TRUE(is_journal_stream(ends[0]));
    ::setenv("JOURNAL_STREAM", "8:1", 1);
    EXPECT_FALSE(is_journal_stream(ends[0]));
    ::unsetenv("JOURNAL_STREAM");
    EXPECT_FALSE(is_journal_stream(ends[0]));
    EXPECT_FALSE(is_journal_stream(-1));
    ::close(ends[0]);
    ::close(ends[1]);
}

// ---- a reader that does not read

/// The two ends of a pipe, socket or terminal.
struct Ends {
    int read = -1;
    int write = -1;
    std::string name;
};

std::vector<Ends> unread_outputs() {
    std::vector<Ends> all;
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) == 0) all.push_back({fds[0], fds[1], "pipe"});
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0) {
        all.push_back({fds[0], fds[1], "socket"});
    }
    const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal >= 0 && ::grantpt(terminal) == 0 && ::unlockpt(terminal) == 0) {
        const int side = ::open(::ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (side >= 0) all.push_back({terminal, side, "terminal"});
    }
    return all;
}

/// Returns all that can be read without waiting.
std::string read_all(int fd) {
    std::string text;
    char buffer[4096];
    pollfd state{fd, POLLIN, 0};
    while (::poll(&state, 1, 5) > 0) {
        const auto n = ::read(fd, buffer, sizeof buffer);
        if (n <= 0) break;
        text.append(buffer, static_cast<std::size_t>(n));
    }
    return text;
}

TEST(LogOutput, LosesLinesRatherThanWait) {
    const SystemClock clock;
    for (const Ends& ends : unread_outputs()) {
        for (const std::size_t length : {10U, 500U, 9000U}) {
            const auto log = make_descriptor_log(LogConfig(), ends.write, false, clock);
            const std::string filler(length, 'x');
            constexpr int lines = 3000;
            const auto begin = std::chrono::steady_clock::now();
            for (int i = 0; i < lines; ++i) {
                log->write(core::log_events::relay_ready, {{"number", i}, {"filler", filler}});
            }
            EXPECT_LT(std::chrono::steady_clock::now() - begin, Seconds(5)) << ends.name;
            // Written lines arrive whole and in order; the others are counted.
            std::string text = read_all(ends.read);
            for (int i = 0; i < 40; ++i) {
                log->write(core::log_events::relay_ready, {{"number", "later"}});
                text += read_all(ends.read);
            }
            std::uint64_t written = 0;
            std::uint64_t lost = 0;
            std::istringstream in(text);
            for (std::string line; std::getline(in, line);) {
                EXPECT_NE(line.find("event=relay.ready number="), std::string::npos) << line;
                if (line.find("number=later") == line.npos) ++written;
                const auto place = line.find(" lost=");
                if (place != line.npos) lost += std::stoull(line.substr(place + 6));
            }
            EXPECT_EQ(written + lost, static_cast<std::uint64_t>(lines))
                << ends.name << " " << length;
        }
        ::close(ends.read);
        ::close(ends.write);
    }
}

TEST(LogOutput, LosesNothingToWhoReads) {
    const SystemClock clock;
    int fds[2];
    ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    std::string text;
    {
        const auto log = make_descriptor_log(LogConfig(), fds[1], false, clock);
        for (int i = 0; i < 2000; ++i) {
            log->write(core::log_events::relay_ready, {{"number", i}});
            if (i % 100 == 0) text += read_all(fds[0]);
        }
    }
    ::close(fds[1]);
    text += read_all(fds[0]);
    ::close(fds[0]);
    EXPECT_EQ(std::ranges::count(text, '\n'), 2000);
    EXPECT_EQ(text.find("lost="), text.npos);
}

}  // namespace
}  // namespace flowrelay::app
