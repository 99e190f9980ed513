// How text looks on a terminal, and tables.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace flowrelay::cli {

enum class Colour { none, red, yellow, green, bold, faint };

/// Whether to colour what goes to `stream`: it is a terminal that can, and NO_COLOR is not set
/// (https://no-color.org).
bool wants_colour(std::FILE* stream);

/// `text` in a colour, or as it is.
std::string paint(std::string_view text, Colour colour, bool wanted);

/// A JSON text with its control characters, and those that turn the direction of text around, as
/// escapes: a terminal would obey them.
std::string escape_json(std::string_view text);

/// What an operator should think of a state: green is well, yellow waits, red needs somebody.
Colour colour_of_state(std::string_view state) noexcept;

/// Rows under a head, the columns as wide as their widest cell, two spaces between them. Cells are
/// fit to print already. The column `right` is set to the right (-1: none), `state` is coloured.
struct Table {
    std::vector<std::string> head;
    std::vector<std::vector<std::string>> rows;
    int right = -1;
    int state = -1;
};
std::string format_table(const Table& table, bool colour);

}  // namespace flowrelay::cli
