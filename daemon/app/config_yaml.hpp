// A YAML document as a plain tree in which every node knows its line and column.
//
// The configuration is read through yaml-cpp's events and not through YAML::Node: a Node follows
// aliases, which may be cyclic, keeps the last of two equal keys, and hides which scalars were
// quoted.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/app/config.hpp"

namespace flowrelay::app {

struct YamlEntry;

struct YamlNode {
    enum class Kind { null, scalar, sequence, map };

    Kind kind = Kind::null;
    std::string text;     ///< of a scalar
    bool quoted = false;  ///< a scalar in quotes, or one with the tag !!str: always a string
    int line = 0;         ///< from 1
    int column = 0;       ///< from 1
    std::vector<YamlNode> items;     ///< of a sequence
    std::vector<YamlEntry> entries;  ///< of a map, in the order of the file, repeats included
};

struct YamlEntry {
    YamlNode key;
    YamlNode value;
};

/// Reads one document; a text without one gives a null node. Syntax errors, aliases, tags, second
/// documents and keys that are not plain words are added to `problems`.
YamlNode parse_yaml(std::string_view text, const std::string& file,
                    std::vector<ConfigProblem>& problems);

/// The value as JSON text. What JSON itself would read as a number, true, false or null stays
/// that, unless it was quoted; everything else is a string.
std::string to_json(const YamlNode& node);

}  // namespace flowrelay::app
