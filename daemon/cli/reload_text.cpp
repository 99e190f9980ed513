#include "cli/reload_text.hpp"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <iterator>
#include <string_view>

#include "cli/json_members.hpp"
#include "flowrelay/app/text.hpp"

namespace flowrelay::cli {

namespace {

namespace json = boost::json;

bool has_items(const json::object& answer, std::string_view name) {
    const json::array* items = array_of(answer, name);
    return items != nullptr && !items->empty();
}

void add_list(std::string& out, const json::object& answer, std::string_view name,
              std::string_view before) {
    const json::array* items = array_of(answer, name);
    if (items == nullptr) return;
    for (const json::value& item : *items) {
        if (item.is_string()) {
            fmt::format_to(std::back_inserter(out), "{}{}\n", before,
                           app::printable(item.get_string()));
        }
    }
}

template <class Line>
void for_each_object(const json::object& answer, std::string_view name, const Line& line) {
    const json::array* items = array_of(answer, name);
    if (items == nullptr) return;
    for (const json::value& item : *items) {
        if (item.is_object()) line(item.get_object());
    }
}

/// Returns "  ci has another token …; active, 3 events queued".
void add_sources(std::string& out, const json::object& answer) {
    for_each_object(answer, "sources", [&out](const json::object& source) {
        std::string what;
        if (const json::array* changes = array_of(source, "change")) {
            for (const json::value& change : *changes) {
                if (!change.is_string()) continue;
                what += (what.empty() ? "" : ", ") + app::printable(change.get_string());
            }
        }
        const std::string state = text_of(source, "state");
        fmt::format_to(std::back_inserter(out), "  source {} {}{}\n", text_of(source, "name"), what,
                       state.empty() ? ""
                                     : fmt::format("; {}, {} queued", state,
                                                   counted_of(source, "queued", "event")));
    });
}

/// Lists sources that the reload did not change, but that need an operator's attention.
void add_attention(std::string& out, const json::object& answer) {
    for_each_object(answer, "attention", [&out](const json::object& source) {
        const std::string state = text_of(source, "state");
        const std::string left = seconds_of(source, "erase_in_s");
        const std::string hint =
            state == "gone"      ? "; `flowrelay source enable` takes the 410 back"
            : state == "erased"  ? "; with a new token in its place and another reload it begins "
                                   "again"
            : state == "missing" ? "; " + text_of(source, "reason")
                                 : "";
        fmt::format_to(std::back_inserter(out), "Look at {}: it is {}, with {} queued{}{}\n",
                       text_of(source, "name"), state, counted_of(source, "queued", "event"),
                       left.empty() ? "" : ", erased in " + left, hint);
    });
}

void add_changes(std::string& out, const json::object& answer) {
    // Changed keys of a source are listed with its state.
    json::object keys;
    if (const json::array* changed = array_of(answer, "changed")) {
        json::array others;
        for (const json::value& key : *changed) {
            const bool is_source = key.is_string() && key.get_string().starts_with("sources.") &&
                                   has_items(answer, "sources");
            if (!is_source) others.push_back(key);
        }
        keys["changed"] = std::move(others);
    }
    add_list(out, keys, "changed", "  ");
    add_sources(out, answer);
}

}  // namespace

std::string format_reload(const json::object& answer) {
    const bool in_force = has_items(answer, "changed") || has_items(answer, "sources");
    const bool later = has_items(answer, "restart");
    std::string out = in_force ? "Reloaded. In force now:\n"
                      : later  ? "Reloaded; nothing new is in force yet.\n"
                               : "Reloaded; nothing has changed.\n";
    add_changes(out, answer);
    if (later) out += "In force after a restart of flowrelayd:\n";
    add_list(out, answer, "restart", "  ");
    add_attention(out, answer);
    add_list(out, answer, "consequences", "");
    return out;
}

std::string format_reload_plan(const json::object& plan) {
    const json::value* destroys = plan.if_contains("would_destroy");
    const bool would_destroy = destroys != nullptr && destroys->is_bool() && destroys->get_bool();
    std::string out;
    if (!would_destroy && has_items(plan, "problems")) {
        out = "The running flowrelayd could not reload it:\n";
        add_list(out, plan, "problems", "  ");
        return out;
    }
    const bool changes = has_items(plan, "changed") || has_items(plan, "sources");
    if (changes) out += "A reload of the running flowrelayd would change:\n";
    add_changes(out, plan);
    if (has_items(plan, "restart")) out += "A restart of flowrelayd would change:\n";
    add_list(out, plan, "restart", "  ");
    if (out.empty()) out = "The running flowrelayd already uses all of it.\n";
    add_list(out, plan, "consequences", "");
    if (would_destroy) {
        out += "A reload would DESTROY data, and is refused until that is accepted:\n";
        add_list(out, plan, "problems", "  ");
    }
    return out;
}

std::string format_problems(const json::object& answer) {
    std::string out;
    add_list(out, answer, "problems", "");
    return out;
}

}  // namespace flowrelay::cli
