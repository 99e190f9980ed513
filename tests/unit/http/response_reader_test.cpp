#include "flowrelay/http/response_reader.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

#include "unit/http/reading.hpp"

namespace flowrelay::http {
namespace {

constexpr std::string_view accepted = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

std::string chunked_answer(std::string_view body) {
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(body);
}

TEST(ResponseReader, ReadsAResponseInPiecesOfEverySize) {
    const std::string bytes =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n"
        "{\"a\":1}";
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        ResponseReader reader({});
        EXPECT_FALSE(reader.started());
        EXPECT_EQ(put_in_pieces(reader, bytes + "HTTP", piece), bytes.size()) << piece;
        EXPECT_TRUE(reader.started());
        ASSERT_EQ(reader.status(), ResponseStatus::complete) << piece;
        EXPECT_EQ(reader.code(), 400);
        EXPECT_TRUE(reader.keep_alive());
        EXPECT_EQ(reader.field("content-type"), "application/json");
        EXPECT_EQ(reader.field("Retry-After"), "");
        EXPECT_EQ(reader.body(), "{\"a\":1}");
        EXPECT_EQ(reader.error(), "");
    }
}

TEST(ResponseReader, KeepsTheFieldsThatAreWanted) {
    static constexpr std::array<std::string_view, 2> wanted{"Retry-After", "Keep-Alive"};
    ResponseReader reader({}, wanted);
    reader.put(
        "HTTP/1.1 503 Service Unavailable\r\nServer: x\r\nRETRY-AFTER: 7\r\n"
        "Connection: close\r\nContent-Length: 2\r\n\r\nno");
    ASSERT_EQ(reader.status(), ResponseStatus::complete);
    EXPECT_EQ(reader.field("Retry-After"), "7");
    EXPECT_EQ(reader.field("Keep-Alive"), "");
    EXPECT_EQ(reader.field("Server"), "");
    EXPECT_FALSE(reader.keep_alive()) << "what is passed over is heeded all the same";
    EXPECT_EQ(reader.body(), "no");
}

TEST(ResponseReader, ReadsOneAfterTheOther) {
    ResponseReader reader({});
    const std::string two = chunked_answer("3\r\nabc\r\n0\r\n\r\n") + std::string(accepted);
    const std::size_t first = reader.put(two);
    ASSERT_EQ(reader.status(), ResponseStatus::complete);
    EXPECT_EQ(reader.body(), "abc");
    EXPECT_EQ(reader.put("x"), 0U);
    reader.reset();
    EXPECT_FALSE(reader.started());
    EXPECT_EQ(reader.put(std::string_view(two).substr(first)), accepted.size());
    ASSERT_EQ(reader.status(), ResponseStatus::complete);
    EXPECT_EQ(reader.code(), 202);
    EXPECT_EQ(reader.body(), "");
    EXPECT_EQ(reader.field("Transfer-Encoding"), "");
}

TEST(ResponseReader, PassesOverInterimResponses) {
    const std::string bytes =
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n" +
        std::string(accepted);
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        ResponseReader reader({});
        EXPECT_EQ(put_in_pieces(reader, bytes, piece), bytes.size());
        ASSERT_EQ(reader.status(), ResponseStatus::complete) << piece;
        EXPECT_EQ(reader.code(), 202);
        EXPECT_EQ(reader.field("Retry-After"), "");
    }
}

TEST(ResponseReader, EndlessInterimResponsesAreBroken) {
    for (const std::string_view interim :
         {"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 x\r\nLink: </style.css>\r\n\r\n"}) {
        ResponseReader reader({});
        for (int i = 0; i < 100'000 && reader.status() == ResponseStatus::need_more; ++i) {
            reader.put(interim);
        }
        EXPECT_EQ(reader.status(), ResponseStatus::broken);
        EXPECT_EQ(reader.error(), "too many interim responses");
    }
}

