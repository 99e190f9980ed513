#include "config_reader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

#include "flowrelay/app/spelling.hpp"

namespace flowrelay::app {

namespace {

constexpr double max_rate = 1e6;

bool has_control_character(std::string_view text) {
    return std::ranges::any_of(
        text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

/// Splits a full key name: "a.b" is key b of section a. "a" is a key of the top level, which may be
/// a section.
std::pair<std::string_view, std::string_view> split_key(std::string_view full) {
    const std::size_t dot = full.find('.');
    if (dot == std::string_view::npos) return {"", full};
    return {full.substr(0, dot), full.substr(dot + 1)};
}

std::vector<std::string_view> keys_of(std::string_view section) {
    std::vector<std::string_view> keys;
    for (const std::string_view full : config_keys()) {
        const auto [owner, key] = split_key(full);
        const std::string_view candidate = section.empty() ? owner : key;
        if ((section.empty() || owner == section) &&
            std::ranges::find(keys, candidate) == keys.end()) {
            keys.push_back(candidate);
        }
    }
    return keys;
}

}  // namespace

void ProblemList::add(const YamlNode& node, std::string message) {
    problems_.push_back({file_, node.line, node.column, std::move(message)});
}

void ProblemList::add(const YamlNode& node, std::string_view key, std::string_view message) {
    add(node, fmt::format("key `{}`: {}", key, message));
}

std::string format_size(std::uint64_t bytes) {
    constexpr std::string_view units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;
    while (bytes >= 1024 && bytes % 1024 == 0 && unit + 1 < std::size(units)) {
        bytes /= 1024;
        ++unit;
    }
    return fmt::format("{}{}", bytes, units[unit]);
}

std::string shorten(std::string_view value) {
    constexpr std::size_t longest = 60;
    std::string shown(value.substr(0, longest));
    if (value.size() > longest) {
        // Do not cut in the middle of a multibyte character.
        while (!shown.empty() && (static_cast<unsigned char>(shown.back()) & 0xC0) == 0x80) {
            shown.pop_back();
        }
        if (!shown.empty() && static_cast<unsigned char>(shown.back()) >= 0x80) shown.pop_back();
        shown += "...";
    }
    for (char& c : shown) {
        if (has_control_character(std::string_view(&c, 1))) c = '?';
    }
    return shown;
}

std::string show(std::string_view value) {
    return fmt::format("\"{}\"", shorten(value));
}

MapReader::MapReader(const YamlNode& map, std::string section, ProblemList& problems)
    : map_(map), section_(std::move(section)), problems_(problems) {
    if (map.kind != YamlNode::Kind::map && map.kind != YamlNode::Kind::null) {
        problems_.add(map, section_.empty()
                               ? "the file must hold sections with keys, like `destination:`"
                               : fmt::format("key `{}`: must hold keys of its own", section_));
    }
    check_keys();
}

std::string MapReader::full_name(std::string_view key) const {
    return section_.empty() ? std::string(key) : fmt::format("{}.{}", section_, key);
}

void MapReader::check_keys() const {
    const std::vector<std::string_view> known = keys_of(section_);
    for (std::size_t i = 0; i < map_.entries.size(); ++i) {
        const YamlNode& key = map_.entries[i].key;
        if (key.kind != YamlNode::Kind::scalar) continue;  // reported by parse_yaml
        if (std::ranges::find(known, key.text) == known.end()) {
            problems_.add(key, full_name(shorten(key.text)), explain_unknown(key.text));
            continue;
        }
        if (map_.entries[i].value.kind == YamlNode::Kind::null && !may_be_empty(key.text)) {
            problems_.add(key, full_name(key.text),
                          "has no value: take the key out if its default is meant (a list whose "
                          "entries are all commented out is none)");
        }
        for (std::size_t j = 0; j < i; ++j) {
            if (map_.entries[j].key.text != key.text) continue;
            problems_.add(
                key, full_name(key.text),
                fmt::format("is there twice; the first is in line {}", map_.entries[j].key.line));
            break;
        }
    }
}

// Returns whether a key may be empty: sections, and keys for which empty means "none".
bool MapReader::may_be_empty(std::string_view key) const {
    // If one of the last five is missing, that is reported elsewhere.
    constexpr std::array<std::string_view, 25> optional{"ca_file",
                                                        "client_certificate",
                                                        "client_certificate_credential",
                                                        "client_key",
                                                        "client_key_credential",
                                                        "proxy",
                                                        "proxy_credentials_file",
                                                        "proxy_credential",
                                                        "client_id",
                                                        "client_secret_file",
                                                        "client_secret_credential",
                                                        "authorize_url",
                                                        "token_url",
                                                        "revoke_url",
                                                        "public_url",
                                                        "organizations",
                                                        "users",
                                                        "socket_group",
                                                        "admin_group",
                                                        "listen",
                                                        "base_url",
                                                        "name",
                                                        "flow_token_file",
                                                        "flow_token_credential",
                                                        "flow_token_env"};
    return section_.empty() || std::ranges::find(optional, key) != optional.end();
}

std::string MapReader::explain_unknown(std::string_view key) const {
    if (section_ == "sources" && key == "flow_token") {
        return "a token must not be in this file; put it into a file of mode 0600 and name that "
               "with `flow_token_file` (or use `flow_token_credential` or `flow_token_env`)";
    }
    const std::vector<std::string_view> known = keys_of(section_);
    if (const std::string_view match = nearest(key, known); !match.empty()) {
        return fmt::format("unknown; did you mean `{}`?", match);
    }
    for (const std::string_view full : config_keys()) {
        if (split_key(full).second == key) {
            return fmt::format("unknown here; did you mean `{}`?", full);
        }
    }
    return fmt::format("unknown; known here are {}", fmt::join(known, ", "));
}

const YamlNode* MapReader::find(std::string_view key) const {
    for (const YamlEntry& entry : map_.entries) {
        if (entry.key.text == key) {
            return entry.value.kind == YamlNode::Kind::null ? nullptr : &entry.value;
        }
    }
    return nullptr;
}

void MapReader::note_place(std::string_view key, Config& config) const {
    const YamlNode* value = find(key);
    if (value == nullptr) return;
    config.places[full_name(key)] = {problems_.file(), value->line, value->column};
}

void MapReader::complain(std::string_view key, std::string_view message) const {
    const YamlNode* value = find(key);
    problems_.add(value != nullptr ? *value : map_, full_name(key), message);
}

const YamlNode* MapReader::find_scalar(std::string_view key, std::string_view wanted) const {
    const YamlNode* value = find(key);
    if (value != nullptr && value->kind != YamlNode::Kind::scalar) {
        complain(key, fmt::format("must be {}, not a {}", wanted,
                                  value->kind == YamlNode::Kind::map ? "map" : "list"));
        return nullptr;
    }
    return value;
}

void MapReader::read(std::string_view key, std::string& out) const {
    const YamlNode* value = find_scalar(key, "a text");
    if (value == nullptr) return;
    if (has_control_character(value->text)) {
        complain(key, "must not have control characters or line breaks");
        return;
    }
    out = value->text;
}

void MapReader::read(std::string_view key, bool& out) const {
    const YamlNode* value = find_scalar(key, "true or false");
    if (value == nullptr) return;
    if (value->quoted || (value->text != "true" && value->text != "false")) {
        complain(key, fmt::format("{} is not true or false", show(value->text)));
        return;
    }
    out = value->text == "true";
}

void MapReader::read_path(std::string_view key, std::string& out, std::size_t max_length) const {
    const bool required = !out.empty();
    std::string path = out;
    read(key, path);
    if (path.empty()) {
        if (required) complain(key, "must not be empty");
        return;
    }
    // Do not show the value: it may be a token entered here by mistake.
    if (!path.starts_with('/')) {
        complain(key, "must be an absolute path, beginning with /");
    } else if (path.size() > max_length) {
        complain(key, fmt::format("is longer than {} bytes", max_length));
    } else {
        out = path;
    }
}

void MapReader::read_number(std::string_view key, std::uint64_t& out, std::uint64_t min,
                            std::uint64_t max) const {
    const YamlNode* value = find_scalar(key, "a whole number");
    if (value == nullptr) return;
    const char* const end = value->text.data() + value->text.size();
    std::uint64_t number = 0;
    const auto [rest, error] = std::from_chars(value->text.data(), end, number);
    if (rest != end || error == std::errc::invalid_argument) {
        complain(key, fmt::format("{} is not a whole number", show(value->text)));
    } else if (error != std::errc() || number < min || number > max) {
        complain(key, max == std::numeric_limits<std::uint64_t>::max()
                          ? fmt::format("{} is out of range; at least {}", value->text, min)
                          : fmt::format("{} is out of range; from {} to {}", show(value->text), min,
                                        max));
    } else {
        out = number;
    }
}

void MapReader::read_number(std::string_view key, std::uint32_t& out, std::uint32_t min,
                            std::uint32_t max) const {
    std::uint64_t number = out;
    read_number(key, number, std::uint64_t{min}, std::uint64_t{max});
    out = static_cast<std::uint32_t>(number);
}

void MapReader::read_rate(std::string_view key, double& out) const {
    const YamlNode* value = find_scalar(key, "a number of events per second");
    if (value == nullptr) return;
    const char* const end = value->text.data() + value->text.size();
    double number = 0;
    const auto [rest, error] = std::from_chars(value->text.data(), end, number);
    if (rest != end || error == std::errc::invalid_argument || !std::isfinite(number)) {
        complain(key, fmt::format("{} is not a number of events per second; 0 means no limit",
                                  show(value->text)));
    } else if (error != std::errc() || number < 0 || number > max_rate) {
        complain(key, fmt::format("{} is out of range; from 0 (no limit) to {:.0f} per second",
                                  show(value->text), max_rate));
    } else {
        out = number;
    }
}

void MapReader::read_duration(std::string_view key, Milliseconds& out, Milliseconds min,
                              Milliseconds max) const {
    const YamlNode* value = find_scalar(key, "a duration like 10s");
    if (value == nullptr) return;
    const auto duration = parse_duration(value->text);
    if (!duration) {
        complain(key, fmt::format("{} is not a duration; write a number and a unit, like 500ms, "
                                  "10s, 5m, 2h or 5d",
                                  show(value->text)));
    } else if (*duration < min || *duration > max) {
        complain(key, fmt::format("{} is out of range; from {} to {}", show(value->text),
                                  format_duration(min), format_duration(max)));
    } else {
        out = *duration;
    }
}

void MapReader::read_size(std::string_view key, std::uint64_t& out, std::uint64_t min,
                          std::uint64_t max) const {
    const YamlNode* value = find_scalar(key, "a size like 64MiB");
    if (value == nullptr) return;
    const auto size = parse_size(value->text);
    if (!size) {
        complain(key, fmt::format("{} is not a size; write a number and a unit, like 512B, 64KiB, "
                                  "64MiB or 4GiB",
                                  show(value->text)));
    } else if (*size < min || *size > max) {
        complain(key, fmt::format("{} is out of range; from {} to {}", show(value->text),
                                  format_size(min), format_size(max)));
    } else {
        out = *size;
    }
}

void MapReader::read_mode(std::string_view key, std::uint32_t& out) const {
    const YamlNode* value = find_scalar(key, "a file mode like \"0660\"");
    if (value == nullptr) return;
    const char* const end = value->text.data() + value->text.size();
    std::uint32_t mode = 0;
    const auto [rest, error] = std::from_chars(value->text.data(), end, mode, 8);
    if (rest != end || error != std::errc() || mode > 0777) {
        complain(key, fmt::format("{} is not a file mode; write octal digits in quotes, from "
                                  "\"0000\" to \"0777\"",
                                  show(value->text)));
        return;
    }
    out = mode;
}

std::size_t MapReader::read_word(std::string_view key, const std::vector<std::string_view>& words,
                                 std::size_t fallback) const {
    const YamlNode* value = find_scalar(key, fmt::format("one of {}", fmt::join(words, ", ")));
    if (value == nullptr) return fallback;
    const auto found = std::ranges::find(words, value->text);
    if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
    const std::string_view match = nearest(value->text, words);
    complain(key, fmt::format("{} is not one of {}{}", show(value->text), fmt::join(words, ", "),
                              match.empty() ? "" : fmt::format("; did you mean {}?", match)));
    return fallback;
}

}  // namespace flowrelay::app
