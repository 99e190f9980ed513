// Which events of a source are to be delivered: by event type, tags and thread.
//
// A filter is asked when an event is handed in, after the defaults of its source were added. An
// event that it does not let pass is answered, counted and forgotten.
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

/// What an event has to have to pass. An empty list asks for nothing; of several lists an event has
/// to fit each.
struct EventFilter {
    std::vector<std::string> events;           ///< event types, "activity" or "discussion"
    std::vector<std::string> tags;             ///< one of them is enough; as normal_tag() has them
    std::vector<std::string> thread_prefixes;  ///< of `external_thread_id`

    bool passes_all() const noexcept {
        return events.empty() && tags.empty() && thread_prefixes.empty();
    }

    friend bool operator==(const EventFilter&, const EventFilter&) = default;
};

/// A filter, or none. One that lets everything pass is none.
using KnownFilter = Known<EventFilter>;
KnownFilter known_filter(EventFilter filter);

/// The lists of a filter, by the names that the configuration and the control socket have for them.
enum class FilterList { events, tags, threads };
inline constexpr std::array<std::string_view, 3> filter_list_names{"events", "tags", "threads"};
constexpr std::string_view to_string(FilterList list) noexcept {
    return filter_list_names[static_cast<std::size_t>(list)];
}
std::vector<std::string> EventFilter::* member_of(FilterList list) noexcept;

/// Entries of a list, and bytes of an entry.
inline constexpr std::size_t max_filter_entries = 64;
inline constexpr std::size_t max_filter_tag = 128;
inline constexpr std::size_t max_filter_prefix = 256;

/// Adds an entry to a list. One that is there already is not added again. Returns what is wrong
/// with it ("has to be activity or discussion"), or nothing.
std::optional<std::string> add_entry(EventFilter& filter, FilterList list, std::string_view entry);

/// A tag as the server compares them: without blanks around it and "#" in front, in lower case.
/// Only ASCII letters have a case here.
std::string normal_tag(std::string_view tag);

/// The first list that an event does not fit, or nothing if it passes. `body`: as
/// Submission::Contents has it; `thread_key`: likewise. A string of tags is a list with commas.
std::optional<FilterList> refused_by(const EventFilter& filter, std::string_view body,
                                     std::string_view thread_key);

inline bool passes(const EventFilter& filter, std::string_view body, std::string_view thread_key) {
    return !refused_by(filter, body, thread_key);
}

/// What a list asks for, for people: "with one of the tags deploy, release".
std::string describe(const EventFilter& filter, FilterList list);

}  // namespace flowrelay::core
