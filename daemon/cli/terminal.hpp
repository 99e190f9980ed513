// Colours, safe text and tables for terminals.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace flowrelay::cli {

enum class Colour { none, red, yellow, green, bold, faint };

/// Returns whether to use colours on `stream`: it is a terminal that has colours, and NO_COLOR is
/// not set (https://no-color.org).
bool wants_colour(std::FILE* stream);

/// Returns `text` in a colour if `wanted`, otherwise unchanged.
std::string paint(std::string_view text, Colour colour, bool wanted);

/// Escapes control characters and characters that change the direction of text in JSON, because a
/// terminal would obey them.
std::string escape_json(std::string_view text);

/// Returns the colour for a state: green is good, yellow waits, red needs an operator.
Colour colour_of_state(std::string_view state) noexcept;

/// A table: rows below a head, columns as wide as their widest cell, separated by two spaces. Cells
/// must be safe to print. The column `right` is right-aligned (-1: none), `state` is coloured.
struct Table {
    std::vector<std::string> head;
    std::vector<std::vector<std::string>> rows;
    int right = -1;
    int state = -1;
};
std::string format_table(const Table& table, bool colour);

}  // namespace flowrelay::cli
