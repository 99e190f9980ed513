#include "flowrelay/core/json.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <boost/system/error_code.hpp>
#include <vector>

#include "flowrelay/base/random.hpp"
#include "flowrelay/base/utf8.hpp"

namespace flowrelay::core::json {
namespace {

using namespace std::string_literals;

std::string nested(std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
}

struct Case {
    const char* name;
    std::string text;
};

std::string name_of(const testing::TestParamInfo<Case>& info) {
    return info.param.name;
}

class JsonAccepts : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(
    Texts, JsonAccepts,
    testing::Values(Case{"EmptyObject", "{}"}, Case{"BlanksAround", " \t\r\n{} \t\r\n"},
                    Case{"Scalar", "17"}, Case{"NumberTooLargeForADouble", "1e400"},
                    Case{"NumberTooSmallForADouble", "1e-400"},
                    Case{"IntegerOfSixtyDigits", "9" + std::string(60, '0')},
                    Case{"NegativeZero", "-0"}, Case{"LargestExponent", "1e2147483647"},
                    Case{"LongFraction", "0." + std::string(5000, '7')},
                    Case{"EscapedNul", R"("\u0000")"}, Case{"SurrogatePair", R"("\ud83d\ude00")"},
                    Case{"TwoByteUtf8", "\"\xC3\xA9\""}, Case{"ThreeByteUtf8", "\"\xE2\x82\xAC\""},
                    Case{"FourByteUtf8", "\"\xF0\x9F\x98\x80\""},
                    Case{"LastCodePoint", "\"\xF4\x8F\xBF\xBF\""},
                    Case{"DeleteCharacter", "\"\x7F\""}, Case{"SameNameTwice", R"({"a":1,"a":2})"},
                    Case{"EmptyName", R"({"":1})"}, Case{"DeepestNesting", nested(max_depth)}),
    name_of);

TEST_P(JsonAccepts, Text) {
    const auto error = check(GetParam().text);
    EXPECT_FALSE(error) << error->message << " at " << error->offset;
}

class JsonRefuses : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(
    Texts, JsonRefuses,
    testing::Values(
        Case{"Nothing", ""}, Case{"OnlyBlanks", " \n"}, Case{"TwoValues", "{}{}"},
        Case{"GarbageBehind", "{} x"}, Case{"NulBehind", "{}\0"s}, Case{"Nul", "\0"s},
        Case{"NulInString", "\"a\0b\""s}, Case{"LineFeedInString", "\"a\nb\""},
        Case{"HalfAnObject", R"({"a":1)"}, Case{"HalfAString", R"("abc)"},
        Case{"BackslashAtTheEnd", R"("abc\)"}, Case{"HalfAnEscape", R"("\u12)"},
        Case{"UnknownEscape", R"("\x41")"}, Case{"TrailingCommaInObject", R"({"a":1,})"},
        Case{"TrailingCommaInArray", "[1,]"}, Case{"LeadingComma", "[,1]"},
        Case{"NoColon", R"({"a" 1})"}, Case{"NameWithoutQuotes", "{a:1}"},
        Case{"NameIsANumber", "{1:1}"}, Case{"SingleQuotes", "{'a':1}"}, Case{"Comment", "{/**/}"},
        Case{"LeadingZero", "01"}, Case{"LeadingPlus", "+1"}, Case{"LeadingPoint", ".5"},
        Case{"TrailingPoint", "1."}, Case{"EmptyExponent", "1e"}, Case{"NaN", "NaN"},
        Case{"Infinity", "Infinity"}, Case{"Hexadecimal", "0x10"}, Case{"WrongWord", "nul"},
        Case{"WordTooLong", "nulll"}, Case{"CapitalWord", "True"},
        Case{"ByteOrderMark", "\xEF\xBB\xBF{}"}, Case{"Utf16", "{\0}\0"s},
        Case{"MismatchedBrackets", "[}"}, Case{"OneBracketTooMany", "[]]"},
        Case{"HalfASurrogateEscape", R"("\ud80")"}, Case{"HalfAPair", R"("\ud800\udc0")"},
        Case{"TooDeep", nested(max_depth + 1)}, Case{"FarTooDeep", nested(1'000'000)},
        Case{"DeepAndUnfinished", std::string(1'000'000, '[')}),
    name_of);

TEST_P(JsonRefuses, Text) {
    EXPECT_TRUE(check(GetParam().text));
}

// RFC 8259 has no limit; the parser had one before Boost 1.83.
TEST(JsonNumbers, ExponentsBeyond31BitsAreWhatTheParserSays) {
    boost::system::error_code error;
    boost::json::parse("1e2147483648", error);
    EXPECT_EQ(check("1e2147483648").has_value(), error.failed());
}

// RFC 8259, section 8.2: an escaped surrogate without its other half is JSON.
TEST(JsonSurrogates, HalvesOfPairsAreJson) {
    const std::vector<std::string> pieces{R"(\ud800)", R"(\udc00)",       R"(\uDBFF)", R"(\udfff)",
                                          "a",         R"(\\)",           R"(\")",     R"(\u0041)",
                                          R"(\n)",     R"(\ud83d\ude00)", "\xC3\xA9"};
    Random random(1);
    for (int round = 0; round < 5'000; ++round) {
        std::string text = "\"";
        for (auto count = random.below(8); count > 0; --count) {
            text += pieces[random.below(pieces.size())];
        }
        text += '"';
        ASSERT_FALSE(check(text)) << text;
        const std::string decoded = decode_string(text);
        EXPECT_EQ(repair_utf8(decoded), decoded) << text;
        const std::string mended = replace_lone_surrogates(text).value_or(text);
        EXPECT_EQ(mended.size(), text.size());
        EXPECT_EQ(decode_string(mended), decoded) << text;
        boost::system::error_code error;
        const auto parsed = boost::json::parse(mended, error);
        ASSERT_FALSE(error) << text;
        EXPECT_EQ(std::string(parsed.get_string()), decoded) << text;
    }
}

// Markus Kuhn's stress test, section by section, and what else has fooled decoders.
class JsonRefusesUtf8 : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(
    Attacks, JsonRefusesUtf8,
    testing::Values(Case{"ContinuationAlone", "\x80"}, Case{"TwoContinuations", "\xBF\x80"},
                    Case{"TwoByteStartAlone", "\xC3"}, Case{"ThreeByteStartAlone", "\xE2\x82"},
                    Case{"FourByteStartAlone", "\xF0\x9F\x98"}, Case{"LetterInSequence", "\xC3x"},
                    Case{"OverlongSlash2", "\xC0\xAF"}, Case{"OverlongSlash3", "\xE0\x80\xAF"},
                    Case{"OverlongSlash4", "\xF0\x80\x80\xAF"}, Case{"OverlongNul", "\xC0\x80"},
                    Case{"OverlongQuote", "\xC0\xA2"}, Case{"Surrogate", "\xED\xA0\x80"},
                    Case{"SurrogatePair", "\xED\xA0\xBD\xED\xB8\x80"},
                    Case{"BeyondUnicode", "\xF4\x90\x80\x80"},
                    Case{"FiveBytes", "\xF8\x88\x80\x80\x80"},
                    Case{"SixBytes", "\xFC\x84\x80\x80\x80\x80"}, Case{"Fe", "\xFE"},
                    Case{"Ff", "\xFF"}, Case{"Latin1", "caf\xE9"}),
    name_of);

TEST_P(JsonRefusesUtf8, InAValue) {
    EXPECT_TRUE(check("{\"a\":\"" + GetParam().text + "\"}"));
}
TEST_P(JsonRefusesUtf8, InAName) {
    EXPECT_TRUE(check("{\"" + GetParam().text + "\":1}"));
}
TEST_P(JsonRefusesUtf8, BehindManyGoodBytes) {
    EXPECT_TRUE(check('"' + std::string(100, 'x') + GetParam().text + std::string(100, 'x') + '"'));
}
TEST_P(JsonRefusesUtf8, OutsideOfStrings) {
    EXPECT_TRUE(check("{}" + GetParam().text));
}

TEST(JsonCheck, SaysWhereTheTextIsWrong) {
    const auto error = check(R"({"a":1,"b":?})");
    ASSERT_TRUE(error);
    EXPECT_NEAR(static_cast<double>(error->offset), 11, 1);
    EXPECT_EQ(error->message, "syntax error");
}

TEST(JsonCheck, SaysThatTheTextEndsTooEarly) {
    const auto error = check(R"({"a":)");
    ASSERT_TRUE(error);
    EXPECT_EQ(error->message, "incomplete JSON");
}

TEST(JsonTrim, TakesTheBlanksOff) {
    EXPECT_EQ(trim("\r\n\t {\" \" : 1} \n"), "{\" \" : 1}");
    EXPECT_EQ(trim("1"), "1");
    EXPECT_EQ(trim("  "), "");
}

TEST(JsonKind, IsToldByTheFirstCharacter) {
    EXPECT_EQ(kind_of("{}"), Kind::object);
    EXPECT_EQ(kind_of("[]"), Kind::array);
    EXPECT_EQ(kind_of("\"\""), Kind::string);
    EXPECT_EQ(kind_of("-1"), Kind::number);
    EXPECT_EQ(kind_of("0"), Kind::number);
    EXPECT_EQ(kind_of("true"), Kind::boolean);
    EXPECT_EQ(kind_of("false"), Kind::boolean);
    EXPECT_EQ(kind_of("null"), Kind::null);
}

TEST(JsonInteger, HasNeitherFractionNorExponent) {
    EXPECT_TRUE(is_integer("0"));
    EXPECT_TRUE(is_integer("-17"));
    EXPECT_FALSE(is_integer("1.0"));
    EXPECT_FALSE(is_integer("1e3"));
    EXPECT_FALSE(is_integer("1E3"));
}

TEST(JsonDecode, PlainText) {
    EXPECT_EQ(decode_string(R"("abc")"), "abc");
}
TEST(JsonDecode, EmptyString) {
    EXPECT_EQ(decode_string(R"("")"), "");
}
TEST(JsonDecode, ShortEscapes) {
    EXPECT_EQ(decode_string(R"("\"\\\/\b\f\n\r\t")"), "\"\\/\b\f\n\r\t");
}
TEST(JsonDecode, EscapeBetweenText) {
    EXPECT_EQ(decode_string(R"("a\nb\nc")"), "a\nb\nc");
}
TEST(JsonDecode, HexInBothCases) {
    EXPECT_EQ(decode_string(R"("\u00e9\u00E9")"), "éé");
}
TEST(JsonDecode, EscapedNul) {
    EXPECT_EQ(decode_string(R"("a\u0000b")"), "a\0b"s);
}
TEST(JsonDecode, OneTwoThreeAndFourBytes) {
    EXPECT_EQ(decode_string(R"("\u007f\u0080\u07ff\u0800\uffff\ud800\udc00\udbff\udfff")"),
              "\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF");
}
TEST(JsonStringText, WithoutEscapesIsAViewOfTheValue) {
    const std::string value = R"("abc")";
    EXPECT_EQ(StringText(value).view(), "abc");
    EXPECT_EQ(StringText(value).view().data(), value.data() + 1);
    EXPECT_EQ(StringText(R"("")").view(), "");
}
TEST(JsonStringText, WithEscapesIsDecoded) {
    const StringText text(R"("a long one, so that it does not lie in the object\n\u00e9")");
    EXPECT_EQ(text.view(), "a long one, so that it does not lie in the object\né");
}
TEST(JsonAppend, EscapesWhateverHasToBeWhereverItLies) {
    for (std::size_t before = 0; before < 20; ++before) {
        for (int code = 0; code < 256; ++code) {
            const auto c = static_cast<char>(code);
            const std::string head(before, 'a');
            std::string out;
            append_string(out, head + c + "\xC3\xA9 and so on");
            std::string spelled(1, c);
            if (code < 0x20) spelled = fmt::format("\\u{:04x}", code);
            if (c == '"' || c == '\\') spelled.insert(0, "\\");
            EXPECT_EQ(out, '"' + head + spelled + "\xC3\xA9 and so on\"") << before << ' ' << code;
        }
    }
}
TEST(JsonDecode, TextThatLooksLikeAnEscape) {
    EXPECT_EQ(decode_string(R"("\\u0041")"), "\\u0041");
}

std::string as_string(std::string_view text) {
    std::string out;
    append_string(out, text);
    return out;
}

TEST(JsonAppend, PlainText) {
    EXPECT_EQ(as_string("abc é"), "\"abc é\"");
}
TEST(JsonAppend, QuotesAndBackslashes) {
    EXPECT_EQ(as_string(R"(a"b\c)"), R"("a\"b\\c")");
}
TEST(JsonAppend, ControlCharacters) {
    EXPECT_EQ(as_string("\n\x1F\0"s), "\"\\u000a\\u001f\\u0000\"");
}
TEST(JsonAppend, AnyAsciiComesBack) {
    std::string all;
    for (char c = 0; c < 0x7F; ++c) all += c;
    const std::string text = as_string(all);
    ASSERT_FALSE(check(text));
    EXPECT_EQ(decode_string(text), all);
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs members_of(const std::string& object) {
    EXPECT_FALSE(check(object)) << object;
    Pairs pairs;
    for (MemberReader in(object); in.next();) {
        pairs.emplace_back(in.member().name, in.member().value);
    }
    return pairs;
}

TEST(JsonMembers, OfAnEmptyObject) {
    EXPECT_EQ(members_of("{}"), Pairs{});
}
TEST(JsonMembers, OfAnEmptyObjectWithBlanks) {
    EXPECT_EQ(members_of("{ \n }"), Pairs{});
}
TEST(JsonMembers, InTheirOrder) {
    EXPECT_EQ(members_of(R"({"b":1,"a":"x"})"), (Pairs{{"b", "1"}, {"a", "\"x\""}}));
}
TEST(JsonMembers, WithBlanksEverywhere) {
    EXPECT_EQ(members_of("{ \"a\" : 1 ,\n\t\"b\"\r:[ 1 , 2 ] }"),
              (Pairs{{"a", "1"}, {"b", "[ 1 , 2 ]"}}));
}
TEST(JsonMembers, NameWithEscapesIsWhatItMeans) {
    EXPECT_EQ(members_of(R"({"flow\u005ftoken":1,"\"":2})"),
              (Pairs{{"flow_token", "1"}, {"\"", "2"}}));
}
TEST(JsonMembers, BracketsInStringsDoNotCount) {
    EXPECT_EQ(members_of(R"({"a":{"}":"]{"},"b":["}","\"]"],"c":1})"),
              (Pairs{{"a", R"({"}":"]{"})"}, {"b", R"(["}","\"]"])"}, {"c", "1"}}));
}
TEST(JsonMembers, BackslashesBeforeTheClosingQuote) {
    EXPECT_EQ(members_of(R"({"a":"\\","b":"\\\"","c":"\\\\"})"),
              (Pairs{{"a", R"("\\")"}, {"b", R"("\\\"")"}, {"c", R"("\\\\")"}}));
}
TEST(JsonMembers, QuoteAndBackslashAtEveryPlaceInAString) {
    for (std::size_t at = 0; at < 40; ++at) {
        for (const std::string escape : {R"(\")", R"(\\)", R"(\u0022)"}) {
            const std::string value =
                '"' + std::string(at, 'x') + escape + std::string(9, 'y') + '"';
            ASSERT_EQ(members_of("{\"a\":" + value + ",\"b\":1}"),
                      (Pairs{{"a", value}, {"b", "1"}}));
        }
    }
}
TEST(JsonMembers, ScalarsOfEveryKind) {
    EXPECT_EQ(members_of(R"({"a":true,"b":null ,"c":-1.5e+3})"),
              (Pairs{{"a", "true"}, {"b", "null"}, {"c", "-1.5e+3"}}));
}
TEST(JsonMembers, TextReachesFromNameToValue) {
    const std::string object = R"({ "a" : [1] , "b":2})";
    MemberReader in(object);
    ASSERT_TRUE(in.next());
    EXPECT_EQ(in.member().text, R"("a" : [1])");
}
TEST(JsonMembers, EndStaysTheEnd) {
    const std::string object = "{}";
    MemberReader in(object);
    EXPECT_FALSE(in.next());
    EXPECT_FALSE(in.next());
}

std::vector<std::string> elements_of(const std::string& array) {
    EXPECT_FALSE(check(array)) << array;
    std::vector<std::string> values;
    for (ElementReader in(array); in.next();) values.emplace_back(in.value());
    return values;
}

TEST(JsonElements, OfAnEmptyArray) {
    EXPECT_TRUE(elements_of("[ ]").empty());
}
TEST(JsonElements, InTheirOrder) {
    EXPECT_EQ(elements_of(R"([ {"a":[1,2]} , "x,y",3 ,[]])"),
              (std::vector<std::string>{R"({"a":[1,2]})", "\"x,y\"", "3", "[]"}));
}

}  // namespace
}  // namespace flowrelay::core::json
