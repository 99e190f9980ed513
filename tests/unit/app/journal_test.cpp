#include "app/journal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "flowrelay/app/logging.hpp"
#include "support/recording_log.hpp"

namespace flowrelay::app {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr LogEvent retry{"delivery.retry", Severity::warning, "waits",
                         "0123456789abcdef0123456789abcdef"};

std::string entry(std::initializer_list<LogField> fields, std::string_view message = "m") {
    return format_journal_entry(message, retry, {fields.begin(), fields.size()});
}

TEST(JournalEntry, HasTheFieldsThatTheJournalKnowsAndThoseOfTheLine) {
    EXPECT_EQ(entry({{"source", "ci"}, {"status", 503}, {"next_in", "8s"}, {"again", true}},
                    "warning event=delivery.retry source=ci"),
              "MESSAGE=warning event=delivery.retry source=ci\n"
              "PRIORITY=4\n"
              "SYSLOG_IDENTIFIER=flowrelayd\n"
              "MESSAGE_ID=0123456789abcdef0123456789abcdef\n"
              "FLOWRELAY_EVENT=delivery.retry\n"
              "FLOWRELAY_SOURCE=ci\n"
              "FLOWRELAY_STATUS=503\n"
              "FLOWRELAY_NEXT_IN=8s\n"
              "FLOWRELAY_AGAIN=true\n");
}

TEST(JournalEntry, HasTheNameOfAnotherProgram) {
    EXPECT_THAT(format_journal_entry("m", retry, {}, "flowrelay-connect"),
                HasSubstr("\nSYSLOG_IDENTIFIER=flowrelay-connect\n"));
}

TEST(JournalEntry, HasNoMessageIdWhenTheEventHasNone) {
    EXPECT_THAT(format_journal_entry("m", LogEvent{"a.b", Severity::info, ""}, {}),
                Not(HasSubstr("MESSAGE_ID")));
}

TEST(JournalEntry, PutsTheLengthBeforeAValueWithLineBreaks) {
    const std::string forged = entry({{"thread", "x\nPRIORITY=0"}});
    EXPECT_THAT(forged, EndsWith(std::string("FLOWRELAY_THREAD\n\x0c\0\0\0\0\0\0\0", 25) +
                                 "x\nPRIORITY=0\n"));
}

TEST(JournalEntry, IsBoundedAndValidUtf8) {
    const std::string endless(1 << 20, 'x');
    const std::string big =
        entry({{"a", endless}, {"b", endless}, {"c", endless}, {"d", endless}}, endless);
    EXPECT_LT(big.size(), 20'000U);
    EXPECT_THAT(big, HasSubstr("FLOWRELAY_D=" + std::string(2048, 'x') + "\n"));
    EXPECT_THAT(entry({{"k", "a\xFFz"}}), EndsWith("FLOWRELAY_K=a\xEF\xBF\xBDz\n"));
    EXPECT_THAT(entry({{"k", std::string(2047, 'x') + "\xC3\xA4"}}),
                EndsWith("x\n"));  // the last character is not cut in half
}

TEST(SyslogPriority, IncreasesAsTheSeverityDecreases) {
    EXPECT_EQ(syslog_priority(Severity::critical), 2);
    EXPECT_EQ(syslog_priority(Severity::error), 3);
    EXPECT_EQ(syslog_priority(Severity::warning), 4);
    EXPECT_EQ(syslog_priority(Severity::notice), 5);
    EXPECT_EQ(syslog_priority(Severity::info), 6);
    EXPECT_EQ(syslog_priority(Severity::debug), 7);
}

/// A stand-in for journald.
class FakeJournal {
public:
    FakeJournal() {
        char name[] = "/tmp/flowrelay-journal-XXXXXX";
        directory_ = ::mkdtemp(name);
        path_ = directory_ + "/socket";
    }
    ~FakeJournal() {
        close();
        ::rmdir(directory_.c_str());
    }

    void listen() {
        fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path_.data(), path_.size());
        ASSERT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    }
    void close() {
        ::close(fd_);
        ::unlink(path_.c_str());
        fd_ = -1;
    }
    /// Returns the next entry; empty if there is none.
    std::string receive() {
        std::string entry(1 << 16, '\0');
        const ssize_t size = ::recv(fd_, entry.data(), entry.size(), 0);
        entry.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
        return entry;
    }
    const std::string& path() const { return path_; }

private:
    std::string directory_;
    std::string path_;
    int fd_ = -1;
};

class JournalLog : public ::testing::Test {
protected:
    void make(Severity level = Severity::info) {
        auto fallback = std::make_unique<test::RecordingLog>();
        fallback_ = fallback.get();
        log_ = make_journal_log(level, journal_.path(), std::move(fallback));
    }

    FakeJournal journal_;
    test::RecordingLog* fallback_ = nullptr;
    std::unique_ptr<LeveledLog> log_;
};

TEST_F(JournalLog, SendsTheLineOfTextAndItsFields) {
    journal_.listen();
    make();
    log_->write(retry, {{"source", "ci"}, {"reason", "try later"}});
    const std::string got = journal_.receive();
    EXPECT_THAT(got, HasSubstr("MESSAGE=warning event=delivery.retry source=ci "
                               "reason=\"try later\"\n"));
    EXPECT_THAT(got, HasSubstr("\nFLOWRELAY_REASON=try later\n"));
    EXPECT_TRUE(fallback_->lines.empty());
}

TEST_F(JournalLog, WritesFromItsLevelWhichCanChange) {
    journal_.listen();
    make(Severity::error);
    log_->write(retry, {});
    EXPECT_EQ(journal_.receive(), "");
    log_->set_level(Severity::debug);
    EXPECT_TRUE(log_->enabled(Severity::debug));
    log_->write(retry, {});
    EXPECT_NE(journal_.receive(), "");
}

TEST_F(JournalLog, FallsBackWhileTheJournalIsAbsentAndReturnsAfterwards) {
    make();
    log_->write(retry, {{"n", 1}});
    EXPECT_EQ(fallback_->lines.size(), 1U);
    journal_.listen();
    log_->write(retry, {{"n", 2}});
    EXPECT_THAT(journal_.receive(), HasSubstr("FLOWRELAY_N=2\n"));
    journal_.close();
    log_->write(retry, {{"n", 3}});
    EXPECT_EQ(fallback_->lines.size(), 2U);
    journal_.listen();
    log_->write(retry, {{"n", 4}});
    EXPECT_THAT(journal_.receive(), HasSubstr("FLOWRELAY_N=4\n"));
    EXPECT_EQ(fallback_->lines.size(), 2U);
}

TEST_F(JournalLog, CountsLinesThatABlockedJournalLost) {
    journal_.listen();
    make();
    // The kernel queues some of them (net.unix.max_dgram_qlen); the rest is lost.
    constexpr int written = 2000;
    for (int i = 0; i < written; ++i) log_->write(retry, {{"n", i}});
    int received = 0;
    while (!journal_.receive().empty()) ++received;
    ASSERT_LT(received, written);
    log_->write(retry, {{"n", "last"}});
    EXPECT_THAT(journal_.receive(),
                HasSubstr("FLOWRELAY_LOST=" + std::to_string(written - received) + "\n"));
    log_->write(retry, {{"n", "after"}});
    EXPECT_THAT(journal_.receive(), Not(HasSubstr("LOST")));
    EXPECT_TRUE(fallback_->lines.empty());
}

}  // namespace
}  // namespace flowrelay::app
