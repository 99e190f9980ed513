#include "cli/support_text.hpp"

#include <gtest/gtest.h>

#include <string>

namespace flowrelay::cli {
namespace {

TEST(SupportText, WhatTheServerSaidIsLeftOutOfReasons) {
    for (const std::string words :
         {"title \\\"salary of Ann\\\" is too long", "body: s3cret", "x", "a=b c\\\\"}) {
        for (const std::string before :
             {R"(2026-11-29T13:10:48Z error event=token.parked source=ci reason="HTTP 401: )",
              R"({"event":"destination.parked","reason":"HTTP 404: )",
              R"({"tokens":[{"source":"ci","reason":"HTTP 403: )"}) {
            const std::string after = R"(" tried_again=5s "more":1)"
                                      "\n";
            const std::string text = before + words + after;
            EXPECT_EQ(without_server_words(text + text),
                      before + "(left out)" + after + before + "(left out)" + after);
        }
    }
}

TEST(SupportText, OfADeadLetterTheWholeReason) {
    EXPECT_EQ(without_server_words("error event=delivery.dead status=422 reason=\"no Ann\" n=1\n"),
              "error event=delivery.dead status=422 reason=\"(left out)\" n=1\n");
    EXPECT_EQ(without_server_words("error event=delivery.dead reason=Ann\n"),
              "error event=delivery.dead reason=(left out)\n");
    const std::string json = "{\"reason\":\"no Ann\",\"event\":\"delivery.dead\"}";
    EXPECT_EQ(without_server_words(json),
              "{\"reason\":\"(left out)\",\"event\":\"delivery.dead\"}");
}

TEST(SupportText, WhereTheSettingsOfASourceAreIsLeftOut) {
    const std::string before = R"({"name":"ci","flow_source":{"id":"36","configuration_uri":")";
    EXPECT_EQ(without_server_words(before + "https://x/s3cret\"}}"), before + "(left out)\"}}");
}

TEST(SupportText, WhatTheRelaySaysStays) {
    for (const std::string text :
         {"error event=spool.failed reason=\"write: no space left: x\" n=1\n",
          "warning event=destination.down reason=\"connect_failed: connection refused\"\n",
          R"({"reason":"HTTP 503","until_s":4})", "no reason at all\n", ""}) {
        EXPECT_EQ(without_server_words(text), text);
    }
}

}  // namespace
}  // namespace flowrelay::cli
