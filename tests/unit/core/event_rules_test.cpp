// Submission::complete and `relay`: the rules of the API about contents.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <string>

#include "core/event_rules.hpp"
#include "event_support.hpp"

namespace flowrelay::core {
namespace {

using testing::HasSubstr;

TEST(VisibleAscii, IsToldWhereverACharacterIs) {
    for (std::size_t size = 1; size < 20; ++size) {
        std::string text(size, 'x');
        for (std::size_t at = 0; at < size; ++at) {
            for (int code = 0; code < 256; ++code) {
                text[at] = static_cast<char>(code);
                EXPECT_EQ(event_rules::is_visible_ascii(text, size, {}),
                          code >= 0x21 && code <= 0x7E)
                    << code << " at " << at << " of " << size;
            }
            text[at] = 'x';
        }
    }
}

// An event of four required members, each of which a test can replace or leave out ("").
struct Members {
    std::string event = R"("event":"activity")";
    std::string title = R"("title":"failed")";
    std::string author = R"("author":{"name":"CI"})";
    std::string thread = R"("external_thread_id":"build-42")";
    std::string more = {};

    std::string json(std::string_view addressee = R"("flow_token":"deadbeef")") const {
        std::string text = "{" + std::string(addressee);
        for (const std::string* member : {&event, &title, &author, &thread, &more}) {
            if (!member->empty()) text += "," + *member;
        }
        return text + "}";
    }
};

FieldErrors one_error(const std::string& field, const std::string& message) {
    return {{field, {message}}};
}

// One replaced member, and the one error that it makes; or none.
struct Rule {
    const char* name;
    Members members;
    const char* field;
    const char* message;
};

std::string name_of(const testing::TestParamInfo<Rule>& info) {
    return info.param.name;
}

class Rules : public testing::TestWithParam<Rule> {};

TEST_P(Rules, Hold) {
    const Rule& rule = GetParam();
    const auto contents = submit(rule.members.json());
    if (rule.field == nullptr) {
        EXPECT_TRUE(contents) << contents.error().message;
    } else {
        ASSERT_FALSE(contents);
        EXPECT_EQ(contents.error().code, RejectCode::invalid_event);
        EXPECT_EQ(contents.error().errors, one_error(rule.field, rule.message));
    }
}

constexpr const char* blank = "can't be blank";

Rule event_rule(const char* name, const char* member, const char* message = nullptr) {
    return {name, {.event = member}, message == nullptr ? nullptr : "event", message};
}

INSTANTIATE_TEST_SUITE_P(
    Event, Rules,
    testing::Values(event_rule("Activity", R"("event":"activity")"),
                    event_rule("Discussion", R"("event":"discussion")"),
                    event_rule("EscapedActivity", R"("event":"\u0061ctivity")"),
                    event_rule("Missing", "", blank), event_rule("Null", R"("event":null)", blank),
                    event_rule("Message", R"("event":"message")", "must be activity or discussion"),
                    event_rule("Capitals", R"("event":"Activity")",
                               "must be activity or discussion"),
                    event_rule("Empty", R"("event":"")", "must be activity or discussion"),
                    event_rule("Number", R"("event":1)", "must be activity or discussion")),
    name_of);

Rule title_rule(const char* name, const char* member, const char* message = nullptr) {
    return {name, {.title = member}, message == nullptr ? nullptr : "title", message};
}

INSTANTIATE_TEST_SUITE_P(
    Title, Rules,
    testing::Values(title_rule("WithHtml", R"("title":"opened <a href=\"x\">y</a>")"),
                    title_rule("Missing", "", blank), title_rule("Null", R"("title":null)", blank),
                    title_rule("Empty", R"("title":"")", blank),
                    title_rule("Blanks", R"("title":" \t\r\n")", blank),
                    title_rule("EscapedBlanks", R"("title":"\u0020\u0009")", blank),
                    title_rule("Zero", R"("title":"0")"),
                    title_rule("Number", R"("title":42)", "must be a string"),
                    title_rule("Array", R"("title":["a"])", "must be a string"),
                    title_rule("True", R"("title":true)", "must be a string")),
    name_of);

Rule author_rule(const char* name, const char* member, const char* field = nullptr,
                 const char* message = nullptr) {
    return {name, {.author = member}, field, message};
}

INSTANTIATE_TEST_SUITE_P(
    Author, Rules,
    testing::Values(
        author_rule("WithMore", R"("author":{"avatar":1,"name":"a","email":null})"),
        author_rule("EscapedName", R"("author":{"\u006eame":"a"})"),
        author_rule("Missing", "", "author.name", blank),
        author_rule("Null", R"("author":null)", "author.name", blank),
        author_rule("Empty", R"("author":{})", "author.name", blank),
        author_rule("EmptyName", R"("author":{"name":""})", "author.name", blank),
        author_rule("NullName", R"("author":{"name":null})", "author.name", blank),
        author_rule("NumericName", R"("author":{"name":1})", "author.name", "must be a string"),
        author_rule("NameTwice", R"("author":{"name":"a","name":"b"})", "author.name",
                    "is there more than once"),
        author_rule("String", R"("author":"CI")", "author", "must be an object"),
        author_rule("Array", R"("author":[{"name":"a"}])", "author", "must be an object")),
    name_of);

Rule thread_rule(const char* name, const char* json, const char* field = nullptr,
                 const char* message = nullptr) {
    return {name, {.more = std::string("\"thread\":") + json}, field, message};
}

constexpr const char* bad_color =
    "must be red, green, yellow, cyan, orange, grey, black, lime, purple or blue";
constexpr const char* bad_fields = "must be an array of {label, value}";

INSTANTIATE_TEST_SUITE_P(
    Thread, Rules,
    testing::Values(
        thread_rule("WithTitle", R"({"title":"t"})"), thread_rule("Null", "null"),
        thread_rule("WithActions", R"({"title":"t","actions":[{"@type":"ViewAction"}]})"),
        thread_rule("Empty", "{}", "thread.title", blank),
        thread_rule("BlankTitle", R"({"title":" "})", "thread.title", blank),
        thread_rule("NumericTitle", R"({"title":1})", "thread.title", "must be a string"),
        thread_rule("TitleTwice", R"({"title":"a","title":"b"})", "thread.title",
                    "is there more than once"),
        thread_rule("String", R"("t")", "thread", "must be an object"),
        thread_rule("StatusWithoutColor", R"({"title":"t","status":{"value":"v"}})"),
        thread_rule("StatusNull", R"({"title":"t","status":null})"),
        thread_rule("StatusString", R"({"title":"t","status":"red"})", "thread.status",
                    "must be an object"),
        thread_rule("UnknownColor", R"({"title":"t","status":{"color":"pink"}})",
                    "thread.status.color", bad_color),
        thread_rule("GrayIsGrey", R"({"title":"t","status":{"color":"gray"}})",
                    "thread.status.color", bad_color),
        thread_rule("NumericColor", R"({"title":"t","status":{"color":1}})", "thread.status.color",
                    bad_color),
        thread_rule("ColorTwice", R"({"title":"t","status":{"color":"red","color":"red"}})",
                    "thread.status.color", "is there more than once"),
        thread_rule("Fields", R"({"title":"t","fields":[{"label":"a","value":"b"},)"
                              R"({"label":"n","value":1,"x":2},{"label":"z","value":null}]})"),
        thread_rule("NoFields", R"({"title":"t","fields":[]})"),
        thread_rule("FieldsObject", R"({"title":"t","fields":{"label":"a","value":"b"}})",
                    "thread.fields", bad_fields),
        thread_rule("FieldString", R"({"title":"t","fields":["a"]})", "thread.fields", bad_fields),
        thread_rule("FieldWithoutLabel", R"({"title":"t","fields":[{"value":"b"}]})",
                    "thread.fields", bad_fields),
        thread_rule("FieldWithoutValue", R"({"title":"t","fields":[{"label":"a"}]})",
                    "thread.fields", bad_fields),
        thread_rule("FieldLabelTwice",
                    R"({"title":"t","fields":[{"label":"a","label":"a","value":"b"}]})",
                    "thread.fields", bad_fields),
        thread_rule("FieldValueArray", R"({"title":"t","fields":[{"label":"a","value":[]}]})",
                    "thread.fields", bad_fields),
        thread_rule("FieldLabelNumber", R"({"title":"t","fields":[{"label":1,"value":"b"}]})",
                    "thread.fields", bad_fields),
        thread_rule("SecondFieldWrong",
                    R"({"title":"t","fields":[{"label":"a","value":"b"},null]})", "thread.fields",
                    bad_fields)),
    name_of);

class ThreadColor : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Known, ThreadColor,
                         testing::Values("red", "green", "yellow", "cyan", "orange", "grey",
                                         "black", "lime", "purple", "blue"),
                         [](const auto& color) { return std::string(color.param); });

TEST_P(ThreadColor, IsAccepted) {
    const Members members{.more = std::string(R"("thread":{"title":"t","status":{"color":")") +
                                  GetParam() + "\"}}"};
    EXPECT_TRUE(submit(members.json()));
}

Rule more_rule(const char* name, const char* member, const char* field = nullptr,
               const char* message = nullptr) {
    return {name, {.more = member}, field, message};
}

constexpr const char* bad_tags = "must be a string or an array of strings";

INSTANTIATE_TEST_SUITE_P(
    Optional, Rules,
    testing::Values(more_rule("TagsArray", R"("tags":["a","b"])"),
                    more_rule("TagsString", R"("tags":"a,b")"),
                    more_rule("TagsEmpty", R"("tags":[])"), more_rule("TagsNull", R"("tags":null)"),
                    more_rule("TagsNumber", R"("tags":1)", "tags", bad_tags),
                    more_rule("TagsOfNumbers", R"("tags":["a",1])", "tags", bad_tags),
                    more_rule("TagsNested", R"("tags":[["a"]])", "tags", bad_tags),
                    more_rule("BodyText", R"("body":"<p>x</p>")"),
                    more_rule("BodyEmpty", R"("body":"")"), more_rule("BodyNull", R"("body":null)"),
                    more_rule("BodyObject", R"("body":{})", "body", "must be a string"),
                    more_rule("Attachments", R"("attachments":[{"data":"AAAA"}])"),
                    more_rule("Unknown", R"("anything":[1,{"title":2}])")),
    name_of);

// ---- threads

std::string thread_of(const std::string& members) {
    return accepted(Members{.thread = members}.json()).thread;
}
FieldErrors thread_errors(const std::string& members) {
    return errors_of(Members{.thread = members}.json());
}

TEST(EventThread, ByExternalId) {
    EXPECT_EQ(thread_of(R"("external_thread_id":"build-42")"), "e:build-42");
}
TEST(EventThread, ByThreadId) {
    EXPECT_EQ(thread_of(R"("thread_id":"ab12")"), "t:ab12");
}
TEST(EventThread, ExternalIdGoesFirst) {
    EXPECT_EQ(thread_of(R"("thread_id":"t","external_thread_id":"e")"), "e:e");
}
TEST(EventThread, NullExternalIdLeavesItToTheThreadId) {
    EXPECT_EQ(thread_of(R"("thread_id":"t","external_thread_id":null)"), "t:t");
}
TEST(EventThread, EscapesAreResolved) {
    EXPECT_EQ(thread_of(R"("external_thread_id":"a\u002fb\n")"), "e:a/b\n");
}
TEST(EventThread, IntegerCountsAsSpelled) {
    EXPECT_EQ(thread_of(R"("external_thread_id":42)"), "e:42");
    EXPECT_EQ(thread_of(R"("external_thread_id":-9007199254740993)"), "e:-9007199254740993");
}
TEST(EventThread, NoneIsAnError) {
    EXPECT_EQ(thread_errors(""), one_error("external_thread_id", "or thread_id is required"));
}
TEST(EventThread, NullAloneIsAnError) {
    EXPECT_EQ(thread_errors(R"("thread_id":null)"),
              one_error("external_thread_id", "or thread_id is required"));
}
TEST(EventThread, EmptyIsAnError) {
    EXPECT_EQ(thread_errors(R"("external_thread_id":"")"), one_error("external_thread_id", blank));
    EXPECT_EQ(thread_errors(R"("thread_id":" ")"), one_error("thread_id", blank));
}
TEST(EventThread, FractionIsAnError) {
    EXPECT_EQ(thread_errors(R"("external_thread_id":4.2)"),
              one_error("external_thread_id", "must be a string or an integer"));
}
TEST(EventThread, ObjectIsAnError) {
    EXPECT_EQ(thread_errors(R"("thread_id":{})"),
              one_error("thread_id", "must be a string or an integer"));
}
TEST(EventThread, SecondIdIsCheckedAsWell) {
    EXPECT_EQ(thread_errors(R"("external_thread_id":"a","thread_id":[])"),
              one_error("thread_id", "must be a string or an integer"));
}
TEST(EventThread, LongestIsAccepted) {
    const std::string id(max_thread_length, 'x');
    EXPECT_EQ(thread_of("\"external_thread_id\":\"" + id + '"'), "e:" + id);
}
TEST(EventThread, TooLongIsAnError) {
    EXPECT_EQ(
        thread_errors("\"external_thread_id\":\"" + std::string(max_thread_length + 1, 'x') + '"'),
        one_error("external_thread_id", "is too long (at most 1024 bytes)"));
}
TEST(EventThread, LengthIsThatOfTheMeaning) {
    std::string id;
    for (std::size_t i = 0; i < max_thread_length; ++i) id += "\\u0041";
    EXPECT_EQ(thread_of("\"external_thread_id\":\"" + id + '"').size(), max_thread_length + 2);
}

// ---- several problems at once

TEST(EventErrors, AreAllNamed) {
    const FieldErrors all{{"author.name", {blank}},
                          {"event", {blank}},
                          {"external_thread_id", {"or thread_id is required"}},
                          {"title", {blank}}};
    EXPECT_EQ(errors_of(R"({"flow_token":"x"})"), all);
}
TEST(EventErrors, OfAddresseeAndContentsAreNamedTogether) {
    const FieldErrors all{{"author.name", {blank}},
                          {"event", {blank}},
                          {"external_thread_id", {"or thread_id is required"}},
                          {"flow_token", {"or source is required"}},
                          {"title", {blank}}};
    EXPECT_EQ(errors_of("{}"), all);
}
TEST(EventErrors, ThatDefaultsCouldMendAreNotNamedEarly) {
    EXPECT_EQ(errors_of(R"({"source":"ci","uuid":""})").size(), 1U);
}
TEST(EventErrors, MakeUpTheMessage) {
    EXPECT_EQ(
        rejected(Members{.title = "", .thread = ""}.json()).message,
        "Validation error: external_thread_id or thread_id is required; title can't be blank");
}
TEST(EventErrors, MessageEndsAfterAFew) {
    EXPECT_THAT(rejected(R"({"thread":1,"tags":1,"body":1})").message,
                testing::EndsWith("; and 3 more"));
}

// ---- defaults of a source

constexpr const char* from_ci = R"("source":"ci")";

TEST(EventDefaults, ShortestEventOfASource) {
    const auto contents =
        accepted(R"({"source":"ci","external_thread_id":"build-42","title":"failed"})",
                 {{"author", R"({"name":"CI"})"}});
    EXPECT_EQ(contents.body,
              R"({"external_thread_id":"build-42","title":"failed","author":{"name":"CI"},)"
              R"("event":"activity"})");
    EXPECT_EQ(contents.thread, "e:build-42");
}
TEST(EventDefaults, EventOfASourceIsActivity) {
    EXPECT_THAT(accepted(Members{.event = ""}.json(from_ci)).body,
                HasSubstr(R"("event":"activity")"));
}
TEST(EventDefaults, EventOfATokenIsRequired) {
    EXPECT_EQ(errors_of(Members{.event = ""}.json()), one_error("event", blank));
}
TEST(EventDefaults, SourceMaySayOtherwise) {
    EXPECT_THAT(accepted(Members{.event = ""}.json(from_ci), {{"event", R"("discussion")"}}).body,
                HasSubstr(R"("event":"discussion")"));
}
TEST(EventDefaults, EventsOwnMemberGoesFirst) {
    EXPECT_EQ(accepted(Members{}.json(from_ci), {{"author", R"({"name":"Other"})"}}).body,
              accepted(Members{}.json(from_ci)).body);
}
TEST(EventDefaults, StandInForNull) {
    const auto contents =
        accepted(Members{.event = R"("event" : null)", .author = R"("author":null)"}.json(from_ci),
                 {{"author", R"({"name":"A"})"}});
    EXPECT_EQ(contents.body, R"({"event" : "activity","title":"failed","author":{"name":"A"},)"
                             R"("external_thread_id":"build-42"})");
}
TEST(EventDefaults, StandInForNullBeforeOtherMembers) {
    const auto contents =
        accepted(R"({"source":"ci","author":null,"tags":null,"title":"t","thread_id":"1"})",
                 {{"author", R"({"name":"A"})"}, {"tags", R"(["x"])"}});
    EXPECT_EQ(contents.body, R"({"author":{"name":"A"},"tags":["x"],"title":"t","thread_id":"1",)"
                             R"("event":"activity"})");
}
TEST(EventDefaults, MembersUnknownToTheRelay) {
    EXPECT_THAT(accepted(Members{}.json(from_ci), {{"x\"y", "[1]"}}).body,
                HasSubstr(R"(,"x\"y":[1]})"));
}
TEST(EventDefaults, MembersUnknownToTheRelayThatAreThere) {
    EXPECT_EQ(accepted(Members{.more = R"("\u0078":null)"}.json(from_ci), {{"x", "[1]"}}).body,
              accepted(Members{.more = R"("\u0078":null)"}.json(from_ci)).body);
}
TEST(EventDefaults, IntoAnEventOfNothing) {
    const EventDefaults all{{"author", R"({"name":"A"})"}, {"title", R"("t")"}};
    EXPECT_EQ(errors_of(R"({"source":"ci"})", all),
              one_error("external_thread_id", "or thread_id is required"));
}
TEST(EventDefaults, AreCheckedLikeTheEvent) {
    EXPECT_EQ(errors_of(Members{.author = ""}.json(from_ci), {{"author", R"({"name":""})"}}),
              one_error("author.name", blank));
}
TEST(EventDefaults, AreNotMergedWithAnObjectThatIsThere) {
    EXPECT_EQ(errors_of(Members{.author = R"("author":{"avatar":"x"})"}.json(from_ci),
                        {{"author", R"({"name":"CI"})"}}),
              one_error("author.name", blank));
}

// ---- relay

struct Expiry {
    const char* name;
    const char* json;
    std::int64_t milliseconds;  ///< 0: refused
};

class RelayExpiry : public testing::TestWithParam<Expiry> {};

INSTANTIATE_TEST_SUITE_P(
    Values, RelayExpiry,
    testing::Values(Expiry{"Seconds", R"("90s")", 90'000}, Expiry{"Hours", R"("2h")", 7'200'000},
                    Expiry{"Days", R"("5d")", 432'000'000}, Expiry{"Mixed", R"("1m30s")", 90'000},
                    Expiry{"Escaped", R"("\u0031s")", 1'000}, Expiry{"Number", "90", 90'000},
                    Expiry{"Fraction", "0.25", 250}, Expiry{"Exponent", "1e2", 100'000},
                    Expiry{"HundredYears", "3153600000", 3'153'600'000'000},
                    Expiry{"HundredYearsAndASecond", "3153600001", 0}, Expiry{"Zero", "0", 0},
                    Expiry{"ZeroText", R"("0s")", 0}, Expiry{"Negative", "-5", 0},
                    Expiry{"NegativeText", R"("-5s")", 0}, Expiry{"LargeNegative", "-1e300", 0},
                    Expiry{"UnderAMillisecond", "0.0001", 0}, Expiry{"Large", "1e300", 0},
                    Expiry{"Infinite", "1e400", 0}, Expiry{"NoUnit", R"("90")", 0},
                    Expiry{"Empty", R"("")", 0}, Expiry{"Words", R"("two hours")", 0},
                    Expiry{"True", "true", 0}, Expiry{"Array", "[1]", 0}),
    [](const auto& expiry) { return std::string(expiry.param.name); });

TEST_P(RelayExpiry, IsRead) {
    const auto contents = submit(
        Members{.more = std::string(R"("relay":{"expires_in":)") + GetParam().json + "}"}.json());
    if (GetParam().milliseconds > 0) {
        ASSERT_TRUE(contents) << contents.error().message;
        EXPECT_EQ(contents->expires_in, Milliseconds(GetParam().milliseconds));
    } else {
        ASSERT_FALSE(contents);
        EXPECT_EQ(contents.error().errors,
                  one_error("relay.expires_in",
                            "must be a duration like 90s, 2h or 5d, or a number of seconds; above "
                            "0 and at most 36500d"));
    }
}

FieldErrors relay_errors(const std::string& json) {
    return errors_of(Members{.more = "\"relay\":" + json}.json());
}

TEST(Relay, WithoutExpiry) {
    EXPECT_EQ(accepted(Members{.more = R"("relay":{})"}.json()).expires_in, std::nullopt);
    EXPECT_EQ(accepted(Members{.more = R"("relay":{"expires_in":null})"}.json()).expires_in,
              std::nullopt);
    EXPECT_EQ(accepted(Members{.more = R"("relay":null)"}.json()).expires_in, std::nullopt);
}
TEST(Relay, HasToBeAnObject) {
    EXPECT_EQ(relay_errors(R"("2h")"), one_error("relay", "must be an object"));
}
TEST(Relay, UnknownMemberIsNamed) {
    EXPECT_EQ(relay_errors(R"({"expires":"2h"})"),
              one_error("relay.expires", "is not known; expires_in is"));
}
TEST(Relay, AnswerDoesNotGrowWithTheUnknownMembers) {
    for (const std::size_t count : {1U, 9U, 10U, 11U, 200U, 60'000U}) {
        std::string members;
        for (std::size_t i = 0; i < count; ++i) {
            members += (i > 0 ? ",\"m" : "\"m") + std::to_string(i) + "\":1";
        }
        const auto refused = Submission::parse(event_with("\"relay\":{" + members + "}"));
        ASSERT_TRUE(refused.has_error());
        const FieldErrors errors = refused.error().errors;
        EXPECT_LE(errors.size(), 11U) << count;
        const auto rest = errors.find("relay");
        ASSERT_EQ(rest != errors.end(), count > 10) << count;
        if (count > 10) {
            EXPECT_EQ(rest->second.front(), fmt::format("has {} unknown members more", count - 10));
        }
    }
}

TEST(Relay, ExpiryTwice) {
    EXPECT_EQ(relay_errors(R"({"expires_in":"2h","expires_in":"2h"})"),
              one_error("relay.expires_in", "is there more than once"));
}
TEST(Relay, LongUnknownNameIsCutBetweenCharacters) {
    std::string name(63, 'x');
    name += "é and more";
    EXPECT_EQ(relay_errors("{\"" + name + "\":1}"),
              one_error("relay." + std::string(63, 'x') + "...", "is not known; expires_in is"));
}

}  // namespace
}  // namespace flowrelay::core
