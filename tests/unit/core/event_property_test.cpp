// For random events: what is stored, and what is posted, means the same as what was handed in.
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <vector>

#include "event_support.hpp"
#include "flowrelay/base/random.hpp"
#include "flowrelay/core/json.hpp"

namespace flowrelay::core {
namespace {

namespace bj = boost::json;

class Generator {
public:
    explicit Generator(std::uint64_t seed) : random_(seed) {}

    /// An event that is to be accepted, in one of its many spellings.
    std::string event() {
        std::vector<std::string> members{
            member("flow_token", spelled("deadbeef")),
            member("event", spelled("activity")),
            member("title", spelled("failed")),
            member("author", '{' + member("name", spelled("CI")) + '}'),
            member(random_.chance(0.5) ? "external_thread_id" : "thread_id", spelled("build-42")),
        };
        if (random_.chance(0.5)) members.push_back(member("uuid", spelled("own-1")));
        if (random_.chance(0.3)) members.push_back(member("relay", "{}"));
        if (random_.chance(0.3)) members.push_back(member("source", "null"));
        for (std::uint64_t n = random_.below(6); n > 0; --n) {
            members.push_back(member("x" + std::to_string(n), value(5)));
        }
        for (std::size_t i = members.size(); i > 1; --i) {
            std::swap(members[i - 1], members[random_.below(i)]);
        }
        return blanks() + list('{', members, '}') + blanks();
    }

private:
    std::string value(int depth) {
        static const std::vector<std::string> scalars{"true",
                                                      "false",
                                                      "null",
                                                      "0",
                                                      "-0",
                                                      "1e400",
                                                      "-1.50E-3",
                                                      "18446744073709551616",
                                                      "123456789012345678901234567890.5"};
        const std::uint64_t kind = random_.below(depth > 0 ? 4 : 2);
        if (kind == 0) return scalars[random_.below(scalars.size())];
        if (kind == 1) return spelled(text());
        std::vector<std::string> parts;
        for (std::uint64_t n = random_.below(4); n > 0; --n) {
            parts.push_back(kind == 2 ? value(depth - 1) : member(text(), value(depth - 1)));
        }
        return kind == 2 ? list('[', parts, ']') : list('{', parts, '}');
    }

    std::string text() {
        static const std::vector<std::string> pieces{
            "a",  "flow_token", "uuid", "\"",   "\\",
            "{",  "}",          "[",    "]",    ",",
            ":",  "\n",         " ",    "é",    "€",
            "😀", "\x01",       "/",    "\\\"", "longer piece of text"};
        std::string out;
        for (std::uint64_t n = random_.below(6); n > 0; --n) {
            out += pieces[random_.below(pieces.size())];
        }
        return out;
    }

    // A string with its quotes; here and there a character is escaped that need not be.
    std::string spelled(std::string_view plain) {
        std::string out = "\"";
        for (const char c : plain) {
            const auto byte = static_cast<unsigned char>(c);
            if (byte < 0x20 || c == '"' || c == '\\' || (byte < 0x80 && random_.chance(0.1))) {
                static constexpr char digits[] = "0123456789abcdef";
                out += "\\u00";
                out += digits[byte >> 4];
                out += digits[byte & 15];
            } else {
                out += c;
            }
        }
        return out + '"';
    }

    std::string member(std::string_view name, const std::string& json) {
        return spelled(name) + blanks() + ':' + blanks() + json;
    }

    std::string list(char open, const std::vector<std::string>& parts, char close) {
        std::string out(1, open);
        out += blanks();
        for (std::size_t i = 0; i < parts.size(); ++i) {
            if (i > 0) out += ',' + blanks();
            out += parts[i] + blanks();
        }
        return out + close;
    }

    std::string blanks() {
        static const std::vector<std::string> some{"", "", "", " ", "\n", "\t ", "\r\n  "};
        return some[random_.below(some.size())];
    }

    Random random_;
};

bj::object parse_object(const std::string& text) {
    bj::parse_options options;
    options.max_depth = json::max_depth;
    return bj::parse(text, {}, options).as_object();
}

bj::object without(bj::object object, std::initializer_list<const char*> names) {
    for (const char* name : names) object.erase(name);
    return object;
}

TEST(EventProperty, StoredAndPostedMeanTheSameAsHandedIn) {
    for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
        const std::string text = Generator(seed).event();
        SCOPED_TRACE("seed " + std::to_string(seed) + ": " + text);
        const Submission::Contents contents = accepted(text);

        const bj::object handed_in = parse_object(text);
        const bj::object kept = without(handed_in, {"flow_token", "source", "uuid", "relay"});
        ASSERT_EQ(parse_object(contents.body), kept);

        std::string posted;
        append_post_body(posted, Secret("to\"ken"), "id-1", contents.body);
        const bj::object arrived = parse_object(posted);
        ASSERT_EQ(arrived.at("flow_token").as_string(), "to\"ken");
        ASSERT_EQ(arrived.at("uuid").as_string(), "id-1");
        ASSERT_EQ(without(arrived, {"flow_token", "uuid"}), kept);
    }
}

// Whatever is damaged about an event, it is accepted whole or rejected, and nothing breaks.
TEST(EventProperty, DamagedEventsAreAcceptedOrRejected) {
    Random random(1);
    int rejected_ones = 0;
    for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
        std::string text = Generator(seed).event();
        for (std::uint64_t n = random.below(3) + 1; n > 0; --n) {
            text[random.below(text.size())] = static_cast<char>(random.next());
        }
        SCOPED_TRACE("seed " + std::to_string(seed));
        const auto contents = submit(text);
        if (!contents) {
            ++rejected_ones;
            continue;
        }
        ASSERT_FALSE(json::check(contents->body)) << contents->body;
    }
    EXPECT_GT(rejected_ones, 1000);
}

TEST(EventProperty, TruncatedEventsAreInvalidJson) {
    const std::string text = Generator(7).event();
    const std::size_t end = json::trim(text).size() + text.find('{');
    for (std::size_t size = 0; size < end; ++size) {
        ASSERT_EQ(rejected(std::string_view(text).substr(0, size)).code, RejectCode::invalid_json);
    }
}

}  // namespace
}  // namespace flowrelay::core
