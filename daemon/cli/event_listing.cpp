#include "cli/event_listing.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "cli/json_members.hpp"
#include "cli/operator.hpp"
#include "cli/operator_text.hpp"
#include "cli/terminal.hpp"

namespace flowrelay::cli {

namespace {

constexpr std::size_t usual_limit = 100;

struct Options {
    std::string source;
    std::string thread;
    std::size_t limit = 0;
    bool limit_given = false;
    bool as_json = false;
};

ExitCode list_events(const Context& context, const EventList& list, const Options& options) {
    Operator daemon(context);
    std::string target = list.target;
    add_query(target, "source", options.source);
    add_query(target, "thread", options.thread);
    const bool colour = wants_colour(stdout);
    bool none = true;
    const auto show = [&](const std::string& lines) {
        none = false;
        if (options.as_json) {
            print_json(lines);
        } else {
            print_text(list.format(parse_lines(lines), colour));
        }
        return true;
    };
    // JSON is for programs, which need all events. A table starts with the first ones.
    const std::size_t limit = options.limit_given || options.as_json ? options.limit : usual_limit;
    bool more = false;
    if (!daemon.pages(target, limit, show, more)) return daemon.exit_code();
    if (none && !options.as_json) {
        const bool filtered = !options.source.empty() || !options.thread.empty();
        note(filtered ? list.none_such : list.none);
    }
    if (more && !options.as_json) {
        note("There are more: --limit 0 shows all of them.");
    }
    return ExitCode::ok;
}

ExitCode show_event(const Context& context, const std::string& target, bool as_json) {
    Operator daemon(context);
    const auto reply = daemon.get(target);
    if (!reply) return daemon.exit_code();
    if (as_json) {
        print_json(reply->body);
        return ExitCode::ok;
    }
    const auto event = parse_object(reply->body);
    if (!event) {
        complain(event.error().message);
        return ExitCode::try_later;
    }
    print_text(format_event(*event, wants_colour(stdout)));
    return ExitCode::ok;
}

}  // namespace

Command add_event_list(Command parent, Context& context, const EventList& list) {
    const Command command = parent.add_subcommand("list", list.help);
    const auto options = std::make_shared<Options>();
    command.add_option("SOURCE,--source", options->source, "Only events of this source")
        .type_name("NAME")
        .not_empty();
    if (list.with_thread) {
        command.add_option("--thread", options->thread, "Only events of this thread")
            .type_name("ID")
            .not_empty();
    }
    const Option limit =
        command
            .add_option("--limit", options->limit,
                        "Maximum number of events; 0: all (100, or all with --json)")
            .type_name("N")
            .whole_number();
    command.add_flag("--json", options->as_json, "One JSON object per line");
    command.callback([options, limit, list, &context] {
        options->limit_given = limit.given();
        context.run = [options, list, &context] { return list_events(context, list, *options); };
    });
    return command;
}

void add_event_show(Command parent, Context& context, const char* help, const char* target) {
    const Command show = parent.add_subcommand("show", help);
    const auto id = std::make_shared<std::string>();
    const auto as_json = std::make_shared<bool>(false);
    show.add_option("ID", *id, "Its id or its seq (id:4711 for an id that is a number)")
        .required()
        .type_name("")
        .not_empty();
    show.add_flag("--json", *as_json, "As JSON");
    show.callback([id, as_json, target, &context] {
        context.run = [id, as_json, target, &context] {
            return show_event(context, std::string(target) + "/" + url_encode(*id), *as_json);
        };
    });
}

}  // namespace flowrelay::cli
