// Tests where a request ends, and that ambiguous framing is rejected.
#include <gtest/gtest.h>

#include <string>

#include "flowrelay/http/request_reader.hpp"
#include "unit/http/reading.hpp"

namespace flowrelay::http {
namespace {

std::string with_fields(std::string_view fields) {
    return "POST /messages HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n";
}

std::string chunked(std::string_view body) {
    return with_fields("Transfer-Encoding: chunked\r\n") + std::string(body);
}

struct ChunkedCase {
    std::string_view wire;
    std::string_view body;
};

class ChunkedBody : public testing::TestWithParam<ChunkedCase> {};

TEST_P(ChunkedBody, IsJoinedFromPiecesOfEverySize) {
    const std::string bytes = chunked(GetParam().wire);
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        RequestReader reader({});
        EXPECT_EQ(put_in_pieces(reader, bytes + "GET", piece), bytes.size()) << piece;
        ASSERT_EQ(reader.status(), ReadStatus::complete) << piece;
        EXPECT_EQ(reader.request().body, GetParam().body);
    }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ChunkedBody,
    testing::Values(ChunkedCase{"0\r\n\r\n", ""}, ChunkedCase{"3\r\nabc\r\n0\r\n\r\n", "abc"},
                    ChunkedCase{"1\r\na\r\nA\r\n0123456789\r\n000\r\n\r\n", "a0123456789"},
                    ChunkedCase{"3;name=value;other=\"x;y\"\r\nabc\r\n0\r\n\r\n", "abc"},
                    ChunkedCase{"2\r\n\r\n\r\n0\r\n\r\n", "\r\n"},
                    ChunkedCase{"3\r\nabc\r\n0\r\nX-Trailer: 1\r\nHost: evil\r\n\r\n", "abc"}));

TEST(RequestFraming, TrailersDoNotBecomeFields) {
    RequestReader reader({});
    reader.put(chunked("0\r\nX-Trailer: 1\r\nIdempotency-Key: 2\r\n\r\n"));
    ASSERT_EQ(reader.status(), ReadStatus::complete);
    EXPECT_EQ(reader.field("X-Trailer"), "");
    EXPECT_EQ(reader.field("Idempotency-Key"), "");
}

class BadRequest : public testing::TestWithParam<std::string> {};

TEST_P(BadRequest, IsRefusedWhole) {
    RequestReader reader({});
    reader.put(GetParam());
    EXPECT_EQ(reader.status(), ReadStatus::bad_request);
    EXPECT_EQ(reader.put("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), 0U);
}

TEST_P(BadRequest, IsRefusedByteByByte) {
    RequestReader reader({});
    put_in_pieces(reader, GetParam(), 1);
    EXPECT_EQ(reader.status(), ReadStatus::bad_request);
}

INSTANTIATE_TEST_SUITE_P(
    ContentLength, BadRequest,
    testing::Values(with_fields("Content-Length: -1\r\n"), with_fields("Content-Length: +1\r\n"),
                    with_fields("Content-Length: 1x\r\n"), with_fields("Content-Length:\r\n"),
                    with_fields("Content-Length: 0x10\r\n"), with_fields("Content-Length: 1 1\r\n"),
                    with_fields("Content-Length: 18446744073709551616\r\n"),
                    with_fields("Content-Length: 1\r\nContent-Length: 2\r\n"),
                    with_fields("Content-Length: 1\r\ncontent-length: 1\r\n"),
                    with_fields("Content-Length: 1, 1\r\n"),
                    with_fields("Content-Length: 1,\r\n")));

INSTANTIATE_TEST_SUITE_P(
    Smuggling, BadRequest,
    testing::Values(with_fields("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
                    with_fields("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"),
                    with_fields("Transfer-Encoding: gzip\r\nContent-Length: 1\r\n"),
                    with_fields("Transfer-Encoding: gzip\r\n"),
                    with_fields("Transfer-Encoding: gzip, chunked\r\n"),
                    with_fields("Transfer-Encoding: chunked, gzip\r\n"),
                    with_fields("Transfer-Encoding: chunked, chunked\r\n"),
                    with_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
                    with_fields("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
                    with_fields("Transfer-Encoding: xchunked\r\n"),
                    with_fields("Transfer-Encoding:\r\n"),
                    with_fields("Transfer-Encoding : chunked\r\n"),
                    with_fields("Content-Length : 1\r\n"),
                    std::string("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")));

INSTANTIATE_TEST_SUITE_P(
    Syntax, BadRequest,
    testing::Values(std::string("\x16\x03\x01\x02", 4), std::string("{\"a\":1}\n\n"),
                    std::string("GET /\r\n\r\n"),
                    std::string("GET / HTTP/1.1\nHost: h\n\n\r\n\r\n"),
                    std::string("GET / HTTP/2.0\r\n\r\n"), std::string("PRI * HTTP/2.0\r\n\r\n"),
                    std::string("GET / HTTP/1.1\r\n\r\n"), std::string("GET  / HTTP/1.1\r\n\r\n"),
                    std::string("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
                    with_fields("Bare: line\nX: y\r\n"), with_fields("Bare: cr\rX: y\r\n"),
                    with_fields(std::string_view("Nul: \0\r\n", 8)), with_fields("No colon\r\n"),
                    with_fields(": nameless\r\n"), with_fields("A b: c\r\n"),
                    std::string("\nGET / HTTP/1.1\r\nHost: h\r\n\r\n")));

INSTANTIATE_TEST_SUITE_P(Chunks, BadRequest,
                         testing::Values(chunked("x\r\nabc\r\n"), chunked("-1\r\na\r\n"),
                                         chunked("2\r\nabc\r\n0\r\n\r\n"),
                                         chunked("10000000000000000\r\n"),
                                         chunked("1\na\n0\n\n\r\n"), chunked("\r\n\r\n\r\n"),
                                         chunked("0\r\nbad trailer\r\n\r\n")));

TEST(RequestFraming, BodyLongerThanContentLengthIsTheNextRequest) {
    RequestReader reader({});
    const std::string head = with_fields("Content-Length: 2\r\n");
    EXPECT_EQ(reader.put(head + "{}garbage \r\n\r\n"), head.size() + 2);
    ASSERT_EQ(reader.status(), ReadStatus::complete);
    reader.reset();
    reader.put("garbage \r\n\r\n");
    EXPECT_EQ(reader.status(), ReadStatus::bad_request);
}

TEST(RequestFraming, BodyShorterThanContentLengthIsNeverComplete) {
    RequestReader reader({});
    reader.put(with_fields("Content-Length: 3\r\n") + "{}");
    EXPECT_EQ(reader.status(), ReadStatus::need_more);
}

TEST(RequestFraming, BodyAtTheLimitIsTaken) {
    RequestReader reader(RequestLimits{1024, 4});
    reader.put(with_fields("Content-Length: 4\r\n") + "abcd");
    EXPECT_EQ(reader.status(), ReadStatus::complete);
    reader.reset();
    reader.put(chunked("2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n"));
    EXPECT_EQ(reader.status(), ReadStatus::complete);
}

TEST(RequestFraming, BodyOverTheLimitIsRefused) {
    RequestReader reader(RequestLimits{1024, 4});
    reader.put(with_fields("Content-Length: 5\r\n"));
    EXPECT_EQ(reader.status(), ReadStatus::body_too_large);
    reader.reset();
    reader.put(chunked("2\r\nab\r\n3\r\n"));
    EXPECT_EQ(reader.status(), ReadStatus::body_too_large);
}

TEST(RequestFraming, HeadAtTheLimitIsTakenAndOneByteMoreIsNot) {
    const std::string head = with_fields("X: " + std::string(900, 'x') + "\r\n");
    const auto size = static_cast<std::uint32_t>(head.size());
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, head.size()}) {
        RequestReader fits(RequestLimits{size, 4});
        put_in_pieces(fits, head, piece);
        EXPECT_EQ(fits.status(), ReadStatus::complete) << piece;
        RequestReader refuses(RequestLimits{size - 1, 4});
        put_in_pieces(refuses, head, piece);
        EXPECT_EQ(refuses.status(), ReadStatus::head_too_large) << piece;
    }
}

TEST(RequestFraming, BodyDoesNotCountAsHead) {
    RequestReader reader(RequestLimits{128, 4096});
    reader.put(with_fields("Content-Length: 4000\r\n") + std::string(4000, 'x'));
    EXPECT_EQ(reader.status(), ReadStatus::complete);
}

TEST(RequestFraming, EndlessHeadIsRefusedHoweverItComes) {
    // Each piece ends with its line: the parser consumes all of it and never keeps more than a
    // line.
    RequestReader lines(RequestLimits{1024, 4});
    lines.put("GET / HTTP/1.1\r\n");
    std::size_t sent = 0;
    while (lines.status() == ReadStatus::need_more && sent < 4096) sent += lines.put("A: b\r\n");
    EXPECT_EQ(lines.status(), ReadStatus::head_too_large);
    EXPECT_LE(sent, 1024U + 8);

    RequestReader one_line(RequestLimits{1024, 4});
    sent = 0;
    while (one_line.status() == ReadStatus::need_more && sent < 4096) sent += one_line.put("A");
    EXPECT_EQ(one_line.status(), ReadStatus::head_too_large);
}

TEST(RequestFraming, EndlessChunkHeaderAndTrailersAreRefused) {
    for (const std::string_view start : {"1;", "0\r\nA: "}) {
        RequestReader reader(RequestLimits{1024, 4});
        reader.put(chunked(start));
        std::size_t sent = 0;
        while (reader.status() == ReadStatus::need_more && sent < 8192) sent += reader.put("xxxx");
        EXPECT_EQ(reader.status(), ReadStatus::bad_request) << start;
    }
}

}  // namespace
}  // namespace flowrelay::http
