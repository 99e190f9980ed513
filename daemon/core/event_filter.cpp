#include "flowrelay/core/event_filter.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "event_rules.hpp"
#include "flowrelay/base/ascii.hpp"
#include "flowrelay/base/utf8.hpp"
#include "flowrelay/core/json.hpp"

namespace flowrelay::core {

namespace {

using event_rules::Field;

constexpr std::string_view tag_blanks = " \t\r\n";

/// Returns whether a text can be shown on one line.
bool is_plain_text(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const DecodedCharacter character = decode_utf8(text.substr(at));
        const bool is_broken = character.code == replacement_character && character.size == 1;
        const bool is_control = character.code < 0x20 || character.code == 0x7F;
        if (is_broken || is_control) return false;
        at += character.size;
    }
    return true;
}

std::optional<std::string> mistake_in_text(std::string_view text, std::size_t most) {
    if (text.empty()) return "can't be blank";
    if (text.size() > most) return fmt::format("is too long (at most {} bytes)", most);
    if (!is_plain_text(text)) return "has to be UTF-8 without control characters";
    return std::nullopt;
}

std::optional<std::string> mistake_in(FilterList list, std::string_view entry) {
    switch (list) {
        case FilterList::events:
            if (entry != "activity" && entry != "discussion") {
                return "has to be activity or discussion";
            }
            break;
        case FilterList::tags:
            if (entry.find(',') != entry.npos) return "has to be one tag, without a comma";
            return mistake_in_text(entry, max_filter_tag);
        case FilterList::threads:
            return mistake_in_text(entry, max_filter_prefix);
    }
    return std::nullopt;
}

bool has(const std::vector<std::string>& list, std::string_view entry) {
    return std::ranges::find(list, entry) != list.end();
}

/// Reads tags separated by commas.
bool has_tag(const std::vector<std::string>& wanted, std::string_view tags) {
    while (true) {
        const std::size_t comma = std::min(tags.find(','), tags.size());
        if (has(wanted, normal_tag(tags.substr(0, comma)))) return true;
        if (comma == tags.size()) return false;
        tags.remove_prefix(comma + 1);
    }
}

/// Reads tags from JSON: a string or an array of strings; empty if absent.
bool has_json_tag(const std::vector<std::string>& wanted, std::string_view json) {
    if (json.empty()) return false;
    if (json::kind_of(json) == json::Kind::string) {
        return has_tag(wanted, json::StringText(json).view());
    }
    if (json::kind_of(json) != json::Kind::array) return false;
    for (json::ElementReader in(json); in.next();) {
        if (json::kind_of(in.value()) != json::Kind::string) continue;
        if (has(wanted, normal_tag(json::StringText(in.value()).view()))) return true;
    }
    return false;
}

bool has_json_text(const std::vector<std::string>& wanted, std::string_view json) {
    return !json.empty() && json::kind_of(json) == json::Kind::string &&
           has(wanted, json::StringText(json).view());
}

/// The members that a filter checks.
struct FilteredMembers {
    std::string_view event;
    std::string_view tags;
};

FilteredMembers members_of(std::string_view body) {
    FilteredMembers members;
    for (json::MemberReader in(body); in.next();) {
        const std::string_view name = in.member().name;
        if (name == event_rules::name_of(Field::event)) members.event = in.member().value;
        if (name == event_rules::name_of(Field::tags)) members.tags = in.member().value;
    }
    return members;
}

bool fits_thread(const std::vector<std::string>& prefixes, std::string_view thread_key) {
    constexpr std::string_view external = "e:";
    if (!thread_key.starts_with(external)) return false;
    thread_key.remove_prefix(external.size());
    return std::ranges::any_of(prefixes,
                               [&](const auto& prefix) { return thread_key.starts_with(prefix); });
}

}  // namespace

KnownFilter known_filter(EventFilter filter) {
    if (filter.passes_all()) return {};
    return KnownFilter(std::move(filter));
}

std::vector<std::string> EventFilter::* member_of(FilterList list) noexcept {
    switch (list) {
        case FilterList::events:
            return &EventFilter::events;
        case FilterList::tags:
            return &EventFilter::tags;
        case FilterList::threads:
            break;
    }
    return &EventFilter::thread_prefixes;
}

std::optional<std::string> add_entry(EventFilter& filter, FilterList list, std::string_view entry) {
    const std::string tag = list == FilterList::tags ? normal_tag(entry) : std::string();
    if (list == FilterList::tags) entry = tag;
    if (auto mistake = mistake_in(list, entry)) return mistake;
    auto& entries = filter.*member_of(list);
    if (has(entries, entry)) return std::nullopt;
    if (entries.size() == max_filter_entries) {
        return fmt::format("is one too many (at most {} entries)", max_filter_entries);
    }
    entries.emplace_back(entry);
    return std::nullopt;
}

std::string normal_tag(std::string_view tag) {
    tag = ascii::trim(tag, tag_blanks);
    if (tag.starts_with('#')) tag.remove_prefix(1);
    return ascii::lower(tag);
}

std::optional<FilterList> refused_by(const EventFilter& filter, std::string_view body,
                                     std::string_view thread_key) {
    if (!filter.thread_prefixes.empty() && !fits_thread(filter.thread_prefixes, thread_key)) {
        return FilterList::threads;
    }
    if (filter.events.empty() && filter.tags.empty()) return std::nullopt;
    const FilteredMembers members = members_of(body);
    if (!filter.events.empty() && !has_json_text(filter.events, members.event)) {
        return FilterList::events;
    }
    if (!filter.tags.empty() && !has_json_tag(filter.tags, members.tags)) return FilterList::tags;
    return std::nullopt;
}

std::string describe(const EventFilter& filter, FilterList list) {
    const std::string entries = fmt::format("{}", fmt::join(filter.*member_of(list), ", "));
    switch (list) {
        case FilterList::events:
            return "of the type " + entries;
        case FilterList::tags:
            return "with one of the tags " + entries;
        case FilterList::threads:
            break;
    }
    return "whose external_thread_id begins with one of " + entries;
}

}  // namespace flowrelay::core
