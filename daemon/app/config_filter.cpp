#include "config_filter.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flowrelay/core/json.hpp"

namespace flowrelay::app {

namespace {

using core::FilterList;

constexpr std::string_view filter_example =
    "must hold lists, like `{events: [activity], tags: [deploy], threads: [build-]}`";

void read_list(const YamlEntry& entry, FilterList list, core::EventFilter& filter,
               ProblemList& problems) {
    const std::string key = fmt::format("sources.filter.{}", core::to_string(list));
    if (!(filter.*core::member_of(list)).empty()) {
        problems.add(entry.key, key, "is there twice");
        return;
    }
    if (entry.value.kind != YamlNode::Kind::sequence || entry.value.items.empty()) {
        const bool has_place = entry.value.kind != YamlNode::Kind::null;
        problems.add(has_place ? entry.value : entry.key, key,
                     "must be a list with an entry at least; take the key out to let all pass");
        return;
    }
    for (const YamlNode& item : entry.value.items) {
        if (item.kind != YamlNode::Kind::scalar) {
            const bool has_place = item.line > 0;
            problems.add(has_place ? item : entry.key, key,
                         "holds something that is no text (one with # in front needs quotes)");
            continue;
        }
        if (const auto mistake = core::add_entry(filter, list, item.text)) {
            problems.add(item, key, fmt::format("{} {}", show(item.text), *mistake));
        }
    }
}

}  // namespace

core::KnownFilter read_filter(const MapReader& source, ProblemList& problems) {
    const YamlNode* node = source.find("filter");
    if (node == nullptr) return {};
    if (node->kind != YamlNode::Kind::map || node->entries.empty()) {
        source.complain("filter", filter_example);
        return {};
    }
    core::EventFilter filter;
    for (const YamlEntry& entry : node->entries) {
        const auto name = std::ranges::find(core::filter_list_names, entry.key.text);
        if (name == core::filter_list_names.end()) {
            problems.add(
                entry.key, fmt::format("sources.filter.{}", shorten(entry.key.text)),
                fmt::format("is not known; {} are", fmt::join(core::filter_list_names, ", ")));
            continue;
        }
        const auto list = static_cast<FilterList>(name - core::filter_list_names.begin());
        read_list(entry, list, filter, problems);
    }
    return core::known_filter(std::move(filter));
}

std::string show_filter(const core::EventFilter& filter) {
    std::string lists;
    for (const auto list : {FilterList::events, FilterList::tags, FilterList::threads}) {
        std::string entries;
        for (const std::string& entry : filter.*core::member_of(list)) {
            if (!entries.empty()) entries += ", ";
            core::json::append_string(entries, entry);
        }
        if (entries.empty()) continue;
        lists +=
            fmt::format("{}{}: [{}]", lists.empty() ? "" : ", ", core::to_string(list), entries);
    }
    return fmt::format("{{{}}}", lists);
}

}  // namespace flowrelay::app
