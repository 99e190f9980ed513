#include "flowrelay/http/response_writer.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <utility>

namespace flowrelay::http {
namespace {

std::string write(const Response& response) {
    std::string out;
    append_response(out, response);
    return out;
}

TEST(ResponseWriter, WritesBodyWithItsTypeAndLength) {
    Response response;
    response.body = "{\"id\":1}";
    EXPECT_EQ(write(response),
              "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n"
              "{\"id\":1}");
}

TEST(ResponseWriter, WithoutBodyThereIsNoType) {
    Response response;
    response.status = 202;
    EXPECT_EQ(write(response), "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
}

TEST(ResponseWriter, AnswerToHeadHasTheLengthAndNoBody) {
    Response response;
    response.body = "abc";
    response.head_only = true;
    EXPECT_EQ(write(response),
              "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n");
}

TEST(ResponseWriter, NoContentHasNeitherBodyNorLength) {
    for (const int status : {204, 304}) {
        Response response;
        response.status = status;
        response.body = "ignored";
        const std::string out = write(response);
        EXPECT_EQ(out.find("Content-"), std::string::npos);
        EXPECT_TRUE(out.ends_with("\r\n\r\n"));
    }
}

TEST(ResponseWriter, SaysThatItCloses) {
    Response response;
    response.keep_alive = false;
    EXPECT_EQ(write(response), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

TEST(ResponseWriter, TellsAnHttp10ClientThatItStays) {
    Response response;
    response.minor_version = 0;
    EXPECT_EQ(write(response),
              "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n");
}

TEST(ResponseWriter, AppendsFieldsAndResponses) {
    Response response;
    response.status = 503;
    response.fields = {{"Retry-After", "2"}, {"Allow", "POST, GET"}};
    std::string out;
    append_response(out, response);
    const std::size_t first = out.size();
    append_response(out, response);
    EXPECT_EQ(out.substr(0, first),
              "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 2\r\n"
              "Allow: POST, GET\r\n\r\n");
    EXPECT_EQ(out.substr(first), out.substr(0, first));
}

TEST(ResponseWriter, FieldsCannotAddFields) {
    using Fields = std::vector<std::pair<std::string_view, std::string>>;
    const Fields bad[] = {{{"X", "a\r\nY: b"}}, {{"X", "a\nb"}}, {{"X", std::string("a\0", 2)}},
                          {{"X: y\r\nZ", "a"}}, {{"", "a"}},     {{"X y", "a"}}};
    for (const Fields& fields : bad) {
        Response response;
        response.fields = fields;
        std::string out;
        EXPECT_THROW(append_response(out, response), std::invalid_argument);
        EXPECT_EQ(out, "");
    }
    Response response;
    response.content_type = "text/plain\r\nX: y";
    EXPECT_THROW(write(response), std::invalid_argument);
}

TEST(ResponseWriter, RefusesAStatusThatIsNotFinal) {
    for (const int status : {0, 100, 199, 600}) {
        Response response;
        response.status = status;
        EXPECT_THROW(write(response), std::invalid_argument);
    }
}

TEST(ResponseWriter, ContinueIsAWholeInterimResponse) {
    EXPECT_EQ(continue_response(), "HTTP/1.1 100 Continue\r\n\r\n");
}

}  // namespace
}  // namespace flowrelay::http
