// Typed access to the maps of the configuration, with a problem for everything that is wrong.
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

/// What is wrong with one file, as it is found.
class ProblemList {
public:
    explicit ProblemList(std::string file) : file_(std::move(file)) {}

    /// About the place of `node`; about the whole file when it has none.
    void add(const YamlNode& node, std::string message);
    /// The same, as "key `KEY`: MESSAGE".
    void add(const YamlNode& node, std::string_view key, std::string_view message);

    const std::string& file() const noexcept { return file_; }
    std::vector<ConfigProblem>& all() noexcept { return problems_; }

private:
    std::string file_;
    std::vector<ConfigProblem> problems_;
};

/// One map. Each read leaves `out` as it is when the key is absent, empty or wrong.
class MapReader {
public:
    /// `section`: "ingest", or "" for the top level. A null node is a map without entries. Reports
    /// what is not a map, keys that are not known (config_keys) and keys that are there twice.
    MapReader(const YamlNode& map, std::string section, ProblemList& problems);

    /// The value of a key; null when it is absent, or null itself.
    const YamlNode* find(std::string_view key) const;

    /// Keeps where the file gives a key, if it does.
    void note_place(std::string_view key, Config& config) const;

    /// Any of these report their own problem at the place of the value.
    void read(std::string_view key, std::string& out) const;
    void read(std::string_view key, bool& out) const;
    /// An absolute path. Empty only where the default is.
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

    /// The index of the value in `words`, or `fallback`.
    std::size_t read_word(std::string_view key, const std::vector<std::string_view>& words,
                          std::size_t fallback) const;

    /// "key `section.key`: message", at the value of the key or else at the map.
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

/// As the file has it: "64MiB", the largest unit that divides the number.
std::string format_size(std::uint64_t bytes);

/// A word of the file for a message: at most 60 bytes, without control characters.
std::string shorten(std::string_view value);

/// The same in quotes.
std::string show(std::string_view value);

}  // namespace flowrelay::app
