// The command's calls to the daemon: each ends in time, whatever the daemon does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "cli/control_client.hpp"
#include "cli/exchange.hpp"
#include "cli/exit_code.hpp"
#include "fake_daemon.hpp"
#include "flowrelay/client/unix_stream.hpp"

namespace flowrelay::cli {
namespace {

using ::testing::HasSubstr;

constexpr Milliseconds soon{100};
constexpr Milliseconds patient{5000};

/// Returns the error of a failed call as "CODE MESSAGE".
template <class T>
std::string failure(const Result<T>& result) {
    if (result) return "none";
    return std::to_string(static_cast<int>(exit_code_of(result.error()))) + " " +
           result.error().message;
}

class Stopwatch {
public:
    Milliseconds elapsed() const {
        return std::chrono::duration_cast<Milliseconds>(MonoTime::clock::now() - start_);
    }

private:
    MonoTime start_ = MonoTime::clock::now();
};

TEST(Exchange, ReturnsTheAnswerLine) {
    const FakeDaemon daemon(
        [](FakeConnection& peer) { peer.send("answer to " + peer.line() + "\n"); });
    EXPECT_EQ(exchange(daemon.path(), "{}\n", patient).value(), "answer to {}");
}

TEST(Exchange, CarriesEventsLargerThanTheBuffersOfTheSocket) {
    const FakeDaemon daemon(
        [](FakeConnection& peer) { peer.send(std::to_string(peer.line().size()) + "\n"); });
    EXPECT_EQ(exchange(daemon.path(), std::string(4 << 20, 'x') + "\n", patient).value(),
              "4194304");
}

TEST(Exchange, ReadsAnAnswerFromADaemonThatDoesNotRead) {
    const FakeDaemon daemon([](FakeConnection& peer) { peer.send("too many connections\n"); });
    EXPECT_EQ(exchange(daemon.path(), std::string(4 << 20, 'x') + "\n", patient).value(),
              "too many connections");
}

TEST(Exchange, LimitsTheWaitForAnAnswer) {
    const FakeDaemon daemon([](FakeConnection& peer) { peer.until("never"); });
    const Stopwatch watch;
    EXPECT_EQ(failure(exchange(daemon.path(), "{}\n", soon)),
              "75 flowrelayd did not answer within 100ms: the event may have been accepted; with a "
              "--uuid sending it again is harmless");
    EXPECT_GE(watch.elapsed(), soon);
    EXPECT_LT(watch.elapsed(), Seconds(4));
}

TEST(Exchange, LimitsTheWaitForADaemonThatDoesNotRead) {
    const FakeDaemon daemon;
    const Stopwatch watch;
    EXPECT_EQ(failure(exchange(daemon.path(), std::string(4 << 20, 'x') + "\n", soon)),
              "75 flowrelayd did not answer in time");
    EXPECT_LT(watch.elapsed(), Seconds(4));
}

TEST(Exchange, LimitsTheWaitForAConnection) {
    const FakeDaemon daemon;
    const MonoTime deadline = MonoTime::clock::now() + patient;
    // Fills the queue of connections not yet accepted.
    std::vector<client::UnixStream> waiting;
    for (int i = 0; i < 8; ++i) {
        auto stream = client::UnixStream::connect(daemon.path(), MonoTime::clock::now() + soon);
        if (!stream) break;
        waiting.push_back(std::move(*stream));
    }
    ASSERT_LT(waiting.size(), 8U);
    EXPECT_THAT(failure(exchange(daemon.path(), "{}\n", soon)),
                HasSubstr("75 cannot connect to " + daemon.path() + " in time"));
    EXPECT_LT(MonoTime::clock::now(), deadline);
}

TEST(Exchange, ReportsThatTheDaemonClosedTheConnection) {
    const FakeDaemon daemon([](FakeConnection& peer) { peer.line(); }, 1000);
    EXPECT_EQ(failure(exchange(daemon.path(), "{}\n", soon)),
              "75 flowrelayd closed the connection without an answer");
}

TEST(Exchange, TriesAgainWhenTheDaemonClosedTheConnection) {
    int connections = 0;
    const FakeDaemon daemon(
        [&](FakeConnection& peer) {
            const std::string line = peer.line();
            if (++connections == 3) peer.send("answer to " + line + "\n");
        },
        3);
    EXPECT_EQ(exchange(daemon.path(), "{}\n", patient).value(), "answer to {}");
}

TEST(Exchange, WaitsForADaemonThatIsRestarting) {
    std::string path;
    {
        const FakeDaemon gone;
        path = gone.path() + ".later";
    }
    const Stopwatch watch;
    EXPECT_THAT(failure(exchange(path, "{}\n", soon)), HasSubstr("69 cannot connect to"));
    EXPECT_GE(watch.elapsed(), soon);
    FakeDaemon daemon([](FakeConnection& peer) { peer.send("answer to " + peer.line() + "\n"); });
    const std::string aside = daemon.path() + ".aside";
    ASSERT_EQ(::rename(daemon.path().c_str(), aside.c_str()), 0);
    std::thread restart([&] {
        std::this_thread::sleep_for(Milliseconds(50));
        (void)!::rename(aside.c_str(), daemon.path().c_str());
    });
    EXPECT_EQ(exchange(daemon.path(), "{}\n", patient).value(), "answer to {}");
    restart.join();
}

TEST(Exchange, ReportsThatNoDaemonRuns) {
    EXPECT_THAT(
        failure(exchange("/nowhere/ingest.sock", "{}\n", soon)),
        HasSubstr("69 cannot connect to /nowhere/ingest.sock: No such file or directory; is "
                  "flowrelayd running?"));
    EXPECT_THAT(failure(exchange("/etc/passwd/x.sock", "{}\n", patient)), HasSubstr("69 cannot"));
    EXPECT_THAT(failure(exchange("/" + std::string(200, 'x'), "{}\n", patient)),
                HasSubstr("69 cannot"));
    EXPECT_THAT(failure(exchange("", "{}\n", soon)), HasSubstr("69 cannot"));
}

TEST(ExitCode, IsNotPermittedWhenTheSocketIsClosedToTheUser) {
    EXPECT_EQ(exit_code_of(system_error(EACCES, "connect to", "x")), ExitCode::not_permitted);
    EXPECT_EQ(exit_code_of(system_error(EPERM, "connect to", "x")), ExitCode::not_permitted);
    EXPECT_EQ(exit_code_of(system_error(EMFILE, "connect to", "x")), ExitCode::try_later);
}

TEST(ControlClient, ReturnsTheBodyOfTheAnswer) {
    std::string request;
    {
        const FakeDaemon daemon([&](FakeConnection& peer) {
            request = peer.until("\r\n\r\n");
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{\"a\"");
            peer.send("}");
        });
        EXPECT_EQ(get_from_daemon(daemon.path(), "/v1/status", patient).value(), "{\"a\"}");
    }
    EXPECT_THAT(request, HasSubstr("GET /v1/status HTTP/1.1\r\nHost: localhost\r\n"));
    EXPECT_THAT(request, HasSubstr("Connection: close\r\n"));
}

TEST(ControlClient, RepeatsTheReasonOfTheDaemon) {
    const FakeDaemon daemon([](FakeConnection& peer) {
        peer.until("\r\n\r\n");
        peer.send(
            "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nno\x1b"
            "pe");
    });
    EXPECT_EQ(failure(get_from_daemon(daemon.path(), "/v1/status", patient)),
              "75 flowrelayd answered 404: no\xEF\xBF\xBDpe");
}

TEST(ControlClient, ReportsAnInvalidAnswer) {
    for (const char* answer :
         {"", "{\"status\":\"rejected\"}\n", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}"}) {
        const FakeDaemon daemon([&](FakeConnection& peer) {
            peer.until("\r\n\r\n");
            peer.send(answer);
        });
        EXPECT_THAT(failure(get_from_daemon(daemon.path(), "/v1/status", patient)),
                    HasSubstr("75 " + daemon.path() + " gave an invalid answer"));
    }
}

TEST(ControlClient, LimitsTheWait) {
    const FakeDaemon daemon([](FakeConnection& peer) { peer.until("never"); });
    EXPECT_THAT(failure(get_from_daemon(daemon.path(), "/v1/status", soon)), HasSubstr("75 "));
}

}  // namespace
}  // namespace flowrelay::cli
