// make_catalog LOG-EVENTS.md: writes the message catalog of the journal to stdout, by which
// `journalctl -x` explains the lines of the daemon and says what to do. The text is that of
// docs/log-events.md, the ids are those of the catalogue in the code; an event that has no text is
// an error. Format: https://systemd.io/CATALOG/
#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>

#include "flowrelay/core/log_events.hpp"

namespace {

constexpr std::string_view separator = " · ";

/// The text below each "### name", without blank lines at its ends.
std::map<std::string, std::string> read_sections(std::istream& in) {
    std::map<std::string, std::string> sections;
    std::string* section = nullptr;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("### ")) {
            section = &sections[line.substr(4)];
        } else if (line.starts_with('#')) {
            section = nullptr;
        } else if (section != nullptr && !(section->empty() && line.empty())) {
            *section += line + '\n';
        }
    }
    for (auto& [name, text] : sections) text.erase(text.find_last_not_of('\n') + 1);
    return sections;
}

/// What is written for people: behind the severity and the fields, without marks of Markdown, in
/// lines that fit a terminal.
std::string plain_text(std::string_view section) {
    constexpr std::size_t width = 78;
    const std::size_t last = section.substr(0, section.find("\n\n")).rfind(separator);
    if (last == std::string_view::npos) return {};
    std::istringstream lines(std::string(section.substr(last + separator.size())));
    std::string text;
    std::size_t column = 0;
    for (std::string line; std::getline(lines, line);) {
        if (line.empty()) {
            text += "\n\n";
            column = 0;
        }
        std::erase_if(line, [](char c) { return c == '`' || c == '*'; });
        std::istringstream words(line);
        for (std::string word; words >> word;) {
            const bool fits = column + word.size() < width;
            if (column > 0) text += fits ? ' ' : '\n';
            column = (fits && column > 0 ? column + 1 : 0) + word.size();
            text += word;
        }
    }
    return text;
}

}  // namespace

int main(int argc, char** argv) {
    std::ifstream in(argc == 2 ? argv[1] : "");
    if (!in) {
        fmt::print(stderr, "usage: make_catalog docs/log-events.md\n");
        return 64;
    }
    const auto sections = read_sections(in);
    int status = 0;
    for (const auto& event : flowrelay::core::log_events::all()) {
        const auto found = sections.find(std::string(event.name));
        const std::string text = found == sections.end() ? "" : plain_text(found->second);
        const bool is_cut = text.empty() || found->second.find(" ·\n") != std::string::npos;
        if (is_cut) {
            fmt::print(stderr, "{}: no text for {}, or a line that ends with its separator\n",
                       argv[1], event.name);
            status = 1;
            continue;
        }
        fmt::print(
            "-- {}\nSubject: flowrelay: {}\nDefined-By: flowrelay\n"
            "Documentation: man:flowrelayd(8)\n\n{}\n\n",
            event.message_id, event.summary, text);
    }
    return status;
}
