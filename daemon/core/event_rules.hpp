// The rules about the contents of an event, from the API's /messages call.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "flowrelay/base/time.hpp"
#include "flowrelay/core/event.hpp"

namespace flowrelay::core::event_rules {

/// The top-level members that the relay reads. All others are passed on unread.
enum class Field : std::uint8_t {
    flow_token,
    source,
    uuid,
    relay,
    event,
    title,
    author,
    thread,
    external_thread_id,
    thread_id,
    body,
    tags,
};

inline constexpr std::array<std::string_view, 12> field_names{
    "flow_token",         "source",    "uuid", "relay", "event", "title", "author", "thread",
    "external_thread_id", "thread_id", "body", "tags"};

constexpr std::string_view name_of(Field field) noexcept {
    return field_names[static_cast<std::size_t>(field)];
}

std::optional<Field> field_of(std::string_view name) noexcept;

/// Returns whether a member is for the relay alone and not sent.
constexpr bool is_cut(Field field) noexcept {
    return field <= Field::relay;
}

/// The values of the members as JSON. A member that is null counts as absent.
class Values {
public:
    std::string_view operator[](Field field) const noexcept {
        return values_[static_cast<std::size_t>(field)];
    }
    bool has(Field field) const noexcept { return !(*this)[field].empty(); }
    void set(Field field, std::string_view json) noexcept {
        values_[static_cast<std::size_t>(field)] = json;
    }

private:
    std::array<std::string_view, field_names.size()> values_{};
};

void add_error(FieldErrors& errors, std::string_view field, std::string_view message);

/// Checks the members that producers must set, and adds problems to `errors`.
void check_contents(const Values& values, FieldErrors& errors);

/// Returns the thread key for Submission::Contents; if there is none, adds errors and returns
/// empty.
std::string read_thread_key(const Values& values, FieldErrors& errors);

/// Reads the JSON value of `relay` and returns its expires_in, if there is one.
std::optional<Milliseconds> read_relay(std::string_view json, FieldErrors& errors);

/// Reads a JSON string of 1 to `most` visible ASCII characters without those in `except`.
std::optional<std::string> read_visible_ascii(std::string_view json, std::size_t most,
                                              std::string_view except);

/// Returns whether a plain text consists of 1 to `most` visible ASCII characters without those in
/// `except`.
bool is_visible_ascii(std::string_view text, std::size_t most, std::string_view except) noexcept;

/// Combines all errors into one sentence, shortened if there are many.
std::string sentence_of(const FieldErrors& errors);

}  // namespace flowrelay::core::event_rules
