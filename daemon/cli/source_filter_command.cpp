// flowrelay source filter
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "cli/json_members.hpp"
#include "cli/operator.hpp"
#include "cli/source_text.hpp"
#include "cli/terminal.hpp"

namespace flowrelay::cli {

namespace {

namespace json = boost::json;

struct FilterOptions {
    std::string name;
    std::vector<std::string> events;
    std::vector<std::string> tags;
    std::vector<std::string> threads;
    bool all = false;
    bool as_json = false;
};

json::object filter_of(const FilterOptions& options) {
    json::object filter;
    const auto add = [&](std::string_view name, const std::vector<std::string>& entries) {
        if (!entries.empty()) filter[name] = json::array(entries.begin(), entries.end());
    };
    add("events", options.events);
    add("tags", options.tags);
    add("threads", options.threads);
    if (options.all) filter["all"] = true;
    return filter;
}

ExitCode set_filter(const Context& context, const FilterOptions& options) {
    const json::object filter = filter_of(options);
    if (filter.empty() || (options.all && filter.size() > 1)) {
        complain(
            "say which events are delivered, with --event, --tag and --thread, or --all for all of "
            "them");
        return ExitCode::usage;
    }
    Operator daemon(context);
    const auto reply = daemon.post("/v1/sources/" + url_encode(options.name) + "/filter", filter);
    if (!reply) return daemon.exit_code();
    if (options.as_json) {
        print_json(reply->body);
        return ExitCode::ok;
    }
    const auto source = parse_object(reply->body);
    if (!source) {
        complain(source.error().message);
        return ExitCode::try_later;
    }
    const json::object* set = object_of(*source, "filter");
    print_text(fmt::format(
        "of {} {} delivered from now on", text_of(*source, "name"),
        set == nullptr ? "all events are" : "only events " + format_filter(*set) + " are"));
    return ExitCode::ok;
}

}  // namespace

void add_filter_command(Command source, Context& context) {
    const auto options = std::make_shared<FilterOptions>();
    const Command filter =
        source.add_subcommand("filter", "Set which events of an added source are delivered");
    filter.add_option("NAME", options->name, "The source, as `source list` shows it")
        .required()
        .type_name("")
        .not_empty();
    filter.add_option("--event", options->events, "Of this type: activity or discussion")
        .type_name("TYPE")
        .one_value();
    filter.add_option("--tag", options->tags, "With this tag; one of several is enough")
        .type_name("TAG")
        .one_value();
    filter
        .add_option("--thread", options->threads,
                    "Whose external_thread_id begins with this, or another that is given")
        .type_name("PREFIX")
        .one_value();
    filter.add_flag("--all", options->all, "All events: take the filter away");
    filter.add_flag("--json", options->as_json, "As JSON");
    filter.footer(
        "An event has to fit each kind of option that is given. One that does not is answered as\n"
        "accepted, and is neither stored nor delivered; `flowrelay explain ID` says why. What is\n"
        "queued stays. The filter replaces the one before. A source of the configuration has its\n"
        "filter there.\n\n"
        "  flowrelay source filter ci --event activity --tag deploy --tag release\n"
        "  flowrelay source filter ci --all");
    filter.callback([options, &context] {
        context.run = [options, &context] { return set_filter(context, *options); };
    });
}

}  // namespace flowrelay::cli
