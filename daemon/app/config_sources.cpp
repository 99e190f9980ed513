#include "config_sources.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <utility>

#include "config_filter.hpp"
#include "flowrelay/app/secret_file.hpp"
#include "flowrelay/base/ascii.hpp"
#include "flowrelay/core/token_table.hpp"
#include "flowrelay/runtime/peer.hpp"

namespace flowrelay::app {

namespace {

// The same maximum as for a token in an event.
constexpr SecretRules token_rules{"token", 256, false};

/// Members that the relay itself reads, so they can't have defaults.
constexpr std::array<std::string_view, 6> own_members{
    "flow_token", "source", "uuid", "relay", "external_thread_id", "thread_id"};

bool is_word(std::string_view text, std::string_view more) {
    return !text.empty() && ascii::all_word(text, more);
}

void check_no_repeats(const YamlNode& node, ProblemList& problems) {
    for (const YamlNode& item : node.items) check_no_repeats(item, problems);
    for (std::size_t i = 0; i < node.entries.size(); ++i) {
        const YamlEntry& entry = node.entries[i];
        const auto same = [&](const YamlEntry& e) { return e.key.text == entry.key.text; };
        if (std::any_of(node.entries.begin(), node.entries.begin() + static_cast<std::ptrdiff_t>(i),
                        same)) {
            problems.add(entry.key, fmt::format("sources.defaults: {}", shorten(entry.key.text)),
                         "is there twice");
        }
        check_no_repeats(entry.value, problems);
    }
}

/// Checks that the defaults are valid, with an event that has only the members without a default.
void check_defaults(const MapReader& map, const core::EventDefaults& defaults) {
    std::string event = R"({"source":"s","external_thread_id":"t")";
    if (!defaults.contains("title")) event += R"(,"title":"t")";
    if (!defaults.contains("author")) event += R"(,"author":{"name":"n"})";
    auto submission = core::Submission::parse(event + "}");
    if (!submission) return;  // can't happen: the text is valid
    const auto contents = std::move(*submission).complete(defaults);
    if (contents) return;
    if (contents.error().errors.empty()) map.complain("defaults", contents.error().message);
    for (const auto& [field, messages] : contents.error().errors) {
        map.complain("defaults", fmt::format("{} {}", field, fmt::join(messages, ", ")));
    }
}

void read_defaults(const MapReader& map, core::SourceRules& rules, ProblemList& problems) {
    core::EventDefaults& out = rules.defaults;
    out["event"] = "\"activity\"";
    const YamlNode* defaults = map.find("defaults");
    if (defaults == nullptr) return;
    if (defaults->kind != YamlNode::Kind::map) {
        map.complain("defaults", "must hold members of an event, like `author: {name: CI}`");
        return;
    }
    check_no_repeats(*defaults, problems);
    for (const YamlEntry& entry : defaults->entries) {
        const std::string& member = entry.key.text;
        if (std::ranges::find(own_members, member) != own_members.end()) {
            problems.add(entry.key, fmt::format("sources.defaults.{}", member),
                         "can't have a default; each event says it itself");
            continue;
        }
        const std::size_t dot = member.find('.');
        if (member.starts_with("author.") || member.starts_with("thread.")) {
            problems.add(entry.key, fmt::format("sources.defaults: {}", shorten(member)),
                         fmt::format("has to be nested: `{}: {{{}: ...}}`", member.substr(0, dot),
                                     shorten(member.substr(dot + 1))));
            continue;
        }
        out[member] = to_json(entry.value);
        if (member == "event") rules.has_own_event = true;
    }
    check_defaults(map, out);
}

void read_token_origin(const MapReader& map, SourceConfig& out) {
    map.read_path("flow_token_file", out.flow_token_file);
    map.read("flow_token_credential", out.flow_token_credential);
    map.read("flow_token_env", out.flow_token_env);
    // Do not show the values: the token itself may have been entered here.
    if (!out.flow_token_credential.empty() && !is_credential_name(out.flow_token_credential)) {
        map.complain("flow_token_credential", "must be the name of a systemd credential");
    }
    if (!out.flow_token_env.empty() && !is_word(out.flow_token_env, "_")) {
        map.complain("flow_token_env", "must be the name of an environment variable");
    }
    const bool unusable = map.find("flow_token") != nullptr;  // reported as an unknown key
    int origins = 0;
    for (const char* key : {"flow_token_file", "flow_token_credential", "flow_token_env"}) {
        const YamlNode* value = map.find(key);
        if (value != nullptr && !value->text.empty()) ++origins;
    }
    if (origins == 0 && !unusable) {
        map.complain("flow_token_file",
                     "missing; name the file that holds the token (or use "
                     "`flow_token_credential` or `flow_token_env`)");
    } else if (origins > 1) {
        map.complain("flow_token_file",
                     "only one of `flow_token_file`, `flow_token_credential` and "
                     "`flow_token_env` may be there");
    }
}

/// Reads the list `allow`: "www-data", "1001", "group:ci".
void read_allow(const MapReader& map, core::AllowRule& rule, ProblemList& problems) {
    const YamlNode* list = map.find("allow");
    if (list == nullptr) return;
    if (list->kind != YamlNode::Kind::sequence || list->items.empty()) {
        map.complain("allow", "must be a list of users and groups, like [www-data, group:ci]");
        return;
    }
    rule.restricted = true;
    for (const YamlNode& item : list->items) {
        const bool is_group = item.text.starts_with("group:");
        const std::string name = is_group ? item.text.substr(6) : item.text;
        const auto id = item.kind != YamlNode::Kind::scalar ? std::nullopt
                        : is_group                          ? runtime::find_group(name)
                                                            : runtime::find_user(name);
        if (!id) {
            problems.add(item, "sources.allow",
                         fmt::format("there is no {} {}", is_group ? "group" : "user", show(name)));
        } else {
            (is_group ? rule.gids : rule.uids).push_back(*id);
        }
    }
}

SourceConfig read_source(const YamlNode& node, ProblemList& problems) {
    SourceConfig source;
    const MapReader map(node, "sources", problems);
    map.read("name", source.name);
    if (map.find("name") == nullptr) {
        map.complain("name", "missing");
    } else if (!core::is_source_name(source.name)) {
        map.complain(
            "name", fmt::format("{} is not a name; {}", show(source.name), core::source_name_form));
    } else if (core::is_slot_name(source.name)) {
        map.complain("name", fmt::format("{} can't be the name of a source: tokens that come with "
                                         "events are called so; choose another one",
                                         show(source.name)));
    }
    read_token_origin(map, source);
    map.read_rate("rate_limit", source.rules.rate_limit);
    const std::vector<std::string_view> policies{"skip", "hold"};
    source.rules.hold_rejected = map.read_word("on_reject", policies, 0) == 1;
    map.read("report_problems", source.rules.report_problems);
    read_allow(map, source.rules.allow, problems);
    source.rules.filter = read_filter(map, problems);
    read_defaults(map, source.rules, problems);
    // Only a route can take the one of its source instead.
    if (core::source_of_route(source.name).empty()) source.rules.has_own_event = false;
    return source;
}

/// Returns whether two sources name the same place for their tokens. Equal tokens in different
/// places are found when they are read.
bool have_one_token(const SourceConfig& a, const SourceConfig& b) {
    const auto same = [](const std::string& x, const std::string& y) {
        return !x.empty() && x == y;
    };
    return same(a.flow_token_file, b.flow_token_file) ||
           same(a.flow_token_credential, b.flow_token_credential) ||
           same(a.flow_token_env, b.flow_token_env);
}

/// Returns an error about the token of a source. Names the origin only if it is a file: the name of
/// a credential or variable may be a token entered in the wrong place.
ConfigError token_error(const SourceConfig& source, const std::string& file,
                        std::string_view message) {
    return ConfigError(
        {{file, 0, 0, fmt::format("token of source `{}`: {}", source.name, message)}});
}

Secret or_throw(const SourceConfig& source, const std::string& origin, Result<Secret> read) {
    if (read.has_error()) throw token_error(source, origin, read.error().message);
    return std::move(*read);
}

}  // namespace

std::vector<SourceConfig> read_sources(const YamlNode& list, ProblemList& problems) {
    std::vector<SourceConfig> sources;
    if (list.kind != YamlNode::Kind::sequence) {
        problems.add(list, "sources", "must be a list; each source begins with `- name: ...`");
        return sources;
    }
    for (const YamlNode& item : list.items) {
        SourceConfig source = read_source(item, problems);
        const auto same = [&](const SourceConfig& s) { return s.name == source.name; };
        if (!source.name.empty() && std::ranges::any_of(sources, same)) {
            problems.add(item, "sources.name",
                         fmt::format("{} is the name of an earlier source", show(source.name)));
        }
        if (const auto other = std::ranges::find_if(
                sources, [&](const SourceConfig& s) { return have_one_token(s, source); });
            other != sources.end()) {
            problems.add(item, "sources",
                         fmt::format("source {} has the same token as source {}: each source needs "
                                     "its own",
                                     show(source.name), show(other->name)));
        }
        sources.push_back(std::move(source));
    }
    return sources;
}

Secret load_token(const SourceConfig& source) {
    if (!source.flow_token_file.empty()) {
        const std::string& path = source.flow_token_file;
        return or_throw(source, path, read_secret_file(path, FileMode::checked, token_rules));
    }
    if (!source.flow_token_credential.empty()) {
        const auto path = credential_path(source.flow_token_credential);
        if (path.has_error()) {
            throw token_error(source, "flow_token_credential", path.error().message);
        }
        return or_throw(source, *path, read_secret_file(*path, FileMode::any, token_rules));
    }
    const char* value = std::getenv(source.flow_token_env.c_str());
    if (value == nullptr) {
        throw token_error(source, "flow_token_env", "the environment variable is not set");
    }
    return or_throw(source, "flow_token_env", check_secret(value, token_rules));
}

}  // namespace flowrelay::app
