// Parses YAML into a plain tree in which every node has its line and column.
//
// Uses yaml-cpp's events instead of YAML::Node: a Node follows aliases, which may be cyclic, keeps
// only the last of two equal keys, and hides which scalars were quoted.
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
    std::string text;             ///< for a scalar
    bool quoted = false;          ///< the scalar is quoted or has the tag !!str, so it is a string
    int line = 0;                 ///< from 1
    int column = 0;               ///< from 1
    std::vector<YamlNode> items;  ///< for a sequence
    std::vector<YamlEntry> entries;  ///< for a map, in the order of the file, including duplicates
};

struct YamlEntry {
    YamlNode key;
    YamlNode value;
};

/// Parses one document; returns a null node if there is none. Adds syntax errors, aliases, tags,
/// second documents and keys that are not plain words to `problems`.
YamlNode parse_yaml(std::string_view text, const std::string& file,
                    std::vector<ConfigProblem>& problems);

/// Returns the value as JSON text. Unquoted scalars that are numbers, true, false or null in JSON
/// are kept as such; all others become strings.
std::string to_json(const YamlNode& node);

}  // namespace flowrelay::app