// A server that works long at an event may say every few seconds that it still does.
TEST(ResponseReader, ManyInterimResponsesAreNone) {
    ResponseReader reader({});
    for (int i = 0; i < 1000; ++i) reader.put("HTTP/1.1 102 Processing\r\n\r\n");
    reader.put("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(reader.status(), ResponseStatus::complete);
    EXPECT_EQ(reader.code(), 202);
}

TEST(ResponseReader, AStatusWithoutABlankBehindItIsOne) {
    for (const std::string_view line : {"202Accepted", "202-ok", "202\tx"}) {
        ResponseReader reader({});
        reader.put("HTTP/1.1 " + std::string(line) + "\r\nContent-Length: 0\r\n\r\n");
        ASSERT_EQ(reader.status(), ResponseStatus::complete) << line;
        EXPECT_EQ(reader.code(), 202);
    }
    ResponseReader longer({});
    longer.put("HTTP/1.1 2020 x\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(longer.status(), ResponseStatus::broken);
}

TEST(ResponseReader, FieldsOfOneNameAreOneList) {
    ResponseReader reader({});
    reader.put("HTTP/1.1 429 x\r\nretry-after: 5\r\nX: y\r\nRetry-After: 7\r\n\r\n");
    EXPECT_EQ(reader.field("Retry-After"), "5");
    EXPECT_EQ(reader.joined_field("Retry-After"), "5, 7");
    EXPECT_EQ(reader.joined_field("Via"), "");
}

TEST(ResponseReader, ACompressedBodyIsNotReadButToldOf) {
    for (const bool coded : {false, true}) {
        ResponseReader reader({});
        reader.put(std::string("HTTP/1.1 200 x\r\n") + (coded ? "Content-Encoding: gzip\r\n" : "") +
                   "Content-Length: 4\r\n\r\n\x1f\x8bxx");
        EXPECT_EQ(reader.body_is_coded(), coded);
        EXPECT_EQ(reader.body().empty(), coded);
    }
}

TEST(ResponseReader, EndAfterAnInterimResponseBreaks) {
    ResponseReader reader({});
    reader.put("HTTP/1.1 100 Continue\r\n\r\n");
    EXPECT_EQ(reader.status(), ResponseStatus::need_more);
    reader.put_end();
    EXPECT_EQ(reader.status(), ResponseStatus::broken);
}

struct ChunkedAnswerCase {
    std::string_view wire;
    std::string_view body;
};

class ChunkedResponse : public testing::TestWithParam<ChunkedAnswerCase> {};

TEST_P(ChunkedResponse, IsJoinedFromPiecesOfEverySize) {
    const std::string bytes = chunked_answer(GetParam().wire);
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        ResponseReader reader({});
        EXPECT_EQ(put_in_pieces(reader, bytes, piece), bytes.size());
        ASSERT_EQ(reader.status(), ResponseStatus::complete) << piece;
        EXPECT_TRUE(reader.keep_alive());
        EXPECT_EQ(reader.body(), GetParam().body);
    }
}

INSTANTIATE_TEST_SUITE_P(Shapes, ChunkedResponse,
                         testing::Values(ChunkedAnswerCase{"0\r\n\r\n", ""},
                                         ChunkedAnswerCase{"5\r\nhello\r\n0\r\n\r\n", "hello"},
                                         ChunkedAnswerCase{
                                             "2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nTrailer: x\r\n\r\n",
                                             "hello"}));

TEST(ResponseReader, WithoutLengthTheBodyEndsWithTheConnection) {
    ResponseReader reader({});
    reader.put("HTTP/1.1 200 OK\r\n\r\nsome");
    reader.put(" text");
    EXPECT_EQ(reader.status(), ResponseStatus::need_more);
    reader.put_end();
    ASSERT_EQ(reader.status(), ResponseStatus::complete);
    EXPECT_EQ(reader.body(), "some text");
    EXPECT_FALSE(reader.keep_alive());
}

TEST(ResponseReader, WithoutLengthTheBodyMayBeEmpty) {
    ResponseReader reader({});
    reader.put("HTTP/1.0 200 OK\r\n\r\n");
    reader.put_end();
    EXPECT_EQ(reader.status(), ResponseStatus::complete);
}

TEST(ResponseReader, NoContentAndNotModifiedHaveNoBody) {
    for (const std::string_view line : {"HTTP/1.1 204 No Content\r\n", "HTTP/1.1 304 x\r\n"}) {
        ResponseReader reader({});
        const std::string bytes = std::string(line) + "Content-Length: 5\r\n\r\n";
        EXPECT_EQ(reader.put(bytes + "HTTP/1.1"), bytes.size());
        ASSERT_EQ(reader.status(), ResponseStatus::complete);
        EXPECT_EQ(reader.body(), "");
        EXPECT_TRUE(reader.keep_alive());
    }
}

TEST(ResponseReader, EndInTheMiddleBreaks) {
    for (const std::string& part :
         {std::string("HTTP/1.1 2"), std::string("HTTP/1.1 200 OK\r\nContent-Len"),
          std::string("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"),
          chunked_answer("5\r\nhell"), chunked_answer("5\r\nhello\r\n"), chunked_answer("0\r\n")}) {
        ResponseReader reader({});
        reader.put(part);
        ASSERT_EQ(reader.status(), ResponseStatus::need_more);
        reader.put_end();
        EXPECT_EQ(reader.status(), ResponseStatus::broken) << part;
        EXPECT_EQ(reader.error(), "the connection ended in the middle of the response");
        EXPECT_FALSE(reader.keep_alive());
    }
}

TEST(ResponseReader, EndBeforeTheResponseBreaks) {
    ResponseReader reader({});
    reader.put_end();
    EXPECT_EQ(reader.status(), ResponseStatus::broken);
    EXPECT_FALSE(reader.started());
    EXPECT_EQ(reader.error(), "the connection ended before the response");
}

TEST(ResponseReader, EndAfterACompleteResponseChangesNothing) {
    ResponseReader reader({});
    reader.put(accepted);
    reader.put_end();
    EXPECT_EQ(reader.status(), ResponseStatus::complete);
}

class BrokenResponse : public testing::TestWithParam<std::string> {};

TEST_P(BrokenResponse, IsBrokenWholeAndByteByByte) {
    ResponseReader whole({});
    whole.put(GetParam());
    EXPECT_EQ(whole.status(), ResponseStatus::broken);
    EXPECT_FALSE(whole.error().empty());
    ResponseReader bytes({});
    put_in_pieces(bytes, GetParam(), 1);
    EXPECT_EQ(bytes.status(), ResponseStatus::broken);
}

std::string answer_with(std::string_view fields) {
    return "HTTP/1.1 200 OK\r\n" + std::string(fields) + "\r\n";
}

INSTANTIATE_TEST_SUITE_P(
    Syntax, BrokenResponse,
    testing::Values(std::string("SSH-2.0-OpenSSH_9.2\r\n\r\n"), std::string("HTTP/4 200\r\n\r\n"),
                    std::string("HTTP/1 200 OK\r\n\r\n"), std::string("HTTP/1.1200 OK\r\n\r\n"),
                    std::string("HTTP/1.1 20 OK\r\n\r\n"), std::string("HTTP/1.1 2000 OK\r\n\r\n"),
                    std::string("HTTP/1.1 099 x\r\n\r\n"), std::string("HTTP/1.1 600 x\r\n\r\n"),
                    std::string("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
                    chunked_answer("x\r\n\r\n\r\n"), chunked_answer("1\r\nab\r\n0\r\n\r\n")));

/// A response that violates HTTP but is accepted by other clients too.
struct QuirkCase {
    std::string bytes;
    std::string_view quirk;
    std::string_view body = "";
    std::string_view retry_after = "";
};

class Quirk : public testing::TestWithParam<QuirkCase> {};

TEST_P(Quirk, CostsTheConnectionAlone) {
    const QuirkCase& wanted = GetParam();
    for (std::size_t piece = 1; piece <= wanted.bytes.size(); ++piece) {
        ResponseReader reader({});
        EXPECT_EQ(put_in_pieces(reader, wanted.bytes, piece), wanted.bytes.size());
        ASSERT_EQ(reader.status(), ResponseStatus::complete) << piece << reader.error();
        EXPECT_EQ(reader.code(), 202);
        EXPECT_EQ(reader.body(), wanted.body);
        EXPECT_EQ(reader.field("Retry-After"), wanted.retry_after);
        EXPECT_EQ(reader.quirk(), wanted.quirk);
        EXPECT_FALSE(reader.keep_alive());
        reader.reset();
        EXPECT_EQ(reader.quirk(), "");
    }
}

std::string taken(std::string_view fields, std::string_view body = "") {
    return "HTTP/1.1 202 Accepted\r\n" + std::string(fields) + "\r\n" + std::string(body);
}

constexpr std::string_view lf = "lines end with LF alone";
constexpr std::string_view two_ends = "there is a Content-Length beside the Transfer-Encoding";
constexpr std::string_view bad_length = "the Content-Length is no number, or there are two";
constexpr std::string_view bad_coding = "the Transfer-Encoding is not chunked";
constexpr std::string_view folded = "a header field goes on in another line";
constexpr std::string_view control = "a header field has a control character";
constexpr std::string_view version = "the version is not HTTP/1.0 or HTTP/1.1";
constexpr std::string_view chunks = "Transfer-Encoding: chunked\r\n";

INSTANTIATE_TEST_SUITE_P(
    Lines, Quirk,
    testing::Values(QuirkCase{"HTTP/1.1 202 Accepted\nContent-Length: 2\n\nok", lf, "ok"},
                    QuirkCase{"HTTP/1.1 202\nRetry-After: 3\nContent-Length: 0\n\n", lf, "", "3"},
                    QuirkCase{"HTTP/1.1 202 x\r\nContent-Length: 0\n\r\n", lf},
                    QuirkCase{
                        "HTTP/1.1 100 Continue\n\nHTTP/1.1 202 x\r\nContent-Length: 0\r\n\r\n", lf},
                    QuirkCase{taken(chunks, "2\nok\n0\n\n"), lf, "ok"},
                    QuirkCase{"\r\n\r\nHTTP/1.1 202 x\r\nContent-Length: 0\r\n\r\n",
                              "an empty line comes before the status line"}));

INSTANTIATE_TEST_SUITE_P(
    StatusLine, Quirk,
    testing::Values(QuirkCase{"HTTP/1.7 202 x\r\nContent-Length: 1\r\n\r\n1", version, "1"},
                    QuirkCase{"HTTP/2 202\r\nContent-Length: 1\r\n\r\n1", version, "1"},
                    QuirkCase{"HTTP/2.0 202 \r\nContent-Length: 0\r\n\r\n", version},
                    QuirkCase{"HTTP/1.1  202 OK\r\nContent-Length: 0\r\n\r\n",
                              "more than one blank stands before the status"},
                    QuirkCase{"http/1.1 202 OK\r\nContent-Length: 0\r\n\r\n",
                              "the name of the protocol is not in capitals"}));

INSTANTIATE_TEST_SUITE_P(
    Fields, Quirk,
    testing::Values(
        QuirkCase{taken("X: a\r\n b\r\nContent-Length: 0\r\n"), folded},
        QuirkCase{taken("Content-Length:\r\n\t2\r\n", "ok"), folded, "ok"},
        QuirkCase{taken(" X: a\r\nContent-Length: 0\r\n"), folded},
        QuirkCase{taken("Content-Length : 2\r\n", "ok"),
                  "a blank stands before the colon of a header field", "ok"},
        QuirkCase{taken("no colon\r\nContent-Length: 0\r\n"), "a header field has no colon"},
        QuirkCase{taken(": x\r\nContent-Length: 0\r\n"), "the name of a header field is none"},
        QuirkCase{taken("X y: x\r\nContent-Length: 0\r\n"), "the name of a header field is none"},
        QuirkCase{taken(std::string("X: a\0b\r\nContent-Length: 0\r\n", 27)), control},
        QuirkCase{taken("X: a\rb\r\nContent-Length: 0\r\n"), control},
        QuirkCase{taken("X: \x1b[1m\r\nContent-Length: 0\r\n"), control}));

INSTANTIATE_TEST_SUITE_P(
    Framing, Quirk,
    testing::Values(
        QuirkCase{
            taken("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "2\r\nok\r\n0\r\n\r\n"),
            two_ends, "ok"},
        QuirkCase{taken("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", "0\r\n\r\n"),
                  two_ends},
        QuirkCase{taken(chunks, "2 \r\nok\r\n0\r\n\r\n"), "a blank follows the size of a chunk",
                  "ok"},
        QuirkCase{taken(chunks, "2\t ;x\r\nok\r\n0  \r\n\r\n"),
                  "a blank follows the size of a chunk", "ok"},
        QuirkCase{taken("Transfer-Encoding: gzip, chunked\r\n", "2\r\nok\r\n0\r\n\r\n"),
                  "there is more than one Transfer-Encoding"},
        // It is unknown where these end, so they end with their heads.
        QuirkCase{taken("Content-Length: 1\r\nContent-Length: 2\r\n"), bad_length},
        QuirkCase{taken("Content-Length: 1, 2\r\n"), bad_length},
        QuirkCase{taken("Content-Length: -1\r\n"), bad_length},
        QuirkCase{taken("Content-Length: +1\r\n"), bad_length},
        QuirkCase{taken("Content-Length: 1 2\r\n"), bad_length},
        QuirkCase{taken("Content-Length:\r\n"), bad_length},
        QuirkCase{taken("Content-Length: 99999999999999999999\r\n"), bad_length},
        QuirkCase{taken("Transfer-Encoding: gzip\r\nContent-Length: 1\r\n"), bad_coding},
        QuirkCase{taken("Transfer-Encoding: chunked, gzip\r\n"),
                  "there is more than one Transfer-Encoding"}));

TEST(ResponseReader, WhatLooksStrangeMayBeRight) {
    for (const std::string& bytes :
         {taken("X:\r\nContent-Length: 0\r\n"), taken("X: \xff\xfe\r\nContent-Length:0\r\n"),
          taken("Content-Length:  0 \t\r\n"), taken("X: a:b\r\nX: a\r\ncontent-LENGTH: 0\r\n"),
          taken(chunks, "0000;a=\"b\\\"\";c\r\nX: y\r\n\r\n")}) {
        ResponseReader reader({});
        EXPECT_EQ(reader.put(bytes), bytes.size());
        ASSERT_EQ(reader.status(), ResponseStatus::complete) << bytes;
        EXPECT_EQ(reader.quirk(), "") << bytes;
        EXPECT_TRUE(reader.keep_alive());
    }
}

TEST(ResponseReader, AWholeHeadMayNotTellWhereItsBodyEnds) {
    for (const std::string& bytes :
         {taken(chunks, "ok"), taken(chunks, "0x2\r\nok\r\n"), taken(chunks, "2\r\nokay\r\n"),
          taken(chunks, "fffffffffffffffff\r\n"), taken(chunks, "{\"id\":1}\r\n"),
          taken(chunks, "-1\r\n"), taken(chunks, " 2\r\nok\r\n0\r\n\r\n"),
          taken("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "ok"),
          taken("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "2\r\n")}) {
        for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
            ResponseReader reader({});
            put_in_pieces(reader, bytes + "\r\n", piece);
            reader.put_end();
            ASSERT_NE(reader.status(), ResponseStatus::complete) << bytes;
            EXPECT_TRUE(reader.end_is_unclear()) << bytes;
            EXPECT_EQ(reader.code(), 202);
            EXPECT_NE(reader.quirk(), "");
        }
    }
    // These were cut off: it is known where they would have ended.
    for (const std::string& bytes :
         {taken(chunks, "2\r\no"), taken(chunks, "2\r\nok\r\n"), taken(chunks, "2 \n"),
          taken(chunks, "2\r\nok\r\n0\r\n"), taken("Content-Length : 2\r\n", "o")}) {
        ResponseReader reader({});
        reader.put(bytes);
        reader.put_end();
        EXPECT_EQ(reader.status(), ResponseStatus::broken);
        EXPECT_FALSE(reader.end_is_unclear()) << bytes;
    }
}

TEST(ResponseReader, ACompressedBodyIsNotRead) {
    for (const std::string_view coding : {"gzip", "identity, br", "x-unknown"}) {
        ResponseReader reader({});
        reader.put(
            taken("Content-Length: 2\r\nContent-Encoding: " + std::string(coding) + "\r\n", "ok"));
        ASSERT_EQ(reader.status(), ResponseStatus::complete);
        EXPECT_EQ(reader.body(), "");
        EXPECT_TRUE(reader.keep_alive());
    }
    ResponseReader reader({});
    reader.put(taken("Content-Length: 2\r\nContent-Encoding: identity\r\n", "ok"));
    EXPECT_EQ(reader.body(), "ok");
}

TEST(ResponseReader, AnAnswerToConnectEndsWithItsHead) {
    for (const std::string_view fields :
         {std::string_view(), std::string_view("Content-Length: 5\r\n"), chunks}) {
        const std::string bytes = "HTTP/1.1 100 x\n\n" + taken(fields);
        ResponseReader reader({});
        reader.reset(ResponseTo::connect);
        EXPECT_EQ(reader.put(bytes + "tls"), bytes.size());
        EXPECT_EQ(reader.status(), ResponseStatus::complete);
    }
}

TEST(ResponseReader, ALengthMayBeSaidTwice) {
    for (const std::string_view fields :
         {"Content-Length: 1\r\nContent-Length: 1\r\n", "Content-Length: 1, 1\r\n"}) {
        ResponseReader reader({});
        reader.put(answer_with(fields) + "x");
        ASSERT_EQ(reader.status(), ResponseStatus::complete) << fields;
        EXPECT_EQ(reader.body(), "x");
    }
}

TEST(ResponseReader, AStatusLineMayEndWithTheStatus) {
    const std::string bytes = "HTTP/1.1 100\r\n\r\nHTTP/1.1 202\r\nContent-Length: 1\r\n\r\nx";
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        ResponseReader reader({});
        for (int time = 0; time < 2; ++time) {
            EXPECT_EQ(put_in_pieces(reader, bytes + "HTTP", piece), bytes.size()) << piece;
            ASSERT_EQ(reader.status(), ResponseStatus::complete) << piece;
            EXPECT_EQ(reader.code(), 202);
            EXPECT_EQ(reader.body(), "x");
            EXPECT_TRUE(reader.keep_alive());
            reader.reset();
        }
    }
    for (const std::string_view wrong :
         {"HTTP/1.1 20\r\n\r\n\r\n\r\n", "HTTP/1.1 2022\r\n\r\n", "HTTP/1.1202\r\n\r\n"}) {
        ResponseReader reader({});
        reader.put(wrong);
        EXPECT_EQ(reader.status(), ResponseStatus::broken) << wrong;
    }
}

TEST(ResponseReader, BodyIsCutAtTheLimit) {
    const ResponseLimits limits{1024, 4, 8};
    ResponseReader counted(limits);
    counted.put("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n12345678");
    ASSERT_EQ(counted.status(), ResponseStatus::complete);
    EXPECT_EQ(counted.body(), "1234");
    EXPECT_TRUE(counted.keep_alive());

    ResponseReader in_chunks(limits);
    in_chunks.put(chunked_answer("3\r\n123\r\n5\r\n45678\r\n0\r\n\r\n"));
    ASSERT_EQ(in_chunks.status(), ResponseStatus::complete);
    EXPECT_EQ(in_chunks.body(), "1234");

    ResponseReader to_the_end(limits);
    put_in_pieces(to_the_end, "HTTP/1.1 200 OK\r\n\r\n12345678", 1);
    to_the_end.put_end();
    ASSERT_EQ(to_the_end.status(), ResponseStatus::complete);
    EXPECT_EQ(to_the_end.body(), "1234");
}

TEST(ResponseReader, BodyPastTheDrainLimitIsBroken) {
    const ResponseLimits limits{1024, 4, 8};
    for (const std::string& bytes :
         {std::string("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n") + "123456789",
          chunked_answer("3\r\n123\r\n6\r\n456789\r\n0\r\n\r\n"),
          std::string("HTTP/1.1 200 OK\r\n\r\n123456789")}) {
        ResponseReader reader(limits);
        reader.put(bytes);
        EXPECT_EQ(reader.status(), ResponseStatus::broken) << bytes;
        EXPECT_EQ(reader.error(), "the body is too long");
    }
}

TEST(ResponseReader, TheHeadIsThereWhateverBecomesOfTheBody) {
    const ResponseLimits limits{1024, 4, 8};
    for (const std::string& bytes :
         {std::string("HTTP/1.1 202 x\r\nContent-Length: 9\r\n\r\n1"),
          std::string("HTTP/1.1 202 x\r\nContent-Length: 9\r\n\r\n") + "123456789",
          std::string("HTTP/1.1 100 x\r\n\r\nHTTP/1.1 202 x\r\n\r\n1"),
          std::string("HTTP/1.1 202 x\r\nTransfer-Encoding: chunked\r\n"
                      "\r\n1\r\n1\r\nplain text\r\n")}) {
        ResponseReader reader(limits);
        EXPECT_FALSE(reader.has_head());
        put_in_pieces(reader, bytes, 1);
        EXPECT_NE(reader.status(), ResponseStatus::complete) << bytes;
        ASSERT_TRUE(reader.has_head()) << bytes;
        EXPECT_EQ(reader.code(), 202);
        EXPECT_EQ(reader.body().substr(0, 1), "1");
        EXPECT_FALSE(reader.keep_alive());
        reader.reset();
        EXPECT_FALSE(reader.has_head());
    }
    for (const std::string_view bytes : {"HTTP/1.1 202 x\r\nContent-Length: 9\r\n",
                                         "HTTP/1.1 100 x\r\n\r\n", "HTTP/1.1 101 x\r\n\r\n"}) {
        ResponseReader reader(limits);
        reader.put(bytes);
        EXPECT_FALSE(reader.has_head()) << bytes;
    }
}

TEST(ResponseReader, HeadAtTheLimitIsTakenAndOneByteMoreIsBroken) {
    const std::string head =
        answer_with("Content-Length: 0\r\nX: " + std::string(500, 'x') + "\r\n");
    const auto size = static_cast<std::uint32_t>(head.size());
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, head.size()}) {
        ResponseReader fits(ResponseLimits{size, 4, 8});
        put_in_pieces(fits, head, piece);
        EXPECT_EQ(fits.status(), ResponseStatus::complete);
        ResponseReader refuses(ResponseLimits{size - 1, 4, 8});
        put_in_pieces(refuses, head, piece);
        EXPECT_EQ(refuses.status(), ResponseStatus::broken);
        EXPECT_EQ(refuses.error(), "the head is too long");
    }
}

struct KeepAliveCase {
    std::string_view head;
    bool keep_alive;
};

class KeepAlive : public testing::TestWithParam<KeepAliveCase> {};

TEST_P(KeepAlive, IsDecided) {
    ResponseReader reader({});
    reader.put(std::string(GetParam().head) + "\r\n");
    reader.put_end();
    ASSERT_EQ(reader.status(), ResponseStatus::complete);
    EXPECT_EQ(reader.keep_alive(), GetParam().keep_alive);
}

INSTANTIATE_TEST_SUITE_P(
    Heads, KeepAlive,
    testing::Values(
        KeepAliveCase{"HTTP/1.1 202 x\r\nContent-Length: 0\r\n", true},
        KeepAliveCase{"HTTP/1.1 202 x\r\nContent-Length: 0\r\nConnection: Close\r\n", false},
        KeepAliveCase{"HTTP/1.1 202 x\r\n", false},
        KeepAliveCase{"HTTP/1.0 202 x\r\nContent-Length: 0\r\n", false},
        KeepAliveCase{"HTTP/1.0 202 x\r\nContent-Length: 0\r\nConnection: keep-alive\r\n", true},
        KeepAliveCase{"HTTP/1.1 204 x\r\n", true}));

TEST(ResponseReader, ChunkedHttp10IsReadAndClosed) {
    ResponseReader reader({});
    reader.put(
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n"
        "1\r\na\r\n0\r\n\r\n");
    ASSERT_EQ(reader.status(), ResponseStatus::complete);
    EXPECT_EQ(reader.body(), "a");
    EXPECT_FALSE(reader.keep_alive());
}

}  // namespace
}  // namespace flowrelay::http
