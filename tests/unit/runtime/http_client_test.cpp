// What the client makes of answers, against small servers that each behave in one way.
#include "flowrelay/runtime/http_client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "http_client_fixture.hpp"

namespace flowrelay::runtime {
namespace {

using core::AttemptEnd;
using Script = HttpClientTest::Script;

TEST_F(HttpClientTest, KeepsItsConnection) {
    run({{accepted, accepted, accepted}}, 3);
    for (const auto& result : results_) EXPECT_EQ(result.status, 202);
    EXPECT_EQ(connections_, 1);
}

// More than a socket takes at once, so that it is written in the middle of either piece.
TEST_F(HttpClientTest, ARequestInTwoPiecesArrivesAsOne) {
    destination_.request_timeout = Seconds(15);
    for (const auto& [first, second] :
         {std::pair<std::size_t, std::size_t>{100, 100}, {100, 9 << 20}, {9 << 20, 100}}) {
        request_ = std::string(first, 'a') + '|';
        rest_ = std::string(second, 'b') + '|';
        std::string seen;
        const std::size_t all = request_.size() + rest_.size();
        run_all({[&](Script& server) -> asio::awaitable<void> {
                    while (seen.size() < all && !server.broken()) {
                        const std::string more = co_await server.read_request();
                        seen += more;
                    }
                    co_await server.send(accepted);
                }},
                1);
        EXPECT_EQ(results_[0].status, 202);
        EXPECT_TRUE(seen == request_ + rest_) << seen.size();
        client_.close();
    }
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

TEST_F(HttpClientTest, AByteNowAndThenDoesNotKeepARequestAlive) {
    const auto result = run_one([](Script& server) -> asio::awaitable<void> {
        co_await server.read_request();
        for (const char c : std::string(100, 'x')) {
            const std::string answer = server.sent() == 0 ? "HTTP/1.1 200 OK\r\nX: " : "";
            co_await server.send(answer + c);
            co_await server.pause(Milliseconds(50));
        }
    });
    EXPECT_EQ(result.end, AttemptEnd::timed_out);
}

TEST_F(HttpClientTest, AServerThatNeverAnswers) {
    const auto result = run_one([](Script& server) -> asio::awaitable<void> {
        co_await server.read_request();
        co_await server.pause(Seconds(5));
    });
    EXPECT_EQ(result.end, AttemptEnd::timed_out);
}

TEST_F(HttpClientTest, BodiesOfEveryFraming) {
    for (const auto* answer : {"HTTP/1.1 422 x\r\nContent-Length: 5\r\n\r\nhello",
                               "HTTP/1.1 422 x\r\nTransfer-Encoding: "
                               "chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
                               "HTTP/1.1 422 x\r\n\r\nhello", "HTTP/1.0 422 x\r\n\r\nhello"}) {
        const auto result = run_one([answer](Script& server) -> asio::awaitable<void> {
            co_await server.read_request();
            co_await server.send(answer);
        });
        EXPECT_EQ(result.end, AttemptEnd::response) << answer;
        EXPECT_EQ(result.status, 422) << answer;
        EXPECT_EQ(client_.answer_body(), "hello") << answer;
    }
}

TEST_F(HttpClientTest, AnAnswerInManyPieces) {
    const auto result = run_one([](Script& server) -> asio::awaitable<void> {
        co_await server.read_request();
        for (const char c : accepted) {
            co_await server.send(std::string(1, c));
            co_await server.pause(Milliseconds(1));
        }
    });
    EXPECT_EQ(result.status, 202);
}

TEST_F(HttpClientTest, ASuccessWhoseBodyIsCutOffIsAFailure) {
    run({{"HTTP/1.1 202 x\r\nContent-Length: 10\r\n\r\nhello"}}, 1);
    EXPECT_EQ(results_[0].end, AttemptEnd::broken_response);
    EXPECT_EQ(results_[0].detail, "the connection ended in the middle of the response");
    EXPECT_FALSE(client_.connected());
}

TEST_F(HttpClientTest, ARefusalCountsWhoseBodyIsCutOff) {
    run({{"HTTP/1.1 422 x\r\nContent-Length: 10\r\n\r\nhello"}}, 1);
    EXPECT_EQ(results_[0].end, AttemptEnd::response);
    EXPECT_EQ(results_[0].status, 422);
    EXPECT_EQ(client_.answer_body(), "hello");
    EXPECT_FALSE(client_.connected());
}

TEST_F(HttpClientTest, OfABodyThatDoesNotEndARefusalCountsAndASuccessDoesNot) {
    for (const std::string& rest :
         {std::string("Content-Length: 10\r\n\r\nhello"), std::string("\r\nhello")}) {
        for (const std::string& status : {std::string("422"), std::string("202")}) {
            const std::string answer = "HTTP/1.1 " + status + " x\r\n" + rest;
            const auto result = run_one([answer](Script& server) -> asio::awaitable<void> {
                co_await server.read_request();
                co_await server.send(answer);
                co_await server.pause(Seconds(5));
            });
            const bool counts = status == "422";
            EXPECT_EQ(result.end, counts ? AttemptEnd::response : AttemptEnd::timed_out) << answer;
            EXPECT_EQ(result.status, counts ? 422 : 0) << answer;
            EXPECT_EQ(result.detail.find("the body of the answer did not end") == 0, !counts);
            EXPECT_FALSE(client_.connected());
        }
    }
}

TEST_F(HttpClientTest, ASuccessCountsWhateverItLooksLike) {
    for (const auto* answer :
         {"HTTP/1.1 202 x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
          "HTTP/1.1 202 x\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n"
          "2 \r\n{}\r\n0\r\n\r\n",
          "HTTP/1.1 202 x\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\n{}\r\n0\r\n\r\n",
          "HTTP/1.1 202 x\r\nTransfer-Encoding: chunked\r\n\r\n{}\r\n",
          "HTTP/1.1 202 x\nContent-Length: 2\n\n{}", "HTTP/1.1 202 x\nContent-Length: 0\n\n",
          "HTTP/1.1 202 x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
          "HTTP/1.1 202 x\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\n{}",
          "HTTP/1.1 202 x\r\nContent-Length : 2\r\n\r\n{}",
          "HTTP/1.1 202 x\r\nnonsense\r\nContent-Length: 2\r\n\r\n{}",
          "HTTP/1.1 202 x\r\nContent-Length: 2\r\n\r\n{}garbage"}) {
        const auto result = run_one([answer](Script& server) -> asio::awaitable<void> {
            co_await server.read_request();
            co_await server.send(answer);
            co_await server.pause(Milliseconds(50));
        });
        EXPECT_EQ(result.end, AttemptEnd::response) << answer << result.detail;
        EXPECT_EQ(result.status, 202) << answer;
        EXPECT_NE(result.quirk, "") << answer;
        EXPECT_FALSE(client_.connected()) << answer;
    }
    run({{accepted}}, 1);
    EXPECT_EQ(results_[0].quirk, "");
}

TEST_F(HttpClientTest, AWebPageIsNoticedAndMayBeRefused) {
    const auto answer = [](std::string_view body) {
        return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
               std::string(body);
    };
    const auto posted = [&](std::string_view body) {
        run({{answer(body)}}, 1);
        client_.close();
        return results_[0];
    };
    EXPECT_EQ(posted(" <!DOCTYPE html><p>Sign in").quirk, "the body is a web page");
    EXPECT_FALSE(posted("<html>").unexpected);
    EXPECT_EQ(posted("ok").quirk, "");
    destination_.expects_json = true;
    for (const auto* page : {"\r\n<html>", "ok", "{\"id\":"}) {
        EXPECT_TRUE(posted(page).unexpected) << page;
        EXPECT_NE(posted(page).detail.find("destination.expect"), std::string::npos);
    }
    for (const auto* good : {"", "{}", "[1]", " {\"id\":7}\n", "\r\n", "7"}) {
        EXPECT_FALSE(posted(good).unexpected) << good;
    }
}

TEST_F(HttpClientTest, ACompressedPageIsKnownByItsType) {
    const auto posted = [&](const std::string& type) {
        run({{"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n" + type +
              "\r\n\x1f\x8b.."}},
            1);
        client_.close();
        return results_[0];
    };
    EXPECT_EQ(posted("Content-Type: Text/HTML; charset=utf-8\r\n").quirk, "the body is a web page");
    EXPECT_EQ(posted("Content-Type: application/json\r\n").quirk, "");
    EXPECT_EQ(posted("").quirk, "");
    destination_.expects_json = true;
    EXPECT_TRUE(posted("Content-Type: text/html\r\n").unexpected);
    EXPECT_TRUE(posted("Content-Type: text/plain\r\n").unexpected);
    EXPECT_TRUE(posted("").unexpected);
    EXPECT_FALSE(posted("Content-Type: application/json; charset=utf-8\r\n").unexpected);
}

TEST_F(HttpClientTest, OfSeveralRetryAfterTheLongestCounts) {
    run({{"HTTP/1.1 503 x\r\nRetry-After: 5\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n"}}, 1);
    EXPECT_EQ(results_[0].retry_after, Seconds(9));
}

TEST_F(HttpClientTest, WhatComesOnAFreshConnectionBeforeTheRequestIsNoAnswer) {
    for (const std::string& stray :
         {std::string("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"), accepted}) {
        names_ = {"127.0.0.1"};
        const auto result = run_one([stray](Script& server) -> asio::awaitable<void> {
            co_await server.send(stray);
            co_await server.read_request();
        });
        EXPECT_EQ(result.end, AttemptEnd::broken_response);
        EXPECT_FALSE(client_.connected());
    }
}

TEST_F(HttpClientTest, AResetIsTheEndOfAnAnswer) {
    const auto reset_after = [](std::string answer) {
        return [answer](Script& server) -> asio::awaitable<void> {
            co_await server.read_request();
            co_await server.send(answer);
            co_await server.pause(Milliseconds(20));
            server.reset();
        };
    };
    EXPECT_EQ(run_one(reset_after("HTTP/1.0 413 x\r\n\r\nlong")).status, 413);
    EXPECT_EQ(run_one(reset_after("HTTP/1.1 413 x\r\nContent-Length: 9\r\n\r\nlong")).status, 413);
    EXPECT_EQ(run_one(reset_after("HTTP/1.1 41")).end, AttemptEnd::broken_response);
    EXPECT_EQ(run_one(reset_after("")).detail, "Connection reset by peer");
}

TEST_F(HttpClientTest, AHugeHeadIsAFailure) {
    run({{"HTTP/1.1 200 OK\r\nX: " + std::string(300'000, 'x') + "\r\n\r\n"}}, 1);
    EXPECT_EQ(results_[0].end, AttemptEnd::broken_response);
    EXPECT_EQ(results_[0].detail, "the head is too long");
}

TEST_F(HttpClientTest, AHugeBodyIsCutAndAnEndlessOneIsNotWaitedFor) {
    const auto answer = [](std::size_t size) {
        return "HTTP/1.1 422 x\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
               std::string(size, 'x');
    };
    run({{answer(600'000)}}, 1);
    EXPECT_EQ(results_[0].status, 422);
    EXPECT_EQ(client_.answer_body().size(), 256U * 1024);
    for (const int status : {422, 202}) {
        const auto endless = run_one([status](Script& server) -> asio::awaitable<void> {
            co_await server.read_request();
            const std::string piece = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
            co_await server.send("HTTP/1.1 " + std::to_string(status) +
                                 " x\r\nTransfer-Encoding: chunked\r\n\r\n");
            while (!server.broken()) co_await server.send(piece);
        });
        EXPECT_EQ(endless.end, AttemptEnd::response);
        EXPECT_EQ(endless.status, status);
        EXPECT_LT(endless.elapsed, Milliseconds(300));
        EXPECT_EQ(client_.answer_body().size(), 256U * 1024);
        EXPECT_FALSE(client_.connected());
    }
}

TEST_F(HttpClientTest, ALargeHeadIsTaken) {
    run({{"HTTP/1.1 202 OK\r\nContent-Length: 0\r\nX: " + std::string(200'000, 'x') + "\r\n\r\n"}},
        1);
    EXPECT_EQ(results_[0].status, 202);
    EXPECT_EQ(results_[0].quirk, "");
}

TEST_F(HttpClientTest, TooManyInterimAnswersAreAFailure) {
    std::string storm;
    for (int i = 0; i < 20'000; ++i) storm += "HTTP/1.1 102 Processing\r\n\r\n";
    run({{storm}}, 1);
    EXPECT_EQ(results_[0].end, AttemptEnd::broken_response);
    EXPECT_EQ(results_[0].detail, "too many interim responses");
}

TEST_F(HttpClientTest, AnAnswerBeforeTheRequestWasReadCounts) {
    request_ = large_request();
    const auto result = run_one([](Script& server) -> asio::awaitable<void> {
        co_await server.read_request();  // the begin of it
        co_await server.send("HTTP/1.1 413 x\r\nContent-Length: 4\r\n\r\nlong");
        co_await server.pause(Seconds(5));  // and never reads on
    });
    EXPECT_EQ(result.status, 413);
    EXPECT_EQ(client_.answer_body(), "long");
    EXPECT_FALSE(client_.connected()) << "half a request was sent: the rest would be the next one";
}

TEST_F(HttpClientTest, ARequestThatNobodyReadsWasNotTaken) {
    request_ = large_request();
    const auto result =
        run_one([](Script& server) -> asio::awaitable<void> { co_await server.pause(Seconds(5)); });
    EXPECT_EQ(result.end, AttemptEnd::write_failed);
    EXPECT_EQ(result.detail, "the request could not be sent within 300ms");
}

TEST_F(HttpClientTest, AConnectionThatBreaksWhileTheRequestIsSentWasNotTaken) {
    request_ = large_request();
    const auto result = run_one(
        [](Script& server) -> asio::awaitable<void> { co_await server.pause(Milliseconds(20)); });
    EXPECT_EQ(result.end, AttemptEnd::write_failed);
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
