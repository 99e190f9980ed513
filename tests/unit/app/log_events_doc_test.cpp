// docs/log-events.md and the catalogue name the same events with the same severities.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include "flowrelay/core/log_events.hpp"

namespace flowrelay {
namespace {

/// Severity by event name: "### name", then "severity · ...".
std::map<std::string, std::string> documented() {
    std::ifstream in(FLOWRELAY_SOURCE_DIR "/docs/log-events.md");
    std::map<std::string, std::string> events;
    std::string line;
    std::string name;
    while (std::getline(in, line)) {
        if (line.starts_with("### ")) {
            name = line.substr(4);
        } else if (!name.empty()) {
            events[name] = line.substr(0, line.find(' '));
            name.clear();
        }
    }
    return events;
}

TEST(LogEventsDocument, HasEveryEventOfTheCatalogueWithItsSeverity) {
    const auto page = documented();
    for (const auto& event : core::log_events::all()) {
        const auto found = page.find(std::string(event.name));
        if (found == page.end()) {
            ADD_FAILURE() << event.name << " is not in docs/log-events.md";
            continue;
        }
        EXPECT_EQ(found->second, to_string(event.severity)) << event.name;
    }
}

TEST(LogEventsDocument, HasNoEventThatTheCatalogueLacks) {
    for (const auto& [name, severity] : documented()) {
        bool known = false;
        for (const auto& event : core::log_events::all()) known = known || event.name == name;
        EXPECT_TRUE(known) << name;
    }
}

TEST(Operations, SaysWhatToDoAboutEveryWarning) {
    std::ifstream in(FLOWRELAY_SOURCE_DIR "/docs/operations.md");
    std::ostringstream page;
    page << in.rdbuf();
    for (const auto& event : core::log_events::all()) {
        if (event.severity < Severity::warning) continue;
        const std::string name = "`" + std::string(event.name) + "`";
        const bool begins_a_row = page.str().find("| " + name) != std::string::npos ||
                                  page.str().find(", " + name) != std::string::npos;
        EXPECT_TRUE(begins_a_row) << event.name;
    }
}

TEST(LogEvents, HaveMessageIdsOfTheirOwn) {
    std::set<std::string_view> seen;
    for (const auto& event : core::log_events::all()) {
        EXPECT_EQ(event.message_id.size(), 32U) << event.name;
        EXPECT_EQ(event.message_id.find_first_not_of("0123456789abcdef"), std::string_view::npos)
            << event.name;
        EXPECT_TRUE(seen.insert(event.message_id).second) << event.name;
    }
}

}  // namespace
}  // namespace flowrelay
