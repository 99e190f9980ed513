#include "flowrelay/core/event_filter.hpp"

#include <gtest/gtest.h>

#include <string>

namespace flowrelay::core {
namespace {

EventFilter filter_with(FilterList list, std::initializer_list<std::string_view> entries) {
    EventFilter filter;
    for (const auto entry : entries) EXPECT_EQ(add_entry(filter, list, entry), std::nullopt);
    return filter;
}

EventFilter tags(std::initializer_list<std::string_view> entries) {
    return filter_with(FilterList::tags, entries);
}

EventFilter threads(std::initializer_list<std::string_view> entries) {
    return filter_with(FilterList::threads, entries);
}

std::string mistake_in(FilterList list, std::string_view entry) {
    EventFilter filter;
    const auto mistake = add_entry(filter, list, entry);
    EXPECT_EQ(filter.passes_all(), mistake.has_value());
    return mistake.value_or("");
}

TEST(EventFilter, WithoutListsLetsEverythingPass) {
    EXPECT_TRUE(EventFilter().passes_all());
    EXPECT_TRUE(passes({}, "{}", "t:1"));
    EXPECT_FALSE(known_filter({}));
    EXPECT_TRUE(known_filter(tags({"a"})));
    EXPECT_EQ(known_filter(tags({"a"})), known_filter(tags({"A"})));
    EXPECT_FALSE(known_filter(tags({"a"})) == known_filter(tags({"b"})));
    EXPECT_FALSE(known_filter(tags({"a"})) == KnownFilter());
}

TEST(EventFilter, GoesByTheTypeOfTheEvent) {
    const EventFilter filter = filter_with(FilterList::events, {"discussion"});
    EXPECT_TRUE(passes(filter, R"({"title":"x","event":"discussion"})", "e:1"));
    EXPECT_TRUE(passes(filter, R"({"event":"discussio\u006e"})", "e:1"));
    EXPECT_EQ(refused_by(filter, R"({"event":"activity"})", "e:1"), FilterList::events);
    EXPECT_EQ(refused_by(filter, R"({"thread":{"event":"discussion"}})", "e:1"),
              FilterList::events);
}

TEST(EventFilter, GoesByOneOfTheTags) {
    const EventFilter filter = tags({"deploy", "release"});
    EXPECT_TRUE(passes(filter, R"({"tags":["x","release"]})", "e:1"));
    EXPECT_TRUE(passes(filter, R"({"tags":"deploy"})", "e:1"));
    EXPECT_TRUE(passes(filter, R"({"tags":"x, deploy ,y"})", "e:1"));
    EXPECT_TRUE(passes(filter, R"({"t\u0061gs":["deploy"]})", "e:1"));
    for (const char* body : {"{}", R"({"tags":null})", R"({"tags":[]})", R"({"tags":""})",
                             R"({"tags":["deployed","deplo"]})", R"({"title":"deploy"})"}) {
        EXPECT_EQ(refused_by(filter, body, "e:1"), FilterList::tags) << body;
    }
    // Commas divide a string alone.
    EXPECT_FALSE(passes(filter, R"({"tags":["x,deploy"]})", "e:1"));
}

TEST(EventFilter, TakesCapitalsAndAHashForTheSameTag) {
    for (const char* wanted : {"deploy", "#deploy", "DEPLOY", " #Deploy "}) {
        const EventFilter filter = tags({wanted});
        EXPECT_EQ(filter.tags, std::vector<std::string>{"deploy"});
        for (const char* body :
             {R"({"tags":["deploy"]})", R"({"tags":["#Deploy"]})", R"({"tags":"x,#DEPLOY"})"}) {
            EXPECT_TRUE(passes(filter, body, "e:1")) << wanted << body;
        }
        EXPECT_FALSE(passes(filter, R"({"tags":["##deploy"]})", "e:1"));
    }
    EXPECT_TRUE(passes(tags({"über"}), R"({"tags":["\u00fcBER"]})", "e:1"));
    EXPECT_FALSE(passes(tags({"über"}), R"({"tags":["Über"]})", "e:1")) << "only ASCII has a case";
}

TEST(EventFilter, GoesByHowTheProducersOwnThreadIdBegins) {
    const EventFilter filter = threads({"build-", "e:"});
    EXPECT_TRUE(passes(filter, "{}", "e:build-42"));
    EXPECT_TRUE(passes(filter, "{}", "e:build-"));
    EXPECT_TRUE(passes(filter, "{}", "e:e:1"));
    for (const char* key : {"e:build", "e:Build-1", "e:a-build-1", "t:build-42", "t:e:1", "e:1"}) {
        EXPECT_EQ(refused_by(filter, "{}", key), FilterList::threads) << key;
    }
    EXPECT_TRUE(passes(threads({"4"}), "{}", "e:42")) << "a number counts as it is spelled";
}

TEST(EventFilter, AsksForEachOfItsLists) {
    EventFilter filter = tags({"deploy"});
    filter.events = {"activity"};
    filter.thread_prefixes = {"b-"};
    const std::string fits = R"({"event":"activity","tags":["deploy"]})";
    EXPECT_TRUE(passes(filter, fits, "e:b-1"));
    EXPECT_EQ(refused_by(filter, fits, "e:c-1"), FilterList::threads);
    EXPECT_EQ(refused_by(filter, R"({"event":"activity","tags":["x"]})", "e:b-1"),
              FilterList::tags);
    EXPECT_EQ(refused_by(filter, R"({"event":"discussion","tags":["deploy"]})", "e:b-1"),
              FilterList::events);
}

TEST(EventFilter, SaysWhatIsWrongWithAnEntry) {
    EXPECT_EQ(mistake_in(FilterList::events, "activity"), "");
    EXPECT_EQ(mistake_in(FilterList::events, "Activity"), "has to be activity or discussion");
    EXPECT_EQ(mistake_in(FilterList::tags, ""), "can't be blank");
    EXPECT_EQ(mistake_in(FilterList::tags, " # "), "can't be blank");
    EXPECT_EQ(mistake_in(FilterList::tags, "a,b"), "has to be one tag, without a comma");
    EXPECT_EQ(mistake_in(FilterList::tags, std::string(128, 'a')), "");
    EXPECT_EQ(mistake_in(FilterList::tags, std::string(129, 'a')),
              "is too long (at most 128 bytes)");
    EXPECT_EQ(mistake_in(FilterList::threads, ""), "can't be blank");
    EXPECT_EQ(mistake_in(FilterList::threads, std::string(256, 'a')), "");
    EXPECT_EQ(mistake_in(FilterList::threads, std::string(257, 'a')),
              "is too long (at most 256 bytes)");
    for (const char* broken : {"a\nb", "a\x7f", "\xff", "a\xc3"}) {
        EXPECT_EQ(mistake_in(FilterList::threads, broken),
                  "has to be UTF-8 without control characters");
    }
    EXPECT_EQ(mistake_in(FilterList::threads, "\xEF\xBF\xBD"), "") << "U+FFFD itself is a text";
}

TEST(EventFilter, HasABoundOfEntriesAndNoneTwice) {
    EventFilter filter;
    for (std::size_t i = 0; i < max_filter_entries; ++i) {
        ASSERT_EQ(add_entry(filter, FilterList::tags, "t" + std::to_string(i)), std::nullopt);
    }
    EXPECT_EQ(add_entry(filter, FilterList::tags, "#T0"), std::nullopt) << "it is there already";
    EXPECT_EQ(filter.tags.size(), max_filter_entries);
    EXPECT_EQ(add_entry(filter, FilterList::tags, "one-more"),
              "is one too many (at most 64 entries)");
}

TEST(EventFilter, IsDescribedForPeople) {
    EXPECT_EQ(describe(tags({"a", "#B"}), FilterList::tags), "with one of the tags a, b");
    EXPECT_EQ(describe(threads({"x-"}), FilterList::threads),
              "whose external_thread_id begins with one of x-");
    EXPECT_EQ(describe(filter_with(FilterList::events, {"activity"}), FilterList::events),
              "of the type activity");
}

}  // namespace
}  // namespace flowrelay::core
