#include "cli/event_stream.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "fake_daemon.hpp"

namespace flowrelay::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Milliseconds stream_soon{100};
constexpr Milliseconds stream_patience{5000};
const std::string accepted = "{\"status\":\"accepted\",\"id\":\"i\"}\n";
const std::string full = "{\"status\":\"rejected\",\"code\":\"queue_full\",\"message\":\"full\"}\n";
const std::string invalid =
    "{\"status\":\"rejected\",\"code\":\"invalid_event\",\"message\":\"bad\"}\n";

/// A pipe from which the events are read. A thread writes to it, since it holds only 64 KiB.
class Input {
public:
    explicit Input(std::string text) {
        if (::pipe(ends_) != 0) throw std::runtime_error("pipe");
        writer_ = std::thread([this, text = std::move(text)] {
            std::string_view left = text;
            while (!left.empty()) {
                const ssize_t sent = ::write(ends_[1], left.data(), left.size());
                if (sent <= 0) break;
                left.remove_prefix(static_cast<std::size_t>(sent));
            }
            ::close(ends_[1]);
        });
    }
    ~Input() {
        // Otherwise a blocked writer would wait for ever.
        char rest[65536];
        while (::read(ends_[0], rest, sizeof rest) > 0) {
        }
        writer_.join();
        ::close(ends_[0]);
    }
    int descriptor() const { return ends_[0]; }

private:
    int ends_[2];
    std::thread writer_;
};

struct Sent {
    StreamResult result;
    std::vector<std::string> answers;  ///< "LINE CODE"
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;
};

Sent send_all(const std::string& text, const std::string& socket, Milliseconds wait) {
    const Input input(text);
    Sent sent;
    StreamHooks hooks;
    hooks.answered = [&](std::uint64_t line, const Answer& answer, std::string_view) {
        sent.answers.push_back(std::to_string(line) + " " +
                               (answer.accepted ? "accepted" : answer.code));
    };
    hooks.progress = [&](std::uint64_t events, std::uint64_t bytes) {
        sent.events = events;
        sent.bytes = bytes;
    };
    sent.result = send_stream(input.descriptor(), socket, wait, hooks);
    return sent;
}

FakeDaemon::Serve answer_all_with(const std::string& answer) {
    return [answer](FakeConnection& peer) {
        while (!peer.line().empty()) peer.send(answer);
    };
}

TEST(EventStream, HasAnAnswerForEachLine) {
    const FakeDaemon daemon(answer_all_with(accepted));
    const Sent sent = send_all("{}\n\n{ }\r\n{\"a\":1}", daemon.path(), stream_patience);
    EXPECT_EQ(sent.result.exit_code, ExitCode::ok);
    EXPECT_EQ(sent.result.problem, "");
    EXPECT_EQ(sent.result.counts.accepted, 3U);
    EXPECT_THAT(sent.answers, ElementsAre("1 accepted", "3 accepted", "4 accepted"));
    EXPECT_EQ(sent.events, 3U);
    EXPECT_EQ(sent.bytes, 16U);
}

TEST(EventStream, AcceptsEmptyInputEvenWithoutADaemon) {
    const Sent sent = send_all(" \n\n", "/nowhere", stream_patience);
    EXPECT_EQ(sent.result.exit_code, ExitCode::ok);
    EXPECT_THAT(sent.answers, ElementsAre());
}

TEST(EventStream, KeepsManyEventsInFlight) {
    std::atomic<int> seen{0};
    const FakeDaemon daemon([&](FakeConnection& peer) {
        for (int i = 0; i < 1000; ++i) {
            peer.line();
            ++seen;
        }
        for (int i = 0; i < 1000; ++i) peer.send(accepted);
    });
    std::string text;
    for (int i = 0; i < 1000; ++i) text += "{}\n";
    EXPECT_EQ(send_all(text, daemon.path(), stream_patience).result.counts.accepted, 1000U);
    EXPECT_EQ(seen, 1000);
}

TEST(EventStream, CarriesAMillionBytesInBothDirections) {
    const FakeDaemon daemon(answer_all_with(accepted));
    std::string text;
    for (int i = 0; i < 20000; ++i) text += "{\"a\":\"" + std::string(100, 'x') + "\"}\n";
    const Sent sent = send_all(text, daemon.path(), stream_patience);
    EXPECT_EQ(sent.result.counts.accepted, 20000U);
    EXPECT_EQ(sent.bytes, text.size());
}

