#include "flowrelay/core/source_changes.hpp"

#include <gtest/gtest.h>

namespace flowrelay::core {
namespace {

using Texts = std::vector<std::string>;

const WallTime changed_at{Seconds(1'000'000)};

std::vector<ConfiguredSource> sources(
    std::initializer_list<std::pair<const char*, const char*>> named) {
    std::vector<ConfiguredSource> all;
    for (const auto& [name, token] : named) {
        ConfiguredSource source;
        source.name = name;
        source.secret = Secret(token);
        all.push_back(std::move(source));
    }
    return all;
}

/// "name: what, what", of each source that differs after a reload.
Texts after_reload(TokenTable& table, std::vector<ConfiguredSource> wanted,
                   const std::set<std::string>& settings = {}) {
    const auto before = source_slots(table);
    table.configure(std::move(wanted), changed_at);
    Texts texts;
    for (const SourceChange& change : compare_sources(before, source_slots(table), settings)) {
        std::string text = change.name + ":";
        for (const std::string& what : change.what) text += " " + what + ".";
        texts.push_back(std::move(text));
    }
    return texts;
}

class SourceChanges : public testing::Test {
protected:
    SourceChanges() { table.configure(sources({{"ci", "t1"}, {"web", "t2"}}), changed_at); }
    TokenTable table{Salt{}, {}};
};

TEST_F(SourceChanges, NothingIsSaidOfWhatIsTheSame) {
    EXPECT_EQ(after_reload(table, sources({{"ci", "t1"}, {"web", "t2"}})), Texts{});
}

TEST_F(SourceChanges, ANewSource) {
    EXPECT_EQ(after_reload(table, sources({{"ci", "t1"}, {"web", "t2"}, {"more", "t3"}})),
              Texts{"more: is new."});
}

TEST_F(SourceChanges, ATokenThatCameWithEventsBecomesASource) {
    table.take(Secret("t3"), changed_at);
    EXPECT_EQ(after_reload(table, sources({{"ci", "t1"}, {"web", "t2"}, {"more", "t3"}})),
              Texts{"more: is new, with the events that came with its token."});
}

TEST_F(SourceChanges, AnotherTokenAndOtherSettings) {
    EXPECT_EQ(after_reload(table, sources({{"ci", "t9"}, {"web", "t2"}}), {"ci", "web"}),
              (Texts{"ci: has another token, with which its queued events are posted. has other "
                     "settings.",
                     "web: has other settings."}));
}

TEST_F(SourceChanges, TakenOutAndBack) {
    EXPECT_EQ(after_reload(table, sources({{"ci", "t1"}}), {"web"}),
              Texts{"web: is taken out: what is queued waits until it is back, or is removed."});
    EXPECT_EQ(after_reload(table, sources({{"ci", "t1"}})), Texts{}) << "it is said once";
    EXPECT_EQ(after_reload(table, sources({{"ci", "t1"}, {"web", "t2"}})),
              Texts{"web: is configured again."});
}

TEST_F(SourceChanges, TheNameOfOneThatIsGoneGoesToANewSlot) {
    table.disable(*table.find("ci"), changed_at, Milliseconds(3'600'000));
    EXPECT_EQ(after_reload(table, sources({{"ci", "t1"}, {"web", "t2"}})), Texts{});
    EXPECT_EQ(after_reload(table, sources({{"ci", "t9"}, {"web", "t2"}})), Texts{"ci: is new."});
}

TEST_F(SourceChanges, ASourceWithAnotherName) {
    EXPECT_EQ(after_reload(table, sources({{"ci", "t1"}})),
              Texts{"web: is taken out: what is queued waits until it is back, or is removed."});
    EXPECT_EQ(after_reload(table, sources({{"ci", "t1"}, {"site", "t2"}})),
              Texts{"site: is configured again. was called web."});
}

}  // namespace
}  // namespace flowrelay::core
