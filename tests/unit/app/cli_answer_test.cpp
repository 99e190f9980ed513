#include "cli/answer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "flowrelay/client/unix_stream.hpp"

namespace flowrelay::cli {
namespace {

using ::testing::HasSubstr;

std::string shown(std::string_view line) {
    return describe(parse_answer(line));
}

ExitCode code_of(const std::string& code) {
    return exit_code_of(parse_answer(R"({"status":"rejected","code":")" + code + R"("})"));
}

TEST(Answer, ReadsAnAcceptance) {
    EXPECT_EQ(shown(R"({"status":"accepted","id":"0197"})"), "accepted 0197");
    EXPECT_EQ(shown(R"({"status":"accepted","id":"0197","duplicate":true})"),
              "accepted 0197 (duplicate)");
    EXPECT_EQ(shown(R"({"status":"accepted","id":"0197","filtered":true})"),
              "accepted 0197 (filtered: it is not delivered)");
    EXPECT_EQ(exit_code_of(parse_answer(R"({"status":"accepted","id":"0197"})")), ExitCode::ok);
}

TEST(Answer, ReadsARejectionWithItsInvalidFields) {
    EXPECT_EQ(shown(R"({"status":"rejected","code":"invalid_event","message":"Validation error",
                        "errors":{"title":["can't be blank"],"tags":["a","b"]}})"),
              "rejected (invalid_event): Validation error; title can't be blank; tags a; tags b");
}

TEST(Answer, RepeatsNothingInItsDescription) {
    EXPECT_EQ(shown(R"({"status":"rejected","code":"invalid_event",
                        "message":"Validation error: title can't be blank",
                        "errors":{"title":["can't be blank"]}})"),
              "rejected (invalid_event): Validation error: title can't be blank");
}

TEST(Answer, SaysWhenToTryAgain) {
    EXPECT_EQ(shown(R"({"status":"rejected","code":"queue_full","message":"the spool is full",
                        "retry_after_ms":1500})"),
              "rejected (queue_full): the spool is full; try again in 1s500ms");
}

TEST(Answer, CanNotControlTheTerminal) {
    EXPECT_EQ(shown(R"({"status":"rejected","code":"x","message":"a\u001b[2Jb\nc"})"),
              "rejected (x): a\xEF\xBF\xBD[2Jb\xEF\xBF\xBD"
              "c");
}

TEST(Answer, ReportsALineThatIsNoAnswer) {
    for (const char* line : {"", "HTTP/1.1 400 Bad Request", "[]", "{}", "{\"status\":1}",
                             "{\"status\":\"fine\"}", "{\"status\":\"accepted\"", "\xFF"}) {
        const Answer answer = parse_answer(line);
        EXPECT_FALSE(answer.accepted) << line;
        EXPECT_THAT(describe(answer), HasSubstr("is this the right socket?")) << line;
        EXPECT_EQ(exit_code_of(answer), ExitCode::try_later) << line;
    }
}

TEST(Answer, ToleratesOddMembers) {
    const Answer answer = parse_answer(
        R"({"status":"rejected","code":5,"message":[],"errors":{"a":"b","c":[1]},
            "retry_after_ms":"soon","duplicate":1,"id":null})");
    EXPECT_EQ(describe(answer), "rejected (): ");
}

TEST(Answer, HasTheExitCodeThatScriptsKnow) {
    for (const char* code :
         {"invalid_json", "invalid_event", "too_large", "unknown_source", "token_gone"}) {
        EXPECT_EQ(code_of(code), ExitCode::rejected) << code;
    }
    for (const char* code :
         {"queue_full", "token_queue_full", "too_many_tokens", "shutting_down", "storage_failed"}) {
        EXPECT_EQ(code_of(code), ExitCode::try_later) << code;
    }
    EXPECT_EQ(code_of("not_allowed"), ExitCode::not_permitted);
}

TEST(Answer, OfTheCommandItselfLooksLikeTheDaemons) {
    EXPECT_EQ(to_json(local_rejection("too_large", "the \"line\" is too long")),
              R"({"status":"rejected","code":"too_large","message":"the \"line\" is too long"})");
}

}  // namespace
}  // namespace flowrelay::cli
