#include "control_filter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "control_call.hpp"

namespace flowrelay::runtime {
namespace json = boost::json;

namespace {

using core::FilterList;
constexpr std::array filter_lists{FilterList::events, FilterList::tags, FilterList::threads};

/// Adds the entries of a list; says what is wrong with them, if anything is.
std::optional<core::Refusal> read_list(core::EventFilter& filter, FilterList list,
                                       const json::value& value) {
    const std::string_view name = core::to_string(list);
    if (!value.is_array()) {
        return not_understood(fmt::format("\"{}\" has to be an array of strings", name));
    }
    for (const json::value& entry : value.get_array()) {
        if (!entry.is_string()) {
            return not_understood(fmt::format("\"{}\" has to be an array of strings", name));
        }
        const std::string_view text = entry.get_string();
        if (const auto mistake = core::add_entry(filter, list, text)) {
            return not_understood(fmt::format("an entry of \"{}\" {}", name, *mistake));
        }
    }
    return std::nullopt;
}

}  // namespace

json::object filter_json(const core::EventFilter& filter) {
    json::object shown;
    for (const FilterList list : filter_lists) {
        const auto& entries = filter.*core::member_of(list);
        if (!entries.empty())
            shown[core::to_string(list)] = json::array(entries.begin(), entries.end());
    }
    return shown;
}

core::OrRefusal<core::KnownFilter> read_filter(const json::object& body) {
    core::EventFilter filter;
    bool all = false;
    for (const auto& [member, value] : body) {
        const std::string_view name = member;
        const auto list = std::ranges::find(core::filter_list_names, name);
        if (list != core::filter_list_names.end()) {
            const auto at = static_cast<std::size_t>(list - core::filter_list_names.begin());
            if (auto refused = read_list(filter, filter_lists.at(at), value)) return *refused;
        } else if (name == "all" && value.is_bool()) {
            all = value.get_bool();
        } else if (name != "plan") {
            // A list with a name that is not known would let pass what it should not.
            return not_understood(
                fmt::format("\"{}\" is no part of a filter: \"events\", \"tags\", \"threads\" or "
                            "\"all\": true",
                            name));
        }
    }
    if (all == filter.passes_all()) return core::known_filter(std::move(filter));
    return not_understood(all ? "\"all\" goes without \"events\", \"tags\" and \"threads\""
                              : "say which events pass: \"events\", \"tags\" or \"threads\", or "
                                "\"all\": true for no filter");
}

}  // namespace flowrelay::runtime
