#include "runtime/answer.hpp"

#include <gtest/gtest.h>

namespace flowrelay::runtime {
namespace {

using core::RejectCode;

Answer accepted_answer(std::string id, bool duplicate = false) {
    Answer answer;
    answer.id = std::move(id);
    answer.duplicate = duplicate;
    return answer;
}

Answer rejected_answer(RejectCode code, std::optional<Milliseconds> retry_after = {}) {
    Answer answer;
    answer.rejection =
        core::Rejection{code, "why \"not\"", {{"title", {"can't be blank"}}}, retry_after};
    return answer;
}

std::string line(const Answer& answer) {
    std::string text;
    append_answer(text, answer);
    return text;
}

TEST(Answer, LinesOfTheNdjsonProtocol) {
    EXPECT_EQ(line(accepted_answer("a1")), R"({"status":"accepted","id":"a1"})");
    EXPECT_EQ(line(accepted_answer("a1", true)),
              R"({"status":"accepted","id":"a1","duplicate":true})");
    Answer filtered = accepted_answer("a1");
    filtered.filtered = true;
    EXPECT_EQ(line(filtered), R"({"status":"accepted","id":"a1","filtered":true})");
    EXPECT_EQ(to_response(filtered).body, R"({"id":"a1","filtered":true})");
    EXPECT_EQ(to_response(filtered).status, 202);
    EXPECT_EQ(line(rejected_answer(RejectCode::invalid_event)),
              R"({"status":"rejected","code":"invalid_event","message":"why \"not\"",)"
              R"("errors":{"title":["can't be blank"]}})");
    EXPECT_NE(
        line(rejected_answer(RejectCode::queue_full, Seconds(5))).find("\"retry_after_ms\":5000"),
        std::string::npos);
}

TEST(Answer, StatusesOfHttp) {
    EXPECT_EQ(to_response(accepted_answer("a1")).status, 202);
    EXPECT_EQ(to_response(accepted_answer("a1")).body, R"({"id":"a1"})");
    EXPECT_EQ(http_status(RejectCode::invalid_json), 400);
    EXPECT_EQ(http_status(RejectCode::invalid_event), 400);
    EXPECT_EQ(http_status(RejectCode::unknown_source), 400);
    EXPECT_EQ(http_status(RejectCode::not_allowed), 403);
    EXPECT_EQ(http_status(RejectCode::token_gone), 410);
    EXPECT_EQ(http_status(RejectCode::too_large), 413);
    EXPECT_EQ(http_status(RejectCode::queue_full), 429);
    EXPECT_EQ(http_status(RejectCode::token_queue_full), 429);
    EXPECT_EQ(http_status(RejectCode::too_many_tokens), 429);
    EXPECT_EQ(http_status(RejectCode::shutting_down), 503);
    EXPECT_EQ(http_status(RejectCode::storage_failed), 503);
}

TEST(Answer, RetryAfterIsRoundedUp) {
    const auto response = to_response(rejected_answer(RejectCode::queue_full, Milliseconds(1001)));
    ASSERT_EQ(response.fields.size(), 1U);
    EXPECT_EQ(response.fields.front().first, "Retry-After");
    EXPECT_EQ(response.fields.front().second, "2");
}

TEST(Answer, ABatchIsAcceptedMixedOrRefused) {
    const auto full = rejected_answer(RejectCode::queue_full, Seconds(1));
    const auto bad = rejected_answer(RejectCode::invalid_event);
    EXPECT_EQ(to_response({accepted_answer("a"), accepted_answer("b")}, false).status, 202);
    EXPECT_EQ(to_response({accepted_answer("a"), bad}, false).status, 207);
    EXPECT_EQ(to_response({full, full}, false).status, 429);
    EXPECT_FALSE(to_response({full, full}, false).fields.empty());
    EXPECT_EQ(to_response({full, bad}, false).status, 207);
    EXPECT_EQ(to_response({accepted_answer("a"), accepted_answer("b")}, false).body,
              R"([{"status":"accepted","id":"a"},{"status":"accepted","id":"b"}])");
    EXPECT_EQ(to_response({accepted_answer("a"), accepted_answer("b")}, true).body,
              "{\"status\":\"accepted\",\"id\":\"a\"}\n{\"status\":\"accepted\",\"id\":\"b\"}\n");
}

}  // namespace
}  // namespace flowrelay::runtime