TEST(EventStream, GoesOnAfterARejectedEvent) {
    int n = 0;
    const FakeDaemon daemon([&](FakeConnection& peer) {
        while (!peer.line().empty()) peer.send(++n == 2 ? invalid : accepted);
    });
    const Sent sent = send_all("{}\n{}\n{}\n", daemon.path(), stream_patience);
    EXPECT_EQ(sent.result.exit_code, ExitCode::rejected);
    EXPECT_EQ(sent.result.counts.accepted, 2U);
    EXPECT_EQ(sent.result.counts.rejected, 1U);
    EXPECT_THAT(sent.answers, ElementsAre("1 accepted", "2 invalid_event", "3 accepted"));
}

TEST(EventStream, DoesNotSendNonObjectsAndAnswersInOrder) {
    std::vector<std::string> seen;
    {
        const FakeDaemon daemon([&](FakeConnection& peer) {
            for (std::string line; !(line = peer.line()).empty(); peer.send(accepted)) {
                seen.push_back(line);
            }
        });
        const Sent sent = send_all("GET / HTTP/1.1\n{\"n\":2}\n[1]\n  {\"n\":4}\nx\n",
                                   daemon.path(), stream_patience);
        EXPECT_EQ(sent.result.exit_code, ExitCode::rejected);
        EXPECT_THAT(sent.answers, ElementsAre("1 invalid_json", "2 accepted", "3 invalid_json",
                                              "4 accepted", "5 invalid_json"));
    }
    EXPECT_THAT(seen, ElementsAre("{\"n\":2}", "  {\"n\":4}"));
}

TEST(EventStream, DoesNotSendALineThatIsTooLongForEveryDaemon) {
    const FakeDaemon daemon(answer_all_with(accepted));
    const Sent sent = send_all("{\"a\":\"" + std::string(18 << 20, 'x') + "\"}\n{}\n",
                               daemon.path(), stream_patience);
    EXPECT_THAT(sent.answers, ElementsAre("1 too_large", "2 accepted"));
}

TEST(EventStream, StopsAtATemporaryRefusal) {
    std::atomic<int> lines{0};
    std::string text;
    for (int i = 0; i < 200000; ++i) text += "{}\n";
    {
        const FakeDaemon daemon([&](FakeConnection& peer) {
            while (!peer.line().empty()) {
                ++lines;
                peer.send(full);
            }
        });
        const Sent sent = send_all(text, daemon.path(), stream_patience);
        EXPECT_EQ(sent.result.exit_code, ExitCode::try_later);
        EXPECT_THAT(sent.result.problem, HasSubstr("line 1 can't be taken now"));
        EXPECT_EQ(sent.result.counts.accepted, 0U);
        EXPECT_EQ(sent.result.stopped_at, sent.result.counts.refused + 1);
        EXPECT_EQ(sent.result.counts.unanswered, 0U);
        EXPECT_EQ(static_cast<std::uint64_t>(lines), sent.result.counts.refused);
    }
    EXPECT_LT(lines, 100000);
}

TEST(EventStream, PrefersTheExitCodeOfTemporaryRefusals) {
    int n = 0;
    const FakeDaemon daemon([&](FakeConnection& peer) {
        while (!peer.line().empty()) peer.send(++n == 1 ? invalid : full);
    });
    const Sent sent = send_all("{}\n{}\n", daemon.path(), stream_patience);
    EXPECT_EQ(sent.result.exit_code, ExitCode::try_later);
    EXPECT_EQ(sent.result.stopped_at, 0U);
}

TEST(EventStream, EndsWhenTheDaemonMakesNoProgress) {
    const FakeDaemon daemon([&](FakeConnection& peer) {
        peer.line();
        peer.send(accepted);
        peer.until("never");
    });
    const auto start = MonoTime::clock::now();
    const Sent sent = send_all("{}\n{}\n{}\n", daemon.path(), stream_soon);
    EXPECT_LT(MonoTime::clock::now() - start, Seconds(4));
    EXPECT_EQ(sent.result.exit_code, ExitCode::try_later);
    EXPECT_EQ(sent.result.problem, "flowrelayd did not answer for 100ms");
    EXPECT_EQ(sent.result.counts.accepted, 1U);
    EXPECT_EQ(sent.result.counts.unanswered, 2U);
}

TEST(EventStream, ContinuesAsLongAsThereIsProgress) {
    const FakeDaemon daemon([&](FakeConnection& peer) {
        while (!peer.line().empty()) {
            std::this_thread::sleep_for(Milliseconds(120));
            peer.send(accepted);
        }
    });
    const Sent sent = send_all("{}\n{}\n{}\n{}\n{}\n", daemon.path(), Milliseconds(400));
    EXPECT_EQ(sent.result.exit_code, ExitCode::ok);
    EXPECT_EQ(sent.result.counts.accepted, 5U);
}

