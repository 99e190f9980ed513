#include "event_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <system_error>

#include "flowrelay/core/json.hpp"

namespace flowrelay::core::event_rules {

namespace {

constexpr std::string_view cant_be_blank = "can't be blank";
constexpr std::string_view must_be_string = "must be a string";
constexpr std::string_view must_be_object = "must be an object";
constexpr std::string_view twice = "is there more than once";

constexpr std::array<std::string_view, 10> colors{"red",  "green", "yellow", "cyan",   "orange",
                                                  "grey", "black", "lime",   "purple", "blue"};

// Returns the place of a field with this name in `fields_by_place`.
constexpr std::size_t place_of(std::string_view name) noexcept {
    return (static_cast<unsigned char>(name.front()) + 6 * name.size()) % 32;
}

constexpr std::array<std::optional<Field>, 32> fields_by_place = [] {
    std::array<std::optional<Field>, 32> fields;
    for (std::size_t i = 0; i < field_names.size(); ++i) {
        auto& place = fields[place_of(field_names[i])];
        if (place) throw std::logic_error("two fields have the same place");
        place = static_cast<Field>(i);
    }
    return fields;
}();

bool is(std::string_view json, json::Kind kind) noexcept {
    return json::kind_of(json) == kind;
}

bool is_blank(std::string_view text) noexcept {
    return text.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos;
}

bool is_blank_string(std::string_view json) {
    return is_blank(json::StringText(json).view());
}

// Returns whether each of eight bytes is above a blank and below DEL.
bool is_all_visible(std::string_view text) noexcept {
    constexpr std::uint64_t each = 0x0101'0101'0101'0101;
    std::size_t at = 0;
    for (std::uint64_t bytes = 0; text.size() - at >= sizeof bytes; at += sizeof bytes) {
        std::memcpy(&bytes, text.data() + at, sizeof bytes);
        // The top bit is set for a byte above 0x7E (for DEL through the carry), or below 0x21.
        if (((bytes | (bytes + each) | (bytes - each * 0x21)) & (each * 0x80)) != 0) return false;
    }
    return std::ranges::all_of(text.substr(at), [](char c) { return c >= 0x21 && c <= 0x7E; });
}

bool is_one_of(std::string_view json, std::span<const std::string_view> words) {
    if (!is(json, json::Kind::string)) return false;
    const json::StringText text(json);
    return std::ranges::find(words, text.view()) != words.end();
}

// Returns the values of the members `names` of an object; empty if absent or null. `prefix` is the
// path of the object, for errors.
template <std::size_t N>
std::array<std::string_view, N> pick(std::string_view object,
                                     const std::array<std::string_view, N>& names,
                                     std::string_view prefix, FieldErrors& errors) {
    std::array<std::string_view, N> values{};
    std::array<bool, N> seen{};
    for (json::MemberReader in(object); in.next();) {
        const json::Member& member = in.member();
        const auto found = std::ranges::find(names, member.name);
        if (found == names.end()) continue;
        const auto i = static_cast<std::size_t>(found - names.begin());
        if (seen[i]) add_error(errors, fmt::format("{}.{}", prefix, names[i]), twice);
        seen[i] = true;
        if (!is(member.value, json::Kind::null)) values[i] = member.value;
    }
    return values;
}

void check_required_text(std::string_view json, std::string_view field, FieldErrors& errors) {
    if (json.empty()) {
        add_error(errors, field, cant_be_blank);
    } else if (!is(json, json::Kind::string)) {
        add_error(errors, field, must_be_string);
    } else if (is_blank_string(json)) {
        add_error(errors, field, cant_be_blank);
    }
}

void check_event(std::string_view json, FieldErrors& errors) {
    static constexpr std::array<std::string_view, 2> kinds{"activity", "discussion"};
    if (json.empty()) {
        add_error(errors, "event", cant_be_blank);
    } else if (!is_one_of(json, kinds)) {
        add_error(errors, "event", "must be activity or discussion");
    }
}

void check_author(std::string_view json, FieldErrors& errors) {
    if (json.empty()) {
        add_error(errors, "author.name", cant_be_blank);
    } else if (!is(json, json::Kind::object)) {
        add_error(errors, "author", must_be_object);
    } else {
        const auto [name] = pick<1>(json, {"name"}, "author", errors);
        check_required_text(name, "author.name", errors);
    }
}

void check_status(std::string_view json, FieldErrors& errors) {
    if (!is(json, json::Kind::object)) {
        add_error(errors, "thread.status", must_be_object);
        return;
    }
    const auto [color] = pick<1>(json, {"color"}, "thread.status", errors);
    if (!color.empty() && !is_one_of(color, colors)) {
        add_error(errors, "thread.status.color",
                  "must be red, green, yellow, cyan, orange, grey, black, lime, purple or blue");
    }
}

// Null is allowed: for example, an item without an assignee.
bool is_labelled_value(std::string_view json) {
    if (!is(json, json::Kind::object)) return false;
    unsigned labels = 0;
    unsigned values = 0;
    for (json::MemberReader in(json); in.next();) {
        const json::Member& member = in.member();
        const json::Kind kind = json::kind_of(member.value);
        if (member.name == "label") {
            if (kind != json::Kind::string) return false;
            ++labels;
        } else if (member.name == "value") {
            if (kind == json::Kind::object || kind == json::Kind::array) return false;
            ++values;
        }
    }
    return labels == 1 && values == 1;
}

template <class Predicate>
bool is_array_of(std::string_view json, Predicate predicate) {
    if (!is(json, json::Kind::array)) return false;
    for (json::ElementReader in(json); in.next();) {
        if (!predicate(in.value())) return false;
    }
    return true;
}

void check_thread(std::string_view json, FieldErrors& errors) {
    if (json.empty()) return;
    if (!is(json, json::Kind::object)) {
        add_error(errors, "thread", must_be_object);
        return;
    }
    const auto [title, status, fields] =
        pick<3>(json, {"title", "status", "fields"}, "thread", errors);
    check_required_text(title, "thread.title", errors);
    if (!status.empty()) check_status(status, errors);
    if (!fields.empty() && !is_array_of(fields, is_labelled_value)) {
        add_error(errors, "thread.fields", "must be an array of {label, value}");
    }
}

void check_tags(std::string_view json, FieldErrors& errors) {
    const auto is_string = [](std::string_view tag) { return is(tag, json::Kind::string); };
    if (!json.empty() && !is_string(json) && !is_array_of(json, is_string)) {
        add_error(errors, "tags", "must be a string or an array of strings");
    }
}

bool is_thread_id(Field field, std::string_view text, FieldErrors& errors) {
    if (is_blank(text)) {
        add_error(errors, name_of(field), cant_be_blank);
        return false;
    }
    if (text.size() > max_thread_length) {
        add_error(errors, name_of(field),
                  fmt::format("is too long (at most {} bytes)", max_thread_length));
        return false;
    }
    return true;
}

std::string joined(std::string_view prefix, std::string_view text) {
    std::string both;
    both.reserve(prefix.size() + text.size());
    return both.append(prefix).append(text);
}

// Returns `prefix` and the id as text; empty if it is absent, or invalid (then adds an error).
std::string read_thread_id(Field field, std::string_view prefix, const Values& values,
                           FieldErrors& errors) {
    if (!values.has(field)) return {};
    const std::string_view json = values[field];
    if (is(json, json::Kind::string)) {
        const json::StringText text(json);
        if (is_thread_id(field, text.view(), errors)) return joined(prefix, text.view());
    } else if (is(json, json::Kind::number) && json::is_integer(json)) {
        if (is_thread_id(field, json, errors)) return joined(prefix, json);
    } else {
        add_error(errors, name_of(field), "must be a string or an integer");
    }
    return {};
}

std::optional<Milliseconds> read_seconds(std::string_view json) noexcept {
    double seconds = 0;
    const auto [end, error] = std::from_chars(json.data(), json.data() + json.size(), seconds);
    constexpr double most = static_cast<double>(max_duration.count()) / 1000;
    if (error != std::errc() || seconds < 0 || seconds > most) return std::nullopt;
    return Milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

std::optional<Milliseconds> read_expires_in(std::string_view json) {
    std::optional<Milliseconds> duration;
    if (is(json, json::Kind::string)) duration = parse_duration(json::decode_string(json));
    if (is(json, json::Kind::number)) duration = read_seconds(json);
    return duration && *duration > Milliseconds(0) ? duration : std::nullopt;
}

// Maximum number of unknown members that an answer names.
constexpr std::size_t max_unknown_named = 10;

// Shortens a name from a producer, which may have any length, for an answer.
std::string shortened(std::string_view text) {
    constexpr std::size_t most = 64;
    if (text.size() <= most) return std::string(text);
    std::size_t end = most;
    while ((static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    return fmt::format("{}...", text.substr(0, end));
}

}  // namespace

// Fields differ in their lengths and first letters, which determine the place.
std::optional<Field> field_of(std::string_view name) noexcept {
    if (name.empty()) return std::nullopt;
    const std::optional<Field> field = fields_by_place[place_of(name)];
    return field && name_of(*field) == name ? field : std::nullopt;
}

void add_error(FieldErrors& errors, std::string_view field, std::string_view message) {
    auto& messages = errors[std::string(field)];
    if (std::ranges::find(messages, message) == messages.end()) messages.emplace_back(message);
}

void check_contents(const Values& values, FieldErrors& errors) {
    check_event(values[Field::event], errors);
    check_required_text(values[Field::title], "title", errors);
    check_author(values[Field::author], errors);
    check_thread(values[Field::thread], errors);
    check_tags(values[Field::tags], errors);
    if (values.has(Field::body) && !is(values[Field::body], json::Kind::string)) {
        add_error(errors, "body", must_be_string);
    }
}

std::string read_thread_key(const Values& values, FieldErrors& errors) {
    std::string external = read_thread_id(Field::external_thread_id, "e:", values, errors);
    std::string internal = read_thread_id(Field::thread_id, "t:", values, errors);
    if (!external.empty()) return external;
    if (!internal.empty()) return internal;
    if (!values.has(Field::external_thread_id) && !values.has(Field::thread_id)) {
        add_error(errors, "external_thread_id", "or thread_id is required");
    }
    return {};
}

std::optional<Milliseconds> read_relay(std::string_view json, FieldErrors& errors) {
    if (!is(json, json::Kind::object)) {
        add_error(errors, "relay", must_be_object);
        return std::nullopt;
    }
    std::size_t unknown = 0;
    for (json::MemberReader in(json); in.next();) {
        const std::string_view name = in.member().name;
        if (name == "expires_in" || ++unknown > max_unknown_named) continue;
        add_error(errors, fmt::format("relay.{}", shortened(name)), "is not known; expires_in is");
    }
    if (unknown > max_unknown_named) {
        add_error(errors, "relay",
                  fmt::format("has {} unknown members more", unknown - max_unknown_named));
    }
    const auto [expires_in] = pick<1>(json, {"expires_in"}, "relay", errors);
    if (expires_in.empty()) return std::nullopt;
    const std::optional<Milliseconds> duration = read_expires_in(expires_in);
    if (!duration) {
        add_error(errors, "relay.expires_in",
                  "must be a duration like 90s, 2h or 5d, or a number of seconds; above 0 and at "
                  "most 36500d");
    }
    return duration;
}

bool is_visible_ascii(std::string_view text, std::size_t most, std::string_view except) noexcept {
    return !text.empty() && text.size() <= most && is_all_visible(text) &&
           (except.empty() || text.find_first_of(except) == std::string_view::npos);
}

std::optional<std::string> read_visible_ascii(std::string_view json, std::size_t most,
                                              std::string_view except) {
    if (!is(json, json::Kind::string)) return std::nullopt;
    const json::StringText text(json);
    if (!is_visible_ascii(text.view(), most, except)) return std::nullopt;
    return std::string(text.view());
}

std::string sentence_of(const FieldErrors& errors) {
    constexpr std::size_t most = 5;
    std::string sentence = "Validation error: ";
    std::size_t count = 0;
    for (const auto& [field, messages] : errors) {
        for (const std::string& message : messages) {
            if (++count > most) continue;
            if (count > 1) sentence += "; ";
            sentence += fmt::format("{} {}", field, message);
        }
    }
    if (count > most) sentence += fmt::format("; and {} more", count - most);
    return sentence;
}

}  // namespace flowrelay::core::event_rules
