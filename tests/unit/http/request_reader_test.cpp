#include "flowrelay/http/request_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "unit/http/reading.hpp"

namespace flowrelay::http {
namespace {

constexpr std::string_view post =
    "POST /messages?flow_token=abc HTTP/1.1\r\nHost: localhost\r\n"
    "Content-Type: Application/JSON; charset=utf-8\r\nContent-Length: 9\r\n\r\n{\"a\":\"b\"}";

TEST(RequestReader, ReadsARequest) {
    RequestReader reader({});
    EXPECT_FALSE(reader.started());
    EXPECT_EQ(reader.put(post), post.size());
    ASSERT_EQ(reader.status(), ReadStatus::complete);
    const Request& request = reader.request();
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.path, "/messages");
    EXPECT_EQ(request.query, "flow_token=abc");
    EXPECT_EQ(request.content_type, "application/json");
    EXPECT_EQ(request.body, "{\"a\":\"b\"}");
    EXPECT_TRUE(request.keep_alive);
    EXPECT_EQ(request.minor_version, 1);
    EXPECT_EQ(reader.field("content-LENGTH"), "9");
    EXPECT_EQ(reader.field("Accept"), "");
}

TEST(RequestReader, ReadsPiecesOfEverySize) {
    for (std::size_t piece = 1; piece <= post.size(); ++piece) {
        RequestReader reader({});
        EXPECT_EQ(put_in_pieces(reader, post, piece), post.size());
        ASSERT_EQ(reader.status(), ReadStatus::complete) << piece;
        EXPECT_EQ(reader.request().path, "/messages");
        EXPECT_EQ(reader.request().body, "{\"a\":\"b\"}");
        EXPECT_EQ(reader.fields().size(), 3U);
    }
}

TEST(RequestReader, NeedsNoBufferOfTheCallerAfterPut) {
    RequestReader reader({});
    for (const char c : post) {
        const std::string one(1, c);
        ASSERT_EQ(reader.put(one), 1U);
    }
    ASSERT_EQ(reader.status(), ReadStatus::complete);
    EXPECT_EQ(reader.field("Host"), "localhost");
}

TEST(RequestReader, ListsAllFieldsInOrder) {
    RequestReader reader({});
    reader.put("GET / HTTP/1.1\r\nHost: a\r\nX-B:  two \r\nx-b: three\r\nX-Empty:\r\n\r\n");
    ASSERT_EQ(reader.status(), ReadStatus::complete);
    std::vector<std::string> seen;
    for (const Field& field : reader.fields()) {
        seen.push_back(std::string(field.name) + "=" + std::string(field.value));
    }
    EXPECT_THAT(seen, testing::ElementsAre("Host=a", "X-B=two", "x-b=three", "X-Empty="));
    EXPECT_EQ(reader.field("X-B"), "two");
}

TEST(RequestReader, LeavesPipelinedRequestsToTheNextRound) {
    const std::string three =
        std::string(post) + "GET /a HTTP/1.1\r\nHost: x\r\n\r\n" + std::string(post);
    for (std::size_t piece = 1; piece <= three.size(); ++piece) {
        RequestReader reader({});
        std::vector<std::string> paths;
        std::size_t at = 0;
        while (at < three.size()) {
            const std::string_view next = std::string_view(three).substr(at, piece);
            at += reader.put(next);
            if (reader.status() == ReadStatus::complete) {
                paths.emplace_back(reader.request().path);
                reader.reset();
            }
            ASSERT_EQ(reader.status(), ReadStatus::need_more);
        }
        EXPECT_THAT(paths, testing::ElementsAre("/messages", "/a", "/messages")) << piece;
        EXPECT_FALSE(reader.started());
    }
}

TEST(RequestReader, TakesNothingAfterACompleteRequestUntilReset) {
    RequestReader reader({});
    reader.put(post);
    EXPECT_EQ(reader.put(post), 0U);
    reader.reset();
    EXPECT_EQ(reader.put(post), post.size());
}

TEST(RequestReader, ForgetsTheFormerRequest) {
    RequestReader reader({});
    reader.put(post);
    reader.reset();
    EXPECT_FALSE(reader.started());
    reader.put("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_EQ(reader.status(), ReadStatus::complete);
    EXPECT_EQ(reader.request().body, "");
    EXPECT_EQ(reader.request().query, "");
    EXPECT_EQ(reader.request().content_type, "");
    EXPECT_EQ(reader.field("Content-Length"), "");
}

TEST(RequestReader, PassesOverEmptyLinesBeforeARequest) {
    const std::string bytes = "\r\n\r\n" + std::string(post);
    for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, bytes.size()}) {
        RequestReader reader({});
        EXPECT_EQ(put_in_pieces(reader, bytes, piece), bytes.size());
        EXPECT_EQ(reader.status(), ReadStatus::complete);
    }
}

