#include "cli/source_text.hpp"

#include <fmt/format.h>

#include "cli/json_members.hpp"

namespace flowrelay::cli {

namespace json = boost::json;

namespace {

void add_fact(std::string& out, std::string_view name, std::string_view value) {
    if (!value.empty()) out += fmt::format("{:<12}  {}\n", name, value);
}

}  // namespace

std::string format_flow_source(const json::object& flow_source) {
    const std::string id = text_of(flow_source, "id");
    const std::string flow = text_of(flow_source, "flow");
    const std::string name = text_of(flow_source, "flow_name");
    if (id.empty() || (flow.empty() && name.empty())) return id;
    if (name.empty() || flow.empty() || name == flow) {
        return fmt::format("{} of {}", id, flow.empty() ? name : flow);
    }
    return fmt::format("{} of {} ({})", id, name, flow);
}

std::string format_source(const json::object& source) {
    std::string out;
    for (const char* name : {"name", "slot", "kind", "state", "since"}) {
        add_fact(out, name, text_of(source, name));
    }
    add_fact(out, "queued", count_of(source, "queued"));
    if (source.contains("rate_limit")) add_fact(out, "rate limit", count_of(source, "rate_limit"));
    add_fact(out, "reason", text_of(source, "reason"));
    add_fact(out, "tried in", seconds_of(source, "until_s"));
    add_fact(out, "erased in", seconds_of(source, "erase_in_s"));
    add_fact(out, "erased at", text_of(source, "erased_at"));
    if (const json::object* lives = object_of(source, "flow_source")) {
        add_fact(out, "source", format_flow_source(*lives));
        add_fact(out, "application", text_of(*lives, "application"));
        add_fact(out, "settings", text_of(*lives, "configuration_uri"));
    }
    return out;
}

}  // namespace flowrelay::cli