TEST(EventStream, CountsTheAnswersThatAreMissingWhenTheDaemonCloses) {
    const FakeDaemon daemon([&](FakeConnection& peer) {
        for (int i = 0; i < 3; ++i) peer.line();
        peer.send(accepted);
    });
    const Sent sent = send_all("{}\n{}\n{}\n", daemon.path(), stream_soon);
    EXPECT_EQ(sent.result.exit_code, ExitCode::try_later);
    EXPECT_THAT(sent.result.problem, HasSubstr("flowrelayd"));
    EXPECT_EQ(sent.result.counts.accepted, 1U);
    EXPECT_EQ(sent.result.counts.unanswered, 2U);
}

TEST(EventStream, SendsUnansweredEventsToTheNextDaemon) {
    std::vector<std::string> seen;
    const FakeDaemon daemon(
        [&](FakeConnection& peer) {
            for (int i = 0; i < 3 && seen.size() < 7; ++i) {
                const std::string line = peer.line();
                if (line.empty()) return;
                seen.push_back(line);
                if (i < 2) peer.send(accepted);  // the third line is read and not answered
            }
        },
        4);
    const Sent sent = send_all("{1}\n{2}\n{3}\n{4}\n{5}\n", daemon.path(), stream_patience);
    EXPECT_EQ(sent.result.exit_code, ExitCode::ok) << sent.result.problem;
    EXPECT_EQ(sent.result.counts.accepted, 5U);
    EXPECT_THAT(seen, ElementsAre("{1}", "{2}", "{3}", "{3}", "{4}", "{5}", "{5}"));
}

TEST(EventStream, DoesNotSendAgainForever) {
    std::atomic<int> connections{0};
    const FakeDaemon daemon(
        [&](FakeConnection& peer) {
            ++connections;
            peer.line();
        },
        1000);
    const Sent sent = send_all("{}\n{}\n", daemon.path(), Milliseconds(300));
    EXPECT_EQ(sent.result.exit_code, ExitCode::try_later);
    EXPECT_EQ(sent.result.counts.unanswered, 2U);
    EXPECT_GT(connections, 1);
}

TEST(EventStream, ReconnectsWhenTheDaemonRestartedDuringAPause) {
    const FakeDaemon daemon(
        [](FakeConnection& peer) {
            peer.line();
            peer.send(accepted);
        },
        2);
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    ASSERT_EQ(::write(ends[1], "{}\n", 3), 3);
    int answers = 0;
    StreamHooks hooks;
    hooks.ticks = true;
    hooks.answered = [&](std::uint64_t, const Answer&, std::string_view) { ++answers; };
    int ticks_after_answer = 0;
    hooks.progress = [&](std::uint64_t events, std::uint64_t) {
        // Write the second line when the end of the first connection has been noticed.
        if (events == 1 && ++ticks_after_answer == 4) {
            EXPECT_EQ(::write(ends[1], "{}\n", 3), 3);
            ::close(ends[1]);
        }
    };
    const StreamResult result = send_stream(ends[0], daemon.path(), stream_patience, hooks);
    ::close(ends[0]);
    EXPECT_EQ(result.exit_code, ExitCode::ok);
    EXPECT_EQ(answers, 2);
}

TEST(EventStream, ReportsTheFirstLineThatWasNotSent) {
    const Sent sent = send_all("x\n{}\n{}\n", "/nowhere/ingest.sock", stream_soon);
    EXPECT_EQ(sent.result.exit_code, ExitCode::unavailable);
    EXPECT_THAT(sent.result.problem, HasSubstr("is flowrelayd running?"));
    EXPECT_EQ(sent.result.stopped_at, 2U);
    EXPECT_THAT(sent.answers, ElementsAre("1 invalid_json"));
}

TEST(EventStream, DoesNotTrustMoreAnswersThanEvents) {
    const FakeDaemon daemon([&](FakeConnection& peer) {
        peer.line();
        peer.send(accepted + accepted + accepted);
        peer.until("never");
    });
    const Sent sent = send_all("{}\n", daemon.path(), stream_patience);
    EXPECT_EQ(sent.result.exit_code, ExitCode::try_later);
    EXPECT_THAT(sent.result.problem, HasSubstr("more answers than events"));
}

}  // namespace
}  // namespace flowrelay::cli
