// When the client uses its connection again, and what it makes of the end of one.
#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <string>
#include <tuple>

#include "http_client_fixture.hpp"

namespace flowrelay::runtime {
namespace {

using core::AttemptEnd;
using Script = HttpClientTest::Script;

TEST_F(HttpClientTest, ALossOnAKeptConnectionIsRepairedAndTold) {
    // The server reads the second request, and ends.
    run({{accepted, ""}, {accepted}}, 2);
    EXPECT_EQ(results_[1].end, AttemptEnd::response);
    EXPECT_EQ(results_[1].status, 202);
    EXPECT_FALSE(results_[0].sent_before);
    EXPECT_TRUE(results_[1].sent_before) << "it may have been taken twice";
    EXPECT_EQ(connections_, 2);
}

TEST_F(HttpClientTest, ALossOnAKeptConnectionIsRepairedOnceOnly) {
    run({{accepted, ""}, {""}, {accepted}}, 2);
    EXPECT_EQ(results_[1].end, AttemptEnd::broken_response);
    EXPECT_TRUE(results_[1].sent_before);
    EXPECT_EQ(connections_, 2);
}

TEST_F(HttpClientTest, ALossAfterTheFirstByteIsAFailure) {
    run({{accepted, "H"}, {accepted}}, 2);
    EXPECT_EQ(results_[1].end, AttemptEnd::broken_response);
    EXPECT_EQ(connections_, 1);
}

TEST_F(HttpClientTest, ALossThatCannotBeRepairedMayHaveBeenTaken) {
    run_all({[this](Script& server) -> asio::awaitable<void> {
                co_await server.read_request();
                co_await server.send(accepted);
                co_await server.read_request();
                acceptor_.close();
            }},
            2);
    EXPECT_EQ(results_[1].end, AttemptEnd::connect_failed);
    EXPECT_TRUE(results_[1].sent_before);
}

TEST_F(HttpClientTest, AServerThatHungUpMeanwhileIsNotSentTheRequest) {
    pause_ = Milliseconds(30);
    run({{accepted}, {accepted}}, 2);
    EXPECT_EQ(results_[1].status, 202);
    EXPECT_FALSE(results_[1].sent_before);
    EXPECT_EQ(connections_, 2);
}

TEST_F(HttpClientTest, AnswersThatNobodyAskedForEndTheConnection) {
    // What HAProxy says to a connection that idles: nobody's answer.
    pause_ = Milliseconds(30);
    run_all(
        {[](Script& server) -> asio::awaitable<void> {
             co_await server.read_request();
             co_await server.send(accepted);
             co_await server.pause(Milliseconds(5));
             co_await server.send("HTTP/1.0 408 Request Timeout\r\nConnection: close\r\n\r\nidle");
         },
         [](Script& server) { return answer_in_turn(server, {accepted}); }},
        2);
    EXPECT_EQ(results_[1].status, 202);
}

TEST_F(HttpClientTest, AnAnswerThatComesLaterIsNotTheNextOne) {
    pause_ = Milliseconds(4);
    // The server stays, so that nothing but the bytes themselves tells that it is out of step.
    run_all({[](Script& server) -> asio::awaitable<void> {
                 co_await server.read_request();
                 co_await server.send(accepted);
                 co_await server.pause(Milliseconds(1));
                 co_await server.send("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n");
                 co_await server.read_request();
             },
             [](Script& server) { return answer_in_turn(server, {accepted}); }},
            2);
    EXPECT_EQ(results_[1].status, 202);
    EXPECT_FALSE(results_[1].sent_before);
    EXPECT_EQ(connections_, 2);
}

class SecondAnswer : public HttpClientTest,
                     public testing::WithParamInterface<std::tuple<int, std::string>> {};

TEST_P(SecondAnswer, SoonAfterTheFirstIsNotTheNextOne) {
    run_all({[](Script& server) -> asio::awaitable<void> {
                 co_await server.read_request();
                 co_await server.send(accepted);
                 co_await server.pause(std::chrono::microseconds(std::get<0>(GetParam())));
                 co_await server.send(std::get<1>(GetParam()));
                 co_await server.read_request();
             },
             [](Script& server) {
                 const std::string busy = "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n";
                 return answer_in_turn(server, {busy});
             }},
            2);
    EXPECT_EQ(results_[0].status, 202);
    EXPECT_EQ(results_[1].status, 503);
    EXPECT_EQ(connections_, 2);
}

INSTANTIATE_TEST_SUITE_P(
    Delays, SecondAnswer,
    testing::Combine(testing::Values(0, 5, 15, 30, 60, 100, 140),
                     testing::Values("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", accepted)));

TEST_F(HttpClientTest, AServerThatAnswersTwiceGetsEachRequestOnAConnectionOfItsOwn) {
    std::deque<Behaviour> behaviours{[](Script& server) -> asio::awaitable<void> {
        co_await server.read_request();
        co_await server.send(accepted + "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n");
        co_await server.read_request();
    }};
    for (int i = 0; i < 3; ++i) {
        behaviours.emplace_back(
            [](Script& server) { return answer_in_turn(server, {accepted, accepted}); });
    }
    run_all(behaviours, 4);
    for (const auto& result : results_) EXPECT_EQ(result.status, 202);
    EXPECT_EQ(connections_, 4);
}

TEST_F(HttpClientTest, ARequestMayInsistOnAFreshConnection) {
    run({{accepted, accepted}, {accepted, accepted}}, 1);
    ASSERT_TRUE(client_.connected());
    connection_ = HttpClient::Connection::fresh;
    run_all({[](Script& server) { return answer_in_turn(server, {accepted, accepted}); },
             [](Script& server) { return answer_in_turn(server, {accepted}); }},
            2);
    for (const auto& result : results_) {
        EXPECT_EQ(result.status, 202);
        EXPECT_FALSE(result.sent_before);
    }
    EXPECT_EQ(connections_, 3);
}

TEST_F(HttpClientTest, TheServerMayShortenTheIdleTime) {
    pause_ = Milliseconds(20);
    run({{"HTTP/1.1 202 x\r\nKeep-Alive: timeout=0\r\nContent-Length: 0\r\n\r\n", accepted},
         {accepted}},
        2);
    EXPECT_EQ(connections_, 2);
    EXPECT_LE(client_.kept_until(), clock_.now().mono + Seconds(45));
    EXPECT_GT(client_.kept_until(), clock_.now().mono + Seconds(40));
}

TEST_F(HttpClientTest, AnAddressThatTheNameHasLostIsLeft) {
    destination_.host = "api.example.com";
    names_ = {"127.0.0.1"};
    pause_ = Milliseconds(20);
    // The look-up that the second request starts brings the news, so the third one goes elsewhere.
    run_all({[this](Script& server) -> asio::awaitable<void> {
                co_await server.read_request();
                names_ = {"127.0.0.2"};
                co_await server.send(accepted);
                co_await server.read_request();
                co_await server.send(accepted);
                co_await server.read_request();
                co_await server.send("HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n");
            }},
            3);
    EXPECT_EQ(results_[0].status, 202);
    EXPECT_EQ(results_[1].status, 202);
    EXPECT_EQ(results_[2].end, AttemptEnd::connect_failed) << "nobody is at 127.0.0.2";
}

TEST_F(HttpClientTest, AnAddressThatFailedComesLastNextTime) {
    destination_.host = "api.example.com";
    names_ = {"127.0.0.2", "127.0.0.1"};  // the first one refuses
    run({{accepted}}, 1);
    EXPECT_EQ(results_[0].status, 202);
    EXPECT_EQ(connections_, 1);
}

}  // namespace
}  // namespace flowrelay::runtime
