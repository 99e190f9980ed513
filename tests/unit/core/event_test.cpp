// Submission::parse and append_post_body: who an event is for, what is cut out, what is kept.
#include <gmock/gmock.h>

#include "event_support.hpp"

namespace flowrelay::core {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Key;
using testing::Not;

std::string reveal(const Addressee& addressee) {
    return std::string(std::get<Secret>(addressee).reveal());
}

std::string event_from(std::string_view source_json, std::string_view more = "") {
    std::string text = R"({"source":)";
    text += source_json;
    text += ',';
    text += least_members;
    text += more;
    return text + '}';
}

std::string without_brackets(const std::string& body) {
    return body.substr(1, body.size() - 2);
}

FieldErrors only_error(const std::string& field, const std::string& message) {
    return {{field, {message}}};
}

TEST(RejectCode, HasTheWordsOfTheProtocol) {
    EXPECT_EQ(to_string(RejectCode::invalid_json), "invalid_json");
    EXPECT_EQ(to_string(RejectCode::invalid_event), "invalid_event");
    EXPECT_EQ(to_string(RejectCode::too_large), "too_large");
    EXPECT_EQ(to_string(RejectCode::unknown_source), "unknown_source");
    EXPECT_EQ(to_string(RejectCode::token_gone), "token_gone");
    EXPECT_EQ(to_string(RejectCode::queue_full), "queue_full");
    EXPECT_EQ(to_string(RejectCode::not_allowed), "not_allowed");
    EXPECT_EQ(to_string(RejectCode::shutting_down), "shutting_down");
    EXPECT_EQ(to_string(RejectCode::storage_failed), "storage_failed");
}

// ---- not JSON

TEST(SubmissionJson, SyntaxErrorIsInvalidJson) {
    const Rejection rejection = rejected(R"({"title":)");
    EXPECT_EQ(rejection.code, RejectCode::invalid_json);
    EXPECT_EQ(rejection.message,
              "this is not JSON: the line ends at byte 9, before the event does. An event is one "
              "line (`jq -c` and not `jq` writes it so)");
    EXPECT_TRUE(rejection.errors.empty());
}
TEST(SubmissionJson, EmptyTextIsInvalidJson) {
    EXPECT_EQ(rejected("").code, RejectCode::invalid_json);
}
TEST(SubmissionJson, OtherValuesThanObjectsAreInvalidJson) {
    for (const char* text : {"[]", "\"text\"", "17", "true", "null", " [{}]"}) {
        EXPECT_EQ(rejected(text).code, RejectCode::invalid_json) << text;
    }
}
TEST(SubmissionJson, BadUtf8IsInvalidJson) {
    EXPECT_EQ(rejected(event_with("\"x\":\"\xC0\xAF\"")).code, RejectCode::invalid_json);
}
TEST(SubmissionJson, NestingOverTheLimitIsInvalidJson) {
    const auto nested = [](std::size_t depth) {
        return event_with("\"x\":" + std::string(depth, '[') + std::string(depth, ']'));
    };
    EXPECT_TRUE(submit(nested(63)));
    EXPECT_EQ(rejected(nested(64)).code, RejectCode::invalid_json);
}
TEST(SubmissionJson, MessageDoesNotRepeatTheText) {
    EXPECT_THAT(rejected(R"({"flow_token":"deadbeefdeadbeef",})").message,
                Not(HasSubstr("deadbeef")));
}

// ---- the addressee

TEST(SubmissionAddressee, IsTheTokenOfTheEvent) {
    EXPECT_EQ(reveal(Submission::parse(event_with(""))->addressee()), test_token);
}
TEST(SubmissionAddressee, IsTheSourceOfTheEvent) {
    const std::string event = event_from(R"("ci")");
    EXPECT_EQ(std::get<SourceName>(Submission::parse(event)->addressee()).name, "ci");
}
TEST(SubmissionAddressee, IsTheTokenOfTheQuery) {
    const std::string event = '{' + std::string(least_members) + '}';
    EXPECT_EQ(reveal(Submission::parse(event, Secret("fromquery"))->addressee()), "fromquery");
}
TEST(SubmissionAddressee, SameTokenInEventAndQueryIsFine) {
    EXPECT_TRUE(submit(event_with(""), {}, Secret(test_token)));
}
TEST(SubmissionAddressee, OtherTokenInTheQueryIsAnError) {
    EXPECT_EQ(rejected(event_with(""), {}, Secret("other")).errors,
              only_error("flow_token", "is not the one of the query"));
}
TEST(SubmissionAddressee, SourceAndTokenAreTooMany) {
    EXPECT_EQ(errors_of(event_with(R"("source":"ci")")),
              only_error("source", "can't be given together with flow_token"));
}
TEST(SubmissionAddressee, SourceAndTokenOfTheQueryAreTooMany) {
    EXPECT_EQ(rejected(event_from(R"("ci")"), {}, Secret("fromquery")).errors,
              only_error("source", "can't be given together with flow_token"));
}
TEST(SubmissionAddressee, NeitherSourceNorTokenIsTooLittle) {
    EXPECT_EQ(errors_of('{' + std::string(least_members) + '}'),
              only_error("flow_token", "or source is required"));
}
TEST(SubmissionAddressee, NullCountsAsAbsent) {
    EXPECT_TRUE(submit(event_with(R"("source":null)")));
    EXPECT_TRUE(submit(event_from(R"("ci")", R"(,"flow_token":null)")));
    EXPECT_EQ(errors_of(event_from("null")), only_error("flow_token", "or source is required"));
}
TEST(SubmissionAddressee, SourceIsANonEmptyString) {
    const FieldErrors wrong = only_error("source", "must be the name of a source");
    EXPECT_EQ(errors_of(event_from(R"("")")), wrong);
    EXPECT_EQ(errors_of(event_from("17")), wrong);
    EXPECT_EQ(errors_of(event_from(R"(["ci"])")), wrong);
    EXPECT_EQ(errors_of(event_from('"' + std::string(257, 'x') + '"')), wrong);
}

class SubmissionToken : public testing::Test {
protected:
    static FieldErrors errors(const std::string& token_json) {
        return errors_of("{\"flow_token\":" + token_json + ',' + std::string(least_members) + '}');
    }
    const FieldErrors wrong =
        only_error("flow_token", "must be 1 to 256 characters of visible ASCII");
};

TEST_F(SubmissionToken, Empty) {
    EXPECT_EQ(errors(R"("")"), wrong);
}
TEST_F(SubmissionToken, Number) {
    EXPECT_EQ(errors("17"), wrong);
}
TEST_F(SubmissionToken, Object) {
    EXPECT_EQ(errors(R"({"a":"b"})"), wrong);
}
TEST_F(SubmissionToken, WithBlank) {
    EXPECT_EQ(errors(R"("dead beef")"), wrong);
}
TEST_F(SubmissionToken, WithLineFeed) {
    EXPECT_EQ(errors(R"("dead\nbeef")"), wrong);
}
TEST_F(SubmissionToken, WithUmlaut) {
    EXPECT_EQ(errors(R"("dätoken")"), wrong);
}
TEST_F(SubmissionToken, TooLong) {
    EXPECT_EQ(errors('"' + std::string(257, 'a') + '"'), wrong);
}
TEST_F(SubmissionToken, OfTheQueryTooLong) {
    const std::string event = '{' + std::string(least_members) + '}';
    EXPECT_EQ(rejected(event, {}, Secret(std::string(257, 'a'))).errors, wrong);
}
TEST_F(SubmissionToken, OfTheQueryEmpty) {
    const std::string event = '{' + std::string(least_members) + '}';
    EXPECT_EQ(rejected(event, {}, Secret("")).errors, wrong);
}
TEST_F(SubmissionToken, LongestIsAccepted) {
    EXPECT_TRUE(submit("{\"flow_token\":\"" + std::string(256, 'a') + "\"," +
                       std::string(least_members) + '}'));
}
TEST_F(SubmissionToken, EscapesAreResolved) {
    const std::string event = R"({"flow_token":"\u0064ead","event":"activity","title":"x",)"
                              R"("author":{"name":"y"},"thread_id":"1"})";
    EXPECT_EQ(reveal(Submission::parse(event)->addressee()), "dead");
}
TEST_F(SubmissionToken, IsNotRepeatedInErrors) {
    for (const char* text : {R"({"flow_token":"supersecret token"})",
                             R"({"flow_token":"supersecret","flow_token":"supersecret"})",
                             R"({"flow_token":"supersecret","source":"ci"})"}) {
        const Rejection rejection = rejected(text, {}, Secret("supersecret2"));
        EXPECT_THAT(rejection.message, Not(HasSubstr("supersecret")));
        for (const auto& [field, messages] : rejection.errors) {
            EXPECT_THAT(field, Not(HasSubstr("supersecret")));
            EXPECT_THAT(messages, Not(Contains(HasSubstr("supersecret"))));
        }
    }
}

// ---- what is stored

TEST(SubmissionBody, IsTheEventWithoutItsToken) {
    EXPECT_EQ(without_brackets(accepted(event_with("")).body), least_members);
}
TEST(SubmissionBody, HasNoneOfTheCutMembers) {
    const std::string event = event_with(R"("uuid":"u1","relay":{"expires_in":"2h"},"body":"b")");
    EXPECT_EQ(without_brackets(accepted(event).body),
              std::string(least_members) + R"(,"body":"b")");
}
TEST(SubmissionBody, HasNoSource) {
    EXPECT_EQ(without_brackets(accepted(event_from(R"("ci")")).body), least_members);
}
TEST(SubmissionBody, CutMembersMayStandAnywhere) {
    const std::string event = R"({"title":"t","uuid":"u","event":"activity","flow_token":"x",)"
                              R"("author":{"name":"a"},"thread_id":"1","relay":{}})";
    EXPECT_EQ(accepted(event).body,
              R"({"title":"t","event":"activity","author":{"name":"a"},"thread_id":"1"})");
}
TEST(SubmissionBody, KeepsSpellings) {
    const std::string odd =
        R"("a":1.0e+01,"b":1e400,"c":-0,"d":"\u00e9\/é","e" : [ 1 ,2],"\u0066":123456789012345678901234567890)";
    EXPECT_THAT(accepted(event_with(odd)).body, HasSubstr(odd));
}
TEST(SubmissionBody, KeepsUnknownMembersThatAreThereTwice) {
    EXPECT_THAT(accepted(event_with(R"("x":1,"x":2)")).body, HasSubstr(R"("x":1,"x":2)"));
}
TEST(SubmissionBody, KeepsMembersThatAreNull) {
    EXPECT_THAT(accepted(event_with(R"("thread":null,"tags":null,"x":null)")).body,
                HasSubstr(R"("thread":null,"tags":null,"x":null)"));
}
TEST(SubmissionBody, LosesBlanksBetweenMembersOnly) {
    const std::string event =
        "\n{ \"flow_token\" : \"x\" ,\n  \"event\" : \"activity\",\n  \"title\":  \"a  b\",\n"
        "  \"author\": { \"name\" : \"n\" },\n  \"thread_id\": \"1\"\n}\n";
    EXPECT_EQ(
        accepted(event).body,
        R"({"event" : "activity","title":  "a  b","author": { "name" : "n" },"thread_id": "1"})");
}
TEST(SubmissionBody, CutsMembersWhoseNamesAreEscaped) {
    const std::string event = R"({"flow\u005ftoken":"x","\u0075uid":"u1","relay\u0020":1,)" +
                              std::string(least_members) + '}';
    const auto contents = accepted(event);
    EXPECT_EQ(contents.body, R"({"relay\u0020":1,)" + std::string(least_members) + '}');
    EXPECT_EQ(contents.uuid, "u1");
}
TEST(SubmissionBody, DoesNotTakeLikeNamesForItsOwn) {
    const std::string more = R"("Source":1,"flow_token ":2,"UUID":3,"relays":4,"":5)";
    EXPECT_THAT(accepted(event_with(more)).body, HasSubstr(more));
}
TEST(SubmissionBody, LeavesNestedMembersAlone) {
    const std::string more = R"("x":{"flow_token":"y","uuid":1,"source":2})";
    EXPECT_THAT(accepted(event_with(more)).body, HasSubstr(more));
}

class SubmissionTwice : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Members, SubmissionTwice,
                         testing::Values("flow_token", "source", "uuid", "relay", "event", "title",
                                         "author", "thread", "external_thread_id", "thread_id",
                                         "body", "tags"),
                         [](const auto& member) { return std::string(member.param); });

