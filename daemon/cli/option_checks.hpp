// What the parser of the command line lets pass and should not.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>

namespace flowrelay::cli {

/// A whole number from 0 to 999,999,999. The parser itself takes "-1" for a very large one, and one
/// that is too large for the largest.
inline CLI::Validator whole_number() {
    return CLI::Validator(
        [](const std::string& text) {
            const bool fits = !text.empty() && text.size() <= 9 &&
                              text.find_first_not_of("0123456789") == std::string::npos;
            return fits ? std::string()
                        : "\"" + text + "\" is not a whole number from 0 to 999999999";
        },
        "");
}

/// A number from 0 to 100, perhaps with decimals.
inline CLI::Validator per_cent() {
    return CLI::Validator(
        [](const std::string& text) {
            const bool digits = !text.empty() && text.size() <= 9 && text.front() != '.' &&
                                text.find_first_not_of("0123456789.") == std::string::npos &&
                                std::count(text.begin(), text.end(), '.') <= 1;
            return digits && std::stod(text) <= 100
                       ? std::string()
                       : "\"" + text + "\" is not a number from 0 to 100";
        },
        "");
}

}  // namespace flowrelay::cli
