// The client against small servers that each behave in one way.
#include "flowrelay/runtime/http_client.hpp"

#include <gtest/gtest.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <string>
#include <vector>

#include "flowrelay/runtime/spawn.hpp"

namespace flowrelay::runtime {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using core::AttemptEnd;
using core::AttemptResult;

const std::string request = "POST /messages HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
const std::string accepted = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

class HttpClientTest : public testing::Test {
protected:
    HttpClientTest() {
        destination_.tls = false;
        destination_.host = "127.0.0.1";
        destination_.port = acceptor_.local_endpoint().port();
        destination_.connect_timeout = Milliseconds(2000);
        destination_.request_timeout = Milliseconds(300);
    }

    /// For each connection what is written on it after each request; then it is closed. An empty
    /// answer is none: the connection just ends.
    asio::awaitable<void> serve(std::deque<std::vector<std::string>> connections) {
        for (const auto& answers : connections) {
            tcp::socket socket(io_);
            const auto [error] =
                co_await acceptor_.async_accept(socket, asio::as_tuple(asio::deferred));
            if (error) co_return;
            ++connections_;
            for (const auto& answer : answers) {
                std::string input(4096, '\0');
                const auto [read_error, size] = co_await socket.async_read_some(
                    asio::buffer(input), asio::as_tuple(asio::deferred));
                if (read_error) break;
                const auto [write_error, written] = co_await asio::async_write(
                    socket, asio::buffer(answer), asio::as_tuple(asio::deferred));
                if (write_error) break;
                if (answer == silence) {
                    asio::steady_timer wait(io_, std::chrono::seconds(5));
                    co_await wait.async_wait(asio::as_tuple(asio::deferred));
                }
            }
        }
    }

    asio::awaitable<void> post(int times) {
        for (int i = 0; i < times; ++i) {
            auto result = co_await client_.post(request);
            results_.push_back(std::move(result));
        }
        io_.stop();
    }

    asio::awaitable<void> watch() {
        asio::steady_timer timer(io_);
        while (true) {
            timer.expires_after(std::chrono::milliseconds(20));
            co_await timer.async_wait(asio::as_tuple(asio::deferred));
            client_.check_deadline(clock_.now().mono);
        }
    }

    void run(std::deque<std::vector<std::string>> connections, int times) {
        spawn(io_.get_executor(), serve(std::move(connections)));
        spawn(io_.get_executor(), watch());
        spawn(io_.get_executor(), post(times));
        io_.run_for(std::chrono::seconds(20));
        ASSERT_EQ(results_.size(), static_cast<std::size_t>(times)) << "it hangs";
    }

    static inline const std::string silence = "HTTP/1.1 200 OK\r\nContent-Le";

    asio::io_context io_{1};
    tcp::acceptor acceptor_{io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
    SystemClock clock_;
    Resolver resolver_{io_.get_executor()};
    Destination destination_;
    HttpClient client_{io_.get_executor(), destination_, nullptr, resolver_, clock_};
    std::vector<AttemptResult> results_;
    int connections_ = 0;
};

TEST_F(HttpClientTest, KeepsItsConnection) {
    run({{accepted, accepted, accepted}}, 3);
    for (const auto& result : results_) EXPECT_EQ(result.status, 202);
    EXPECT_EQ(connections_, 1);
}

TEST_F(HttpClientTest, MeasuresTheExchange) {
    const MonoTime begun = clock_.now().mono;
    run({{accepted, accepted}}, 2);
    const auto all = clock_.now().mono - begun;
    for (const auto& result : results_) EXPECT_GT(result.elapsed, MonoTime::duration::zero());
    EXPECT_LE(results_[0].elapsed + results_[1].elapsed, all);
}

TEST_F(HttpClientTest, AKeptConnectionThatEndedIsReplacedWithoutAFailure) {
    run({{accepted}, {accepted}}, 2);
    EXPECT_EQ(results_[1].end, AttemptEnd::response);
    EXPECT_EQ(connections_, 2);
}

TEST_F(HttpClientTest, AConnectionIsClosedWhereTheServerSaysSo) {
    run({{"HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", accepted},
         {accepted}},
        2);
    EXPECT_EQ(connections_, 2);
    EXPECT_EQ(results_[1].status, 202);
}

TEST_F(HttpClientTest, AFreshConnectionThatEndsIsAFailure) {
    run({{""}, {""}}, 1);
    EXPECT_EQ(results_[0].end, AttemptEnd::broken_response);
    EXPECT_EQ(results_[0].detail, "the connection was closed without an answer");
    EXPECT_EQ(connections_, 1);
}

TEST_F(HttpClientTest, GarbageIsAFailure) {
    run({{"220 smtp.example.com ESMTP\r\n"}}, 1);
    EXPECT_EQ(results_[0].end, AttemptEnd::broken_response);
}

TEST_F(HttpClientTest, HalfAnAnswerIsAFailureWithinTheTimeout) {
    run({{silence}}, 1);
    EXPECT_EQ(results_[0].end, AttemptEnd::timed_out);
    EXPECT_EQ(results_[0].detail, "no answer within 300ms");
}

TEST_F(HttpClientTest, NobodyThere) {
    acceptor_.close();
    run({}, 1);
    EXPECT_EQ(results_[0].end, AttemptEnd::connect_failed);
    EXPECT_NE(results_[0].detail.find("127.0.0.1:"), std::string::npos);
}

TEST_F(HttpClientTest, ReadsRetryAfter) {
    run({{"HTTP/1.1 503 Unavailable\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"}}, 1);
    EXPECT_EQ(results_[0].status, 503);
    EXPECT_EQ(results_[0].retry_after, Milliseconds(7000));
}

TEST_F(HttpClientTest, InterimAnswersArePassedOver) {
    run({{"HTTP/1.1 100 Continue\r\n\r\n" + accepted}}, 1);
    EXPECT_EQ(results_[0].status, 202);
}

TEST_F(HttpClientTest, BytesThatNobodyAskedForEndTheConnection) {
    run({{accepted + "HTTP/1.1 500 x\r\n\r\n", accepted}, {accepted}}, 2);
    EXPECT_EQ(results_[1].status, 202);
    EXPECT_EQ(connections_, 2);
}

}  // namespace
}  // namespace flowrelay::runtime
