// Filters that decide which events of a source are delivered: by event type, tags and thread.
//
// The filter is applied when an event is submitted, after the defaults of its source were added. An
// event that does not pass is answered and counted, but not stored.
//
// Pure functions; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/core/known.hpp"

namespace flowrelay::core {

/// The conditions for passing. An event must match each list that is not empty.
struct EventFilter {
    std::vector<std::string> events;  ///< event types, "activity" or "discussion"
    std::vector<std::string> tags;    ///< one of them is enough; normalized by normal_tag()
    std::vector<std::string> thread_prefixes;  ///< of `external_thread_id`

    bool passes_all() const noexcept {
        return events.empty() && tags.empty() && thread_prefixes.empty();
    }

    friend bool operator==(const EventFilter&, const EventFilter&) = default;
};

/// A filter, or none. known_filter() turns a filter that passes all events into none.
using KnownFilter = Known<EventFilter>;
KnownFilter known_filter(EventFilter filter);

/// The lists of a filter, with their names in the configuration and on the control socket.
enum class FilterList { events, tags, threads };
inline constexpr std::array<std::string_view, 3> filter_list_names{"events", "tags", "threads"};
constexpr std::string_view to_string(FilterList list) noexcept {
    return filter_list_names[static_cast<std::size_t>(list)];
}
std::vector<std::string> EventFilter::* member_of(FilterList list) noexcept;

/// Maximum number of entries in a list, and maximum bytes of an entry.
inline constexpr std::size_t max_filter_entries = 64;
inline constexpr std::size_t max_filter_tag = 128;
inline constexpr std::size_t max_filter_prefix = 256;

/// Adds an entry to a list, unless the list has it. Returns what is wrong with the entry ("has to
/// be activity or discussion"), or nothing.
std::optional<std::string> add_entry(EventFilter& filter, FilterList list, std::string_view entry);

/// Normalizes a tag like the server: trims it, removes a leading "#", and converts ASCII letters to
/// lower case.
std::string normal_tag(std::string_view tag);

/// Returns the first list that an event does not match; nothing if it passes. `body` and
/// `thread_key` are from Submission::Contents. Tags in one string are separated by commas.
std::optional<FilterList> refused_by(const EventFilter& filter, std::string_view body,
                                     std::string_view thread_key);

inline bool passes(const EventFilter& filter, std::string_view body, std::string_view thread_key) {
    return !refused_by(filter, body, thread_key);
}

/// Describes the condition of a list for users: "with one of the tags deploy, release".
std::string describe(const EventFilter& filter, FilterList list);

}  // namespace flowrelay::core
