// docs/log-events.md and the catalogue name the same events with the same severities.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>

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

}  // namespace
}  // namespace flowrelay
