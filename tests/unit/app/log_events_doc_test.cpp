// docs/log-events.md and the catalogue have the same events with the same severities.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/core/log_events.hpp"

namespace flowrelay {
namespace {

/// Returns the severity by event name, from "### name" followed by "severity · ...".
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

TEST(Operations, SaysOnceWhatToDoAboutEveryWarning) {
    std::ifstream in(FLOWRELAY_SOURCE_DIR "/docs/operations.md");
    std::vector<std::string> first_cells;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("| ")) first_cells.push_back(line.substr(0, line.find(" |")));
    }
    for (const auto& event : core::log_events::all()) {
        const std::string name = "`" + std::string(event.name) + "`";
        const auto rows = std::ranges::count_if(first_cells, [&name](const std::string& cell) {
            return cell.find(name) != std::string::npos;
        });
        EXPECT_LE(rows, 1) << event.name << " has rows that may contradict each other";
        EXPECT_TRUE(rows == 1 || event.severity < Severity::warning) << event.name;
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
