#include <fmt/format.h>

#include <string>
#include <string_view>

#include "config_filter.hpp"
#include "config_reader.hpp"
#include "config_table.hpp"
#include "flowrelay/app/config.hpp"
#include "flowrelay/core/json.hpp"
#include "flowrelay/core/token_table.hpp"

namespace flowrelay::app {
namespace {

using namespace config_table;

std::string json_string(std::string_view text) {
    std::string out;
    core::json::append_string(out, text);
    return out;
}

// JSON is valid YAML. Values that have a unit in the file are shown with one.
std::string show_value(std::string_view, const std::string& value) {
    return json_string(value);
}
std::string show_value(std::string_view key, bool value) {
    if (key == "destination.expect") return value ? "json" : "any";
    if (key == "ingest.unknown_tokens") return value ? "accept" : "reject";
    return value ? "true" : "false";
}
std::string show_value(std::string_view key, std::uint32_t value) {
    return key.ends_with("_mode") ? fmt::format("\"{:04o}\"", value) : fmt::format("{}", value);
}
std::string show_value(std::string_view key, std::uint64_t value) {
    return key.ends_with("_size") || key.ends_with("_bytes") ? format_size(value)
                                                             : fmt::format("{}", value);
}
std::string show_value(std::string_view, double value) {
    return fmt::format("{}", value);
}
std::string show_value(std::string_view key, Milliseconds value) {
    if (key == "destination.check_idle_sources" && value == Milliseconds(0)) return "off";
    // Does not use format_duration(), which omits everything below its second unit.
    std::string out;
    auto left = value.count();
    const auto take = [&](std::int64_t unit, const char* name) {
        if (left >= unit) out += fmt::format("{}{}", left / unit, name);
        left %= unit;
    };
    take(86'400'000, "d");
    take(3'600'000, "h");
    take(60'000, "m");
    take(1000, "s");
    take(1, "ms");
    return out.empty() ? "0s" : out;
}
std::string show_value(std::string_view, LogFormat value) {
    switch (value) {
        case LogFormat::text:
            return "text";
        case LogFormat::json:
            return "json";
        case LogFormat::journal:
            return "journal";
    }
    return "text";
}
std::string show_value(std::string_view, Severity value) {
    return std::string(to_string(value));
}

void show_key(std::string& out, std::string& section, std::string_view key,
              std::string_view value) {
    const std::size_t dot = key.find('.');
    if (section != key.substr(0, dot)) {
        section = key.substr(0, dot);
        out += section + ":\n";
    }
    out += fmt::format("  {}: {}\n", key.substr(dot + 1), value);
}

void show_source(std::string& out, const SourceConfig& source) {
    out += fmt::format("  - name: {}\n", json_string(source.name));
    const auto show = [&](std::string_view key, const std::string& value) {
        if (!value.empty()) out += fmt::format("    {}: {}\n", key, json_string(value));
    };
    show("flow_token_file", source.flow_token_file);
    show("flow_token_credential", source.flow_token_credential);
    show("flow_token_env", source.flow_token_env);
    out += fmt::format("    rate_limit: {}\n", source.rules.rate_limit);
    out += fmt::format("    on_reject: {}\n", source.rules.hold_rejected ? "hold" : "skip");
    out += fmt::format("    report_problems: {}\n", source.rules.report_problems);
    if (source.rules.allow.restricted) {
        std::string list;
        for (const auto uid : source.rules.allow.uids) list += fmt::format("\"{}\", ", uid);
        for (const auto gid : source.rules.allow.gids) list += fmt::format("\"group:{}\", ", gid);
        list.resize(list.size() - 2);
        out += fmt::format("    allow: [{}]\n", list);
    }
    if (source.rules.filter) {
        out += fmt::format("    filter: {}\n", show_filter(*source.rules.filter));
    }
    core::EventDefaults defaults = source.rules.defaults;
    const bool is_route = !core::source_of_route(source.name).empty();
    // It would count as the route's own if it were read.
    if (is_route && !source.rules.has_own_event) defaults.erase("event");
    if (defaults.empty()) return;
    out += "    defaults:\n";
    for (const auto& [member, value] : defaults) {
        out += fmt::format("      {}: {}\n", json_string(member), value);
    }
}

}  // namespace

std::string show_config(const Config& config) {
    std::string out;
    std::string section;
#define FLOWRELAY_SHOW(member, key, takes) \
    show_key(out, section, key, show_value(key, config.member));
    FLOWRELAY_CONFIG_KEYS(FLOWRELAY_SHOW)
#undef FLOWRELAY_SHOW
    if (config.sources.empty()) return out;
    out += "sources:\n";
    for (const auto& source : config.sources) show_source(out, source);
    return out;
}

}  // namespace flowrelay::app