TEST_P(SubmissionTwice, IsAnError) {
    const std::string name = GetParam();
    const std::string member = '"' + name + "\":\"x\"";
    EXPECT_THAT(errors_of('{' + member + ',' + member + '}')[name],
                Contains("is there more than once"));
}
TEST_P(SubmissionTwice, IsAnErrorWhenOneOfThemIsNull) {
    const std::string name = GetParam();
    EXPECT_THAT(errors_of("{\"" + name + "\":null,\"" + name + "\":null}")[name],
                Contains("is there more than once"));
}
TEST_P(SubmissionTwice, IsAnErrorWhenOneOfThemIsEscaped) {
    const std::string name = GetParam();
    std::string escaped = "\\u00";
    escaped += "0123456789abcdef"[name[0] >> 4];
    escaped += "0123456789abcdef"[name[0] & 15];
    escaped += name.substr(1);
    EXPECT_THAT(errors_of("{\"" + name + "\":\"x\",\"" + escaped + "\":\"x\"}")[name],
                Contains("is there more than once"));
}

// ---- uuid

class SubmissionUuid : public testing::Test {
protected:
    const FieldErrors wrong = only_error(
        "uuid", "must be 1 to 128 characters of visible ASCII without quotes and backslashes");
};

TEST_F(SubmissionUuid, IsGivenBack) {
    EXPECT_EQ(accepted(event_with(R"("uuid":"0197-a:b")")).uuid, "0197-a:b");
}
TEST_F(SubmissionUuid, IsEmptyWithoutOne) {
    EXPECT_EQ(accepted(event_with("")).uuid, "");
}
TEST_F(SubmissionUuid, IsEmptyWhenNull) {
    EXPECT_EQ(accepted(event_with(R"("uuid":null)")).uuid, "");
}
TEST_F(SubmissionUuid, LongestIsAccepted) {
    const std::string id(max_uuid_length, 'x');
    EXPECT_EQ(accepted(event_with("\"uuid\":\"" + id + '"')).uuid, id);
}
TEST_F(SubmissionUuid, TooLong) {
    EXPECT_EQ(errors_of(event_with("\"uuid\":\"" + std::string(129, 'x') + '"')), wrong);
}
TEST_F(SubmissionUuid, Empty) {
    EXPECT_EQ(errors_of(event_with(R"("uuid":"")")), wrong);
}
TEST_F(SubmissionUuid, Number) {
    EXPECT_EQ(errors_of(event_with(R"("uuid":17)")), wrong);
}
TEST_F(SubmissionUuid, WithBlank) {
    EXPECT_EQ(errors_of(event_with(R"("uuid":"a b")")), wrong);
}
TEST_F(SubmissionUuid, WithQuote) {
    EXPECT_EQ(errors_of(event_with(R"("uuid":"a\"b")")), wrong);
}
TEST_F(SubmissionUuid, WithBackslash) {
    EXPECT_EQ(errors_of(event_with(R"("uuid":"a\\b")")), wrong);
}
TEST_F(SubmissionUuid, ThatWouldSplitAHeader) {
    EXPECT_EQ(errors_of(event_with(R"("uuid":"a\r\nX-Evil: 1")")), wrong);
}
TEST_F(SubmissionUuid, WithLettersBeyondAscii) {
    EXPECT_EQ(errors_of(event_with(R"("uuid":"ü")")), wrong);
}

// ---- the request body

std::string post_body(std::string_view stored, std::string_view token = "tok") {
    std::string out;
    append_post_body(out, Secret(token), "id-1", stored);
    return out;
}

TEST(PostBody, PutsTokenAndUuidFirst) {
    EXPECT_EQ(post_body(R"({"a":1})"), R"({"flow_token":"tok","uuid":"id-1","a":1})");
}
TEST(PostBody, OfAnEmptyObject) {
    EXPECT_EQ(post_body("{}"), R"({"flow_token":"tok","uuid":"id-1"})");
}
TEST(PostBody, OfAnEmptyObjectWithBlanks) {
    EXPECT_EQ(post_body(" { \n} "), R"({"flow_token":"tok","uuid":"id-1"})");
}
TEST(PostBody, OfAnObjectWithBlanks) {
    EXPECT_EQ(post_body("\n{ \"a\" : 1 }\n"), R"({"flow_token":"tok","uuid":"id-1","a" : 1 })");
}
TEST(PostBody, EscapesTheToken) {
    EXPECT_EQ(post_body("{}", R"(a"b\c)"), R"({"flow_token":"a\"b\\c","uuid":"id-1"})");
}
TEST(PostBody, AppendsToWhatIsThere) {
    std::string out = "POST";
    append_post_body(out, Secret("t"), "u", "{}");
    EXPECT_EQ(out, R"(POST{"flow_token":"t","uuid":"u"})");
}

}  // namespace
}  // namespace flowrelay::core
