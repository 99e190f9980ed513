#include "cli/terminal.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "flowrelay/app/text.hpp"
#include "flowrelay/base/utf8.hpp"

namespace flowrelay::cli {

namespace {

/// Returns the columns of a text: its characters, not its bytes.
std::size_t width(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

bool wants_colour(std::FILE* stream) {
    const char* no_color = std::getenv("NO_COLOR");
    if (no_color != nullptr && *no_color != '\0') return false;
    const char* term = std::getenv("TERM");
    if (term == nullptr || std::string_view(term) == "dumb") return false;
    return ::isatty(::fileno(stream)) == 1;
}

std::string paint(std::string_view text, Colour colour, bool wanted) {
    const char* code = "";
    switch (colour) {
        case Colour::none:
            return std::string(text);
        case Colour::red:
            code = "31";
            break;
        case Colour::yellow:
            code = "33";
            break;
        case Colour::green:
            code = "32";
            break;
        case Colour::bold:
            code = "1";
            break;
        case Colour::faint:
            code = "2";
            break;
    }
    if (!wanted) return std::string(text);
    return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

std::string escape_json(std::string_view text) {
    app::HiddenCharacters characters;
    const auto steers = [&characters](char32_t code) {
        return characters.hides(code) && code != '\n' && code != '\t';
    };
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const DecodedCharacter character = decode_utf8(text);
        const bool broken = character.code == replacement_character && character.size == 1;
        if (broken || steers(character.code)) {
            app::append_json_escape(out, character.code);
        } else {
            out += text.substr(0, character.size);
        }
        text.remove_prefix(character.size);
    }
    return out;
}

Colour colour_of_state(std::string_view state) noexcept {
    constexpr std::string_view well[] = {"up",    "running",   "active", "in_flight",
                                         "ready", "delivered", "OK",     "accepted"};
    constexpr std::string_view bad[] = {"down",
                                        "parked",
                                        "storage_failed",
                                        "token_parked",
                                        "failing",
                                        "token_failing",
                                        "dead",
                                        "destination_down",
                                        "token_gone",
                                        "gone",
                                        "destination_parked",
                                        "unconfigured",
                                        "CRITICAL",
                                        "erased",
                                        "token_unconfigured",
                                        "unknown",
                                        "token_unknown"};
    if (std::ranges::find(well, state) != std::end(well)) return Colour::green;
    if (std::ranges::find(bad, state) != std::end(bad)) return Colour::red;
    return Colour::yellow;
}

std::string format_table(const Table& table, bool colour) {
    std::vector<std::size_t> widths(
        table.head.empty() && !table.rows.empty() ? table.rows.front().size() : table.head.size());
    const auto measure = [&](const std::vector<std::string>& row) {
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
    };
    measure(table.head);
    for (const auto& row : table.rows) measure(row);
    std::string out;
    const auto write = [&](const std::vector<std::string>& row, bool is_head) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::string gap(widths[i] - width(row[i]), ' ');
            const bool is_right = static_cast<int>(i) == table.right;
            if (is_right) line += gap;
            Colour wanted = Colour::none;
            if (is_head) wanted = Colour::bold;
            if (!is_head && static_cast<int>(i) == table.state) wanted = colour_of_state(row[i]);
            line += paint(row[i], wanted, colour);
            const bool is_last = i + 1 == row.size();
            if (!is_right && !is_last) line += gap;
            if (!is_last) line += "  ";
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out += line + '\n';
    };
    if (!table.head.empty()) write(table.head, true);
    for (const auto& row : table.rows) write(row, false);
    return out;
}

}  // namespace flowrelay::cli
