#include "cli/source_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <vector>

#include "cli/json_members.hpp"
#include "flowrelay/app/text.hpp"

namespace flowrelay::cli {

namespace json = boost::json;

namespace {

void add_fact(std::string& out, std::string_view name, std::string_view value) {
    if (!value.empty()) out += fmt::format("{:<12}  {}\n", name, value);
}

/// Returns what a result other than "found" means, and what to do.
std::string_view meaning_of(std::string_view result) {
    if (result == "gone") return "it was removed from its flow";
    if (result == "unknown") {
        return "the destination does not know its token, or has no such resource; nothing was "
               "changed";
    }
    if (result == "refused") {
        return "the destination refuses its token: check whether it is the right one; nothing was "
               "changed";
    }
    if (result == "unanswered") {
        return "the destination did not answer: try again later; nothing was changed";
    }
    return "the answer is not about a source: check whether destination.base_url is right; nothing "
           "was changed";
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

std::string format_filter(const json::object& filter) {
    std::vector<std::string> parts;
    const auto add = [&](std::string_view name, std::string_view what) {
        const json::array* entries = array_of(filter, name);
        if (entries == nullptr) return;
        std::vector<std::string> texts;
        for (const json::value& entry : *entries) {
            if (entry.is_string()) texts.push_back(app::printable(entry.get_string()));
        }
        if (!texts.empty()) parts.push_back(fmt::format("{} {}", what, fmt::join(texts, ", ")));
    };
    add("events", "of the type");
    add("tags", "with one of the tags");
    add("threads", "whose external_thread_id begins with one of");
    return fmt::format("{}", fmt::join(parts, ", "));
}

std::string format_source(const json::object& source) {
    std::string out;
    for (const char* name : {"name", "slot", "kind", "state", "since"}) {
        add_fact(out, name, text_of(source, name));
    }
    add_fact(out, "queued", count_of(source, "queued"));
    if (source.contains("rate_limit")) add_fact(out, "rate limit", count_of(source, "rate_limit"));
    if (const json::object* filter = object_of(source, "filter")) {
        add_fact(out, "filter", "only events " + format_filter(*filter));
    }
    if (source.contains("filtered")) add_fact(out, "filtered", count_of(source, "filtered"));
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

std::string format_check(const json::object& answer) {
    const std::string result = text_of(answer, "result");
    std::string line = fmt::format("{}: {}", text_of(answer, "name"), result);
    if (result == "found") {
        const json::object* lives = object_of(answer, "flow_source");
        return lives == nullptr ? line
                                : fmt::format("{}, source {}", line, format_flow_source(*lives));
    }
    line += fmt::format(": {}", meaning_of(result));
    const std::string erased = seconds_of(answer, "erase_in_s");
    if (!erased.empty()) {
        line += fmt::format(
            ". It is disabled, and what is stored for it will be erased in {}; `flowrelay source "
            "enable {}` takes that back until then",
            erased, text_of(answer, "name"));
    }
    const std::string reason = text_of(answer, "reason");
    return reason.empty() ? line : fmt::format("{} ({})", line, reason);
}

ExitCode exit_code_of_check(std::string_view result) {
    if (result == "found") return ExitCode::ok;
    if (result == "gone") return ExitCode::rejected;
    if (result == "unanswered") return ExitCode::try_later;
    return ExitCode::can_not_tell;
}

ExitCode worse_check(ExitCode a, ExitCode b) {
    constexpr std::array order{ExitCode::ok, ExitCode::can_not_tell, ExitCode::try_later,
                               ExitCode::rejected};
    const auto rank = [&](ExitCode code) { return std::ranges::find(order, code) - order.begin(); };
    return rank(b) > rank(a) ? b : a;
}

}  // namespace flowrelay::cli
