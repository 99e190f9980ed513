#include "flowrelay/http/request_writer.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "flowrelay/http/request_reader.hpp"

namespace flowrelay::http {
namespace {

TEST(PostWriter, WritesTheseBytes) {
    const PostWriter writer("api.flowdock.com", "/messages", "flowrelay/1");
    std::string out = "before";
    writer.append(out, "0197-a", "{}");
    EXPECT_EQ(
        out,
        "beforePOST /messages HTTP/1.1\r\nHost: api.flowdock.com\r\nUser-Agent: flowrelay/1\r\n"
        "Accept: application/json\r\nAccept-Encoding: identity\r\n"
        "Content-Type: application/json\r\n"
        "Idempotency-Key: 0197-a\r\nContent-Length: 2\r\n\r\n{}");
}

TEST(PostWriter, AppendsOneRequestAfterTheOther) {
    const PostWriter writer("h", "http://h/messages?a=b", "agent with (comment)",
                            "Proxy-Authorization: Basic eDp5\r\nX-Other: 1\r\n");
    std::string out;
    writer.append(out, "k1", "first");
    writer.append(out, "k2", std::string(100000, 'x'));
    RequestReader reader({});
    const std::size_t first = reader.put(out);
    ASSERT_EQ(reader.status(), ReadStatus::complete);
    EXPECT_EQ(reader.request().path, "/messages");
    EXPECT_EQ(reader.request().body, "first");
    EXPECT_EQ(reader.field("Proxy-Authorization"), "Basic eDp5");
    EXPECT_EQ(reader.field("Idempotency-Key"), "k1");
    reader.reset();
    EXPECT_EQ(reader.put(std::string_view(out).substr(first)), out.size() - first);
    ASSERT_EQ(reader.status(), ReadStatus::complete);
    EXPECT_EQ(reader.request().body.size(), 100000U);
}

TEST(PostWriter, AuthorityCannotAddAField) {
    EXPECT_THROW(PostWriter("h\r\nX: y", "/", "a"), std::invalid_argument);
    EXPECT_THROW(PostWriter("h x", "/", "a"), std::invalid_argument);
    EXPECT_THROW(PostWriter("", "/", "a"), std::invalid_argument);
}

TEST(PostWriter, TargetCannotAddAField) {
    EXPECT_THROW(PostWriter("h", "/ HTTP/1.1\r\nX: y", "a"), std::invalid_argument);
    EXPECT_THROW(PostWriter("h", "/a b", "a"), std::invalid_argument);
    EXPECT_THROW(PostWriter("h", "", "a"), std::invalid_argument);
}

TEST(PostWriter, UserAgentCannotAddAField) {
    EXPECT_THROW(PostWriter("h", "/", "a\nX: y"), std::invalid_argument);
    EXPECT_THROW(PostWriter("h", "/", ""), std::invalid_argument);
}

TEST(PostWriter, ExtraFieldsAreWholeLines) {
    EXPECT_THROW(PostWriter("h", "/", "a", "X: y"), std::invalid_argument);
    EXPECT_THROW(PostWriter("h", "/", "a", "X: y\n"), std::invalid_argument);
    EXPECT_THROW(PostWriter("h", "/", "a", "X: y\r\n\r\n"), std::invalid_argument);
    EXPECT_THROW(PostWriter("h", "/", "a", "no colon\r\n"), std::invalid_argument);
    EXPECT_THROW(PostWriter("h", "/", "a", "X y: z\r\n"), std::invalid_argument);
    EXPECT_NO_THROW(PostWriter("h", "/", "a", "X: y\r\nZ: \r\n"));
}

TEST(PostWriter, KeyCannotAddAField) {
    const PostWriter writer("h", "/", "a");
    for (const std::string_view key : {"k\r\nX: y", "a b", "", "\x7f", "\xc3\xa4"}) {
        std::string out;
        EXPECT_THROW(writer.append(out, key, "{}"), std::invalid_argument);
        EXPECT_EQ(out, "");
    }
}

TEST(RequestWriter, WritesAPutWithoutAKey) {
    std::string out;
    append_put(out, "api.flowdock.com", "/sources", "flowrelay/1", "X-Other: 1\r\n", "{}");
    EXPECT_EQ(out,
              "PUT /sources HTTP/1.1\r\nHost: api.flowdock.com\r\nUser-Agent: flowrelay/1\r\n"
              "Accept: application/json\r\nAccept-Encoding: identity\r\n"
              "Content-Type: application/json\r\n"
              "X-Other: 1\r\nContent-Length: 2\r\n\r\n{}");
    EXPECT_THROW(append_put(out, "h", "/a b", "a", "", ""), std::invalid_argument);
}

TEST(RequestWriter, WritesAGetWithoutABody) {
    std::string out;
    append_get(out, "api.flowdock.com", "/sources?flow_token=x", "flowrelay/1", "X-Other: 1\r\n");
    EXPECT_EQ(out,
              "GET /sources?flow_token=x HTTP/1.1\r\nHost: api.flowdock.com\r\n"
              "User-Agent: flowrelay/1\r\nAccept: application/json\r\n"
              "Accept-Encoding: identity\r\nX-Other: 1\r\n\r\n");
    EXPECT_THROW(append_get(out, "h", "/a b", "a", ""), std::invalid_argument);
}

}  // namespace
}  // namespace flowrelay::http
