// Each kind of text that is no event is answered with what it is and what to do.
#include <gmock/gmock.h>

#include <boost/json/parse.hpp>
#include <string>
#include <vector>

#include "event_support.hpp"
#include "flowrelay/base/random.hpp"

namespace flowrelay::core {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;
using testing::Not;

std::string said(const std::string& text, TextForm form) {
    const auto refused = Submission::parse(text, std::nullopt, form);
    if (!refused.has_error()) return "accepted";
    const Rejection rejection = refused.error();
    EXPECT_EQ(rejection.code, RejectCode::invalid_json) << text;
    EXPECT_THAT(rejection.message, Not(HasSubstr("deadbeef"))) << text;
    return rejection.message;
}

struct Mistake {
    std::string text;
    const char* line;  ///< what the answer to a line has to say
    const char* body;
};

TEST(Mistakes, EachIsNamedWithWhatToDo) {
    const std::string event = event_with("");
    const std::string pretty = "{\n  \"flow_token\": \"deadbeef\",\n  \"title\": \"x\"\n}";
    std::vector<Mistake> mistakes{
        {"", "nothing in it", "nothing in it"},
        {" \r\n\t", "nothing in it", "nothing in it"},
        {"\x1F\x8B\x08\x00"s, "(gzip)", "(gzip)"},
        {"\x28\xB5\x2F\xFD\x00"s, "(zstd)", "(zstd)"},
        {"BZh91AY", "(bzip2)", "(bzip2)"},
        {"\x78\x9C\xAB\x56", "(deflate)", "(deflate)"},
        {"\xFF\xFE{\0}\0"s, "UTF-16", "UTF-16"},
        {"{\0}\0"s, "UTF-16", "UTF-16"},
        {"\0{\0}"s, "UTF-16", "UTF-16"},
        {event + event, "--data-binary", "--data-binary"},
        {event + " " + event, "--data-binary", "--data-binary"},
        {event + "\n" + event, "--data-binary", "application/x-ndjson"},
        {event + "\r\n" + event + "\r\n", "--data-binary", "application/x-ndjson"},
        {event + "x", "something follows", "something follows"},
        {"{", "jq -c", "cut off"},
        {"  \"title\": \"x\",", "jq -c", "something follows"},
        {"}", "jq -c", "syntax error"},
        {"],", "jq -c", "syntax error"},
        {event.substr(0, event.size() - 1), "jq -c", "cut off"},
        {"{\"flow_token\":\"deadbeef", "jq -c", "cut off"},
        {"flow_token=deadbeef&title=x", "form", "form"},
        {"payload=%7B%7D", "form", "form"},
        {"{'flow_token':'deadbeef'}", "double quotes", "double quotes"},
        {"{\"a\":1,}", "take out the comma before byte 7", "take out the comma before byte 7"},
        {"{\"a\":[1,]}", "take out the comma", "take out the comma"},
        {"{\"a\":\"x\ty\"}", "0x09", "0x09"},
        {"{\"a\":\"x\ny\"}", "0x0A", "0x0A"},
        {"{\"a\":\"caf\xE9\"}", "not UTF-8 at byte 9", "not UTF-8 at byte 9"},
        {"{\"a\":\"\xC3\"}", "not UTF-8", "not UTF-8"},
        {"{\"a\":nan}", "syntax error at byte", "syntax error at byte"},
        {"{\"a\":" + std::string(70, '[') + std::string(70, ']') + "}", "deeper than 64",
         "deeper than 64"},
        {"[" + event + "]", "one event a line", "another value"},
        {"17", "another value", "another value"},
    };
    // A valid number for Boost 1.83, and for RFC 8259.
    boost::system::error_code error;
    boost::json::parse("1e99999999999", error);
    if (error) mistakes.push_back({"{\"a\":1e99999999999}", "exponent", "exponent"});
    for (const auto& mistake : mistakes) {
        EXPECT_THAT(said(mistake.text, TextForm::line), HasSubstr(mistake.line)) << mistake.text;
        EXPECT_THAT(said(mistake.text, TextForm::body), HasSubstr(mistake.body)) << mistake.text;
    }
    EXPECT_THAT(said(pretty, TextForm::body), Not(HasSubstr("this is not JSON")));
}

TEST(Mistakes, WhateverTheBytesTheAnswerIsOneShortSentence) {
    Random random(7);
    const std::string event = event_with("");
    for (int round = 0; round < 20'000; ++round) {
        std::string text = event.substr(0, random.below(event.size() + 1));
        for (auto changes = random.below(4); changes > 0 && !text.empty(); --changes) {
            text[random.below(text.size())] = static_cast<char>(random.below(256));
        }
        const auto form = random.below(2) == 0 ? TextForm::line : TextForm::body;
        const auto refused = Submission::parse(text, std::nullopt, form);
        if (!refused.has_error()) continue;
        const Rejection rejection = refused.error();
        if (rejection.code != RejectCode::invalid_json) continue;
        EXPECT_LT(rejection.message.size(), 200U) << text;
        EXPECT_THAT(rejection.message, Not(HasSubstr("deadbeef")));
    }
}

TEST(Mistakes, AByteOrderMarkIsNone) {
    EXPECT_TRUE(Submission::parse("\xEF\xBB\xBF" + event_with("")).has_value());
    const auto contents = submit("\xEF\xBB\xBF" + event_with(""));
    ASSERT_TRUE(contents.has_value());
    EXPECT_EQ(contents->body.front(), '{');
}

TEST(Mistakes, HalfASurrogatePairIsPassedOnAsSpelled) {
    for (const std::string half : {R"(\ud800)", R"(\uDFFF)", R"(a\ud83dz)", R"(\udc00\ud800)"}) {
        const auto contents =
            submit(event_with("\"x\":\"" + half + "\",\"body\":\"" + half + "\""));
        ASSERT_TRUE(contents.has_value()) << half;
        EXPECT_THAT(contents->body, HasSubstr("\"x\":\"" + half + "\"")) << half;
        EXPECT_THAT(contents->body, HasSubstr("\"body\":\"" + half + "\"")) << half;
    }
}

}  // namespace
}  // namespace flowrelay::core