TEST(RequestReader, AnEmptyLineAloneStartsNothing) {
    RequestReader reader({});
    EXPECT_EQ(reader.put("\r\n\r"), 3U);
    EXPECT_EQ(reader.status(), ReadStatus::need_more);
    EXPECT_FALSE(reader.started());
    reader.put("G");
    EXPECT_EQ(reader.status(), ReadStatus::bad_request);
}

struct TargetCase {
    std::string_view line;
    std::string_view path;
    std::string_view query;
};

class RequestTarget : public testing::TestWithParam<TargetCase> {};

TEST_P(RequestTarget, IsSplit) {
    RequestReader reader({});
    reader.put(std::string(GetParam().line) + " HTTP/1.1\r\nHost: h\r\n\r\n");
    ASSERT_EQ(reader.status(), ReadStatus::complete);
    EXPECT_EQ(reader.request().path, GetParam().path);
    EXPECT_EQ(reader.request().query, GetParam().query);
}

INSTANTIATE_TEST_SUITE_P(
    Forms, RequestTarget,
    testing::Values(TargetCase{"GET /", "/", ""}, TargetCase{"GET /a?", "/a", ""},
                    TargetCase{"GET /a?b=c?d", "/a", "b=c?d"},
                    TargetCase{"POST http://h:80/messages?x=1", "/messages", "x=1"},
                    TargetCase{"POST HTTPS://h", "/", ""}, TargetCase{"POST http://h?x", "/", "x"},
                    TargetCase{"OPTIONS *", "*", ""}, TargetCase{"CONNECT h:443", "h:443", ""},
                    TargetCase{"GET //h/a", "//h/a", ""}));

class BadTarget : public testing::TestWithParam<std::string_view> {};

TEST_P(BadTarget, IsRefused) {
    RequestReader reader({});
    reader.put(std::string(GetParam()) + " HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_EQ(reader.status(), ReadStatus::bad_request);
}

INSTANTIATE_TEST_SUITE_P(Forms, BadTarget,
                         testing::Values("GET messages", "GET *", "GET ftp://h/a", "GET http://",
                                         "GET http:///a", "GET /a b", "GET ", "GET /\x01"));

TEST(RequestReader, ReadsHead) {
    RequestReader reader({});
    reader.put("HEAD /messages HTTP/1.1\r\nHost: h\r\n\r\n");
    ASSERT_EQ(reader.status(), ReadStatus::complete);
    EXPECT_EQ(reader.request().method, "HEAD");
}

TEST(RequestReader, Http10ClosesUnlessAskedNotTo) {
    RequestReader reader({});
    reader.put("GET / HTTP/1.0\r\n\r\n");
    ASSERT_EQ(reader.status(), ReadStatus::complete);
    EXPECT_FALSE(reader.request().keep_alive);
    EXPECT_EQ(reader.request().minor_version, 0);
    reader.reset();
    reader.put("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    ASSERT_EQ(reader.status(), ReadStatus::complete);
    EXPECT_TRUE(reader.request().keep_alive);
}

TEST(RequestReader, Http11StaysUnlessToldToClose) {
    RequestReader reader({});
    reader.put("GET / HTTP/1.1\r\nHost: h\r\nConnection: x, close\r\n\r\n");
    ASSERT_EQ(reader.status(), ReadStatus::complete);
    EXPECT_FALSE(reader.request().keep_alive);
}

constexpr std::string_view expecting =
    "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n";

TEST(RequestReader, TellsOnceThatTheClientWaitsForContinue) {
    RequestReader reader({});
    reader.put(expecting.substr(0, 30));
    EXPECT_FALSE(reader.take_expects_continue());
    reader.put(expecting.substr(30));
    EXPECT_TRUE(reader.take_expects_continue());
    EXPECT_FALSE(reader.take_expects_continue());
    reader.put("{}");
    ASSERT_EQ(reader.status(), ReadStatus::complete);
    EXPECT_EQ(reader.request().body, "{}");
}

TEST(RequestReader, NoContinueForAClientThatSendsItsBodyAnyway) {
    RequestReader reader({});
    reader.put(std::string(expecting) + "{");
    EXPECT_FALSE(reader.take_expects_continue());
    reader.reset();
    reader.put(std::string(expecting) + "{}");
    EXPECT_FALSE(reader.take_expects_continue());
}

TEST(RequestReader, NoContinueInHttp10) {
    RequestReader reader({});
    reader.put("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    EXPECT_FALSE(reader.take_expects_continue());
}

TEST(RequestReader, TooLargeBodyIsKnownBeforeContinueIsSent) {
    RequestReader reader(RequestLimits{1024, 1});
    reader.put(expecting);
    EXPECT_FALSE(reader.take_expects_continue());
    EXPECT_EQ(reader.status(), ReadStatus::body_too_large);
}

}  // namespace
}  // namespace flowrelay::http
