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
        source.add_subcommand("filter", "Choose which events of an added source are delivered");
    filter.add_option("NAME", options->name, "The source, as shown by `source list`")
        .required()
        .type_name("")
        .not_empty();
    filter.add_option("--event", options->events, "Events of this type: activity or discussion")
        .type_name("TYPE")
        .one_value();
    filter.add_option("--tag", options->tags, "Events with this tag; one of several is enough")
        .type_name("TAG")
        .one_value();
    filter
        .add_option("--thread", options->threads,
                    "Events whose external_thread_id begins with this; one of several is enough")
        .type_name("PREFIX")
        .one_value();
    filter.add_flag("--all", options->all, "All events: remove the filter");
    filter.add_flag("--json", options->as_json, "As JSON");
    filter.footer(
        "An event must match each kind of option that is given. Other events are answered as "
        "accepted, but\n"
        "neither stored nor delivered; `flowrelay explain ID` says why. Queued events stay. The "
        "filter\n"
        "replaces the former one. The filter of a configured source is in the configuration.\n"
        "\n"
        "  flowrelay source filter ci --event activity --tag deploy --tag release\n"
        "  flowrelay source filter ci --all");
    filter.callback([options, &context] {
        context.run = [options, &context] { return set_filter(context, *options); };
    });
}

}  // namespace flowrelay::cli
