// The NDJSON protocol over a real socket pair, with a real engine on a simulated disk.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "flowrelay/runtime/ingest_session.hpp"
#include "flowrelay/runtime/spawn.hpp"
#include "flowrelay/runtime/storage_thread.hpp"
#include "memory_stores.hpp"
#include "support/recording_log.hpp"

namespace flowrelay::runtime {
namespace {

std::string event(int number, const std::string& more = "") {
    return R"({"flow_token":"t0ken","event":"activity","title":"x","author":{"name":"a"},)"
           R"("external_thread_id":"t","uuid":"u)" +
           std::to_string(number) + "\"" + more + "}\n";
}

class IngestSessionTest : public testing::Test {
protected:
    IngestSessionTest() {
        int fds[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        producer_ = fds[0];
        const timeval patience{20, 0};
        ::setsockopt(producer_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        limits_.max_event_size = 2000;
        limits_.batch_patience = Milliseconds(300);
        StreamSocket socket(io_, boost::asio::generic::stream_protocol(AF_UNIX, 0), fds[1]);
        session_ = make_ingest_session(std::move(socket), engine_, limits_);
    }

    ~IngestSessionTest() override {
        ::close(producer_);
        if (thread_.joinable()) thread_.join();
        storage_.stop();
    }

    /// Serves the session on a separate thread, like the daemon's I/O thread.
    void serve() {
        spawn(io_.get_executor(), run());
        thread_ = std::thread([this] { io_.run_for(std::chrono::seconds(30)); });
    }

    boost::asio::awaitable<void> run() {
        co_await session_->run();
        session_->abort();
        io_.stop();
    }

    void say(const std::string& text) {
        std::size_t sent = 0;
        while (sent < text.size()) {
            const auto n = ::send(producer_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
            ASSERT_GT(n, 0);
            sent += static_cast<std::size_t>(n);
        }
    }

    void finish() { ::shutdown(producer_, SHUT_WR); }

    /// Reads `count` lines, or fewer if the connection ends.
    std::vector<std::string> hear(std::size_t count) {
        std::vector<std::string> lines;
        while (lines.size() < count) {
            const auto end = heard_.find('\n');
            if (end != std::string::npos) {
                lines.push_back(heard_.substr(0, end));
                heard_.erase(0, end + 1);
                continue;
            }
            char buffer[4096];
            const auto n = ::recv(producer_, buffer, sizeof buffer, 0);
            if (n <= 0) break;
            heard_.append(buffer, static_cast<std::size_t>(n));
        }
        return lines;
    }

    static std::string accepted(int number) {
        return R"({"status":"accepted","id":"u)" + std::to_string(number) + "\"}";
    }

    boost::asio::io_context io_{1};
    test::RecordingLog log_;
    test::SimFileSystem fs_{1};
    SystemClock clock_;
    core::Relay relay_{core::RelayOptions(), Salt{}, {}, Random(1), log_};
    StorageThread storage_{test::open_spool(fs_, log_), io_.get_executor()};
    Engine engine_{io_.get_executor(), relay_, storage_, clock_};
    std::optional<IngestBudget::Share> others_;
    IngestLimits limits_;
    int producer_ = -1;
    std::shared_ptr<Session> session_;
    std::thread thread_;
    std::string heard_;
};

TEST_F(IngestSessionTest, PipelinedLinesAreAnsweredInOrder) {
    serve();
    std::string all;
    for (int i = 0; i < 500; ++i) all += event(i);
    say(all);
    const auto answers = hear(500);
    ASSERT_EQ(answers.size(), 500U);
    for (int i = 0; i < 500; ++i) EXPECT_EQ(answers[static_cast<std::size_t>(i)], accepted(i));
}

TEST_F(IngestSessionTest, AnEventInPiecesIsOneEvent) {
    serve();
    for (const char c : event(1)) say(std::string(1, c));
    EXPECT_EQ(hear(1).front(), accepted(1));
}

TEST_F(IngestSessionTest, WhoDoesNotReadItsAnswersIsNotReadFromAnyLongerThanFits) {
    const std::uint64_t budget = EngineOptions().unread_budget;
    others_.emplace(engine_.unread());
    ASSERT_TRUE(others_->resize(budget + IngestBudget::Share::free));
    const int room = 4096;
    ::setsockopt(producer_, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    serve();
    std::string lines;
    for (int i = 0; i < 20'000; ++i) lines += "{}\n";
    std::thread sender([&] { say(lines); });
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    std::uint64_t refused = 0;
    for (bool more = true; more && std::chrono::steady_clock::now() < end;) {
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        std::promise<std::uint64_t> now;
        boost::asio::post(io_, [&] { now.set_value(relay_.counters().rejected); });
        more = std::exchange(refused, now.get_future().get()) != refused || refused == 0;
    }
    EXPECT_LT(refused, 10'000U) << "what nobody reads fills the memory";
    EXPECT_EQ(hear(20'000).size(), 20'000U) << "it goes on when they are read";
    sender.join();
}

TEST_F(IngestSessionTest, AnEventOutOfTurnDoesNotWaitForThoseWhoHaveMuchToSay) {
    serve();
    std::promise<void> begun;
    std::atomic<bool> stop{false};
    std::atomic<int> running{200};
    const auto busy = [&]() -> boost::asio::awaitable<void> {
        while (!stop) {
            co_await engine_.wait_for_turn();
            const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(1);
            while (std::chrono::steady_clock::now() < until) continue;
        }
        --running;
    };
    boost::asio::post(io_, [&] {
        for (int i = 0; i < 200; ++i) spawn(io_.get_executor(), busy());
        begun.set_value();
    });
    begun.get_future().wait();
    const auto since = std::chrono::steady_clock::now();
    for (int i = 0; i < 20; ++i) {
        say(event(i));
        EXPECT_EQ(hear(1).size(), 1U);
    }
    const auto took = std::chrono::steady_clock::now() - since;
    stop = true;
    while (running > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_LT(took, std::chrono::seconds(3)) << "each would wait for 200 others";
}

TEST_F(IngestSessionTest, ALastLineNeedsNoLineBreak) {
    serve();
    std::string last = event(1);
    last.pop_back();
    say(last);
    finish();
    EXPECT_EQ(hear(2), std::vector<std::string>{accepted(1)});
}

TEST_F(IngestSessionTest, AnEventThatStopsInTheMiddleIsNotAccepted) {
    serve();
    say(event(1) + event(2).substr(0, 50));
    finish();
    const auto answers = hear(3);
    ASSERT_EQ(answers.size(), 2U);
    EXPECT_EQ(answers[0], accepted(1));
    EXPECT_NE(answers[1].find("invalid_json"), std::string::npos);
}

TEST_F(IngestSessionTest, ALineOverTheLimitHarmsNoOther) {
    serve();
    const std::string padding = ",\"body\":\"" + std::string(300'000, 'x') + "\"";
    say(event(1) + event(2, padding) + event(3));
    const auto answers = hear(3);
    ASSERT_EQ(answers.size(), 3U);
    EXPECT_EQ(answers[0], accepted(1));
    EXPECT_NE(answers[1].find("\"too_large\""), std::string::npos);
    EXPECT_EQ(answers[2], accepted(3));
}

TEST_F(IngestSessionTest, EmptyLinesAreSkippedAndBadOnesAnswered) {
    serve();
    say("\n \r\n" + event(1) + "{]\nnonsense\n" + event(2));
    const auto answers = hear(4);
    ASSERT_EQ(answers.size(), 4U);
    EXPECT_EQ(answers[0], accepted(1));
    EXPECT_NE(answers[1].find("invalid_json"), std::string::npos);
    EXPECT_NE(answers[2].find("invalid_json"), std::string::npos);
    EXPECT_EQ(answers[3], accepted(2));
}

TEST_F(IngestSessionTest, WhoDoesNotReadTheAnswersIsNotReadFromEither) {
    serve();
    const timeval soon{0, 300'000};
    ::setsockopt(producer_, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon);
    const std::string line = "{nonsense}\n";
    const std::size_t plenty = 16 << 20;  // the answers are ten times as long
    std::size_t lines = 0;
    while (lines * line.size() < plenty) {
        const auto n = ::send(producer_, line.data(), line.size(), MSG_NOSIGNAL);
        if (n != static_cast<ssize_t>(line.size())) break;
        ++lines;
    }
    EXPECT_LT(lines * line.size(), plenty);
    finish();
    EXPECT_GE(hear(plenty).size(), lines);
}

TEST_F(IngestSessionTest, ADuplicateInTheSameBreathIsOne) {
    serve();
    say(event(1) + event(1));
    const auto answers = hear(2);
    ASSERT_EQ(answers.size(), 2U);
    EXPECT_EQ(answers[1], R"({"status":"accepted","id":"u1","duplicate":true})");
}

TEST_F(IngestSessionTest, ADuplicateOfAnEventThatCouldNotBeStoredIsNotAccepted) {
    fs_.fail_next(test::SimOp::sync, EIO);
    serve();
    say(event(1) + event(1));
    for (const auto& answer : hear(2)) {
        EXPECT_NE(answer.find("storage_failed"), std::string::npos) << answer;
    }
}

TEST_F(IngestSessionTest, AFinishedSessionAnswersWhatItHasRead) {
    serve();
    say(event(1));
    EXPECT_EQ(hear(1).front(), accepted(1));
    boost::asio::post(io_, [this] { session_->finish(); });
    EXPECT_TRUE(hear(1).empty()) << "and then it ends";
}

TEST_F(IngestSessionTest, AProducerThatGoesAwayTakesNothingWithIt) {
    serve();
    std::string all;
    for (int i = 0; i < 100; ++i) all += event(i);
    say(all);
    ::shutdown(producer_, SHUT_RDWR);
    thread_.join();
    EXPECT_EQ(engine_.unanswered(), 0U) << "the session waits for answers that nobody hears";
}

TEST_F(IngestSessionTest, AProducerThatNeverReadsItsAnswersIsNamedOnceAfterAMinute) {
    serve();
    const timeval patience{0, 500'000};  // until the session reads nothing more
    ::setsockopt(producer_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    std::string batch;
    for (int i = 0; i < 50; ++i) batch += event(i);
    bool is_read = true;
    for (int i = 0; i < 5000 && is_read; ++i) {
        is_read = ::send(producer_, batch.data(), batch.size(), MSG_NOSIGNAL) ==
                  static_cast<ssize_t>(batch.size());
    }
    ASSERT_FALSE(is_read) << "the session reads on although nobody reads its answers";
    std::vector<std::size_t> lines;
    auto line = decltype(log_.named("").front().fields)();
    std::promise<void> done;
    boost::asio::post(io_, [&] {
        const MonoTime now = clock_.now().mono;
        for (const int seconds : {1, 50, 61, 62, 200}) {
            session_->watch(now + Seconds(seconds));
            lines.push_back(log_.named("ingest.unread").size());
        }
        line = log_.named("ingest.unread").front().fields;
        done.set_value();
    });
    done.get_future().wait();
    EXPECT_EQ(lines, (std::vector<std::size_t>{0, 0, 1, 1, 1}));
    EXPECT_EQ(line.at("pid"), std::to_string(::getpid()));
    EXPECT_EQ(line.at("uid"), std::to_string(::geteuid()));
    EXPECT_GT(std::stoull(line.at("bytes")), 0U);
}

TEST_F(IngestSessionTest, AProducerThatReadsItsAnswersIsNotNamed) {
    serve();
    say(event(1));
    EXPECT_EQ(hear(1).front(), accepted(1));
    std::promise<void> done;
    boost::asio::post(io_, [&] {
        // Posted twice, so that the write whose answer was received completes before it.
        boost::asio::post(io_, [&] {
            session_->watch(clock_.now().mono + Seconds(1000));
            done.set_value();
        });
    });
    done.get_future().wait();
    EXPECT_TRUE(log_.named("ingest.unread").empty());
}

TEST_F(IngestSessionTest, ABatchThatFindsNoRoomForItsAnswersIsRefusedInTheEnd) {
    others_.emplace(engine_.unread());
    ASSERT_TRUE(others_->resize(EngineOptions().unread_budget + IngestBudget::Share::free));
    serve();
    std::string body;
    for (int i = 0; i < 200; ++i) body += event(i);
    const std::string batch =
        "POST /messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
        "Content-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body;
    say(batch);
    const auto refused = hear(1);
    ASSERT_EQ(refused.size(), 1U);
    EXPECT_TRUE(refused.front().starts_with("HTTP/1.1 429 ")) << refused.front();
    std::promise<void> read;
    boost::asio::post(io_, [&] {
        EXPECT_EQ(relay_.counters().accepted, 0U);
        others_.reset();
        read.set_value();
    });
    read.get_future().wait();
    say(batch);
    bool taken = false;
    for (int i = 0; i < 40 && !taken; ++i) {
        const auto line = hear(1);
        ASSERT_EQ(line.size(), 1U);
        taken = line.front().find("\"accepted\"") != std::string::npos;
    }
    EXPECT_TRUE(taken) << "when the others have read theirs";
}

TEST_F(IngestSessionTest, ACapitalLetterBeginsHttp) {
    serve();
    const std::string body = event(1);
    say("POST /messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body);
    EXPECT_EQ(hear(1).front(), "HTTP/1.1 202 Accepted\r");
}

}  // namespace
}  // namespace flowrelay::runtime
