// Typed access to the maps of the configuration. Records a problem for everything invalid.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config_yaml.hpp"
#include "flowrelay/app/config.hpp"

namespace flowrelay::app {

/// The problems of one file, in the order in which they are found.
class ProblemList {
public:
    explicit ProblemList(std::string file) : file_(std::move(file)) {}

    /// Adds a problem at the position of `node`, or without a position if it has none.
    void add(const YamlNode& node, std::string message);
    /// Adds "key `KEY`: MESSAGE" at the position of `node`.
    void add(const YamlNode& node, std::string_view key, std::string_view message);

    const std::string& file() const noexcept { return file_; }
    std::vector<ConfigProblem>& all() noexcept { return problems_; }

private:
    std::string file_;
    std::vector<ConfigProblem> problems_;
};

/// Reads one map. Each read function leaves `out` unchanged if the key is absent, empty or invalid.
class MapReader {
public:
    /// `section`: "ingest", or "" for the top level. A null node is a map without entries. Reports
    /// a node that is not a map, unknown keys (config_keys) and duplicate keys.
    MapReader(const YamlNode& map, std::string section, ProblemList& problems);

    /// Returns the value of a key; nullptr if it is absent or null.
    const YamlNode* find(std::string_view key) const;

    /// Records the position of a key in `config.places`, if the file has it.
    void note_place(std::string_view key, Config& config) const;

    /// The read functions report problems at the position of the value.
    void read(std::string_view key, std::string& out) const;
    void read(std::string_view key, bool& out) const;
    /// Reads an absolute path. It may be empty only if the default is.
    void read_path(std::string_view key, std::string& out, std::size_t max_length = 4095) const;
    void read_number(std::string_view key, std::uint64_t& out, std::uint64_t min,
                     std::uint64_t max) const;
    void read_number(std::string_view key, std::uint32_t& out, std::uint32_t min,
                     std::uint32_t max) const;
    void read_rate(std::string_view key, double& out) const;
    void read_duration(std::string_view key, Milliseconds& out, Milliseconds min,
                       Milliseconds max) const;
    void read_size(std::string_view key, std::uint64_t& out, std::uint64_t min,
                   std::uint64_t max) const;
    void read_mode(std::string_view key, std::uint32_t& out) const;

    /// Returns the index of the value in `words`, or `fallback`.
    std::size_t read_word(std::string_view key, const std::vector<std::string_view>& words,
                          std::size_t fallback) const;

    /// Reports "key `section.key`: message" at the value of the key, or else at the map.
    void complain(std::string_view key, std::string_view message) const;

private:
    const YamlNode* find_scalar(std::string_view key, std::string_view wanted) const;
    std::string full_name(std::string_view key) const;
    void check_keys() const;
    bool may_be_empty(std::string_view key) const;
    std::string explain_unknown(std::string_view key) const;

    const YamlNode& map_;
    std::string section_;
    ProblemList& problems_;
};

/// Formats a size for the configuration file: "64MiB", with the largest unit that divides it.
std::string format_size(std::uint64_t bytes);

/// Shortens a value for a message: at most 60 bytes, without control characters.
std::string shorten(std::string_view value);

/// Returns shorten(value) in quotes.
std::string show(std::string_view value);

}  // namespace flowrelay::app
