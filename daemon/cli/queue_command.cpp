// flowrelay queue
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <memory>

#include "cli/commands.hpp"
#include "cli/json_members.hpp"
#include "cli/operator.hpp"
#include "cli/operator_text.hpp"
#include "cli/selection_options.hpp"
#include "cli/terminal.hpp"

namespace flowrelay::cli {

namespace {

namespace json = boost::json;

constexpr std::size_t usual_limit = 100;

struct ListOptions {
    std::string source;
    std::string thread;
    std::size_t limit = 0;
    bool limit_given = false;
    bool as_json = false;
};

ExitCode list_queue(const Context& context, const ListOptions& options) {
    Operator daemon(context);
    std::string target = "/v1/queue";
    add_query(target, "source", options.source);
    add_query(target, "thread", options.thread);
    const bool colour = wants_colour(stdout);
    const auto show = [&](const std::string& lines) {
        print_text(options.as_json ? lines : format_events(parse_lines(lines), colour));
        return true;
    };
    // Who reads JSON wants all of it; who looks at a table wants to see its beginning.
    const std::size_t limit = options.limit_given || options.as_json ? options.limit : usual_limit;
    bool more = false;
    if (!daemon.pages(target, limit, show, more)) return daemon.exit_code();
    if (more && !options.as_json) {
        fmt::print(stderr, "There are more: --limit 0 shows all of them.\n");
    }
    return ExitCode::ok;
}

ExitCode show_event(const Context& context, const std::string& id, bool as_json) {
    Operator daemon(context);
    const auto reply = daemon.get("/v1/queue/" + url_encode(id));
    if (!reply) return daemon.exit_code();
    if (as_json) {
        print_text(reply->body);
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

std::string summary(const json::object& sum, const char* verb, bool plan) {
    const std::string count = count_of(sum, plan ? "matched" : verb);
    std::string text =
        plan ? fmt::format("{} would be {}", count, verb) : fmt::format("{} {}", count, verb);
    if (const auto held = number_of(sum, "held"); held && *held > 0) {
        text += fmt::format("; {:.0f} belong to a source that is paused, gone or not configured",
                            *held);
    }
    if (const auto busy = number_of(sum, "in_flight"); busy && *busy > 0) {
        text += fmt::format("; {:.0f} left alone, their requests are under way", *busy);
    }
    if (const auto left = number_of(sum, "not_queued"); left && *left > 0) {
        text += fmt::format("; {:.0f} had left meanwhile", *left);
    }
    return text + '\n';
}

ExitCode change_queue(const Context& context, const SelectionOptions& options, const char* target,
                      const char* verb) {
    Operator daemon(context);
    json::object sum;
    const bool done = post_selection(daemon, target, options.selection, options.plan, sum);
    if (options.as_json) {
        if (done || sum.contains(verb)) print_text(json::serialize(sum));
    } else if (done) {
        print_text(summary(sum, verb, options.plan));
        if (const auto* examples = array_of(sum, "examples")) print_examples(*examples, false);
    } else if (sum.contains(verb)) {
        fmt::print(stderr, "Until then {} were {}.\n", count_of(sum, verb), verb);
    }
    if (!done) return daemon.exit_code();
    return complain_of_missing(sum, "is queued") ? ExitCode::rejected : ExitCode::ok;
}

void add_list(CLI::App& queue, Context& context) {
    CLI::App* list =
        queue.add_subcommand("list", "Show the queued events, by source, oldest first");
    const auto options = std::make_shared<ListOptions>();
    list->add_option("--source", options->source, "Of this source")->type_name("NAME");
    list->add_option("--thread", options->thread, "Of this thread")->type_name("ID");
    auto* limit = list->add_option("--limit", options->limit,
                                   "At most so many; 0: all (100; with --json all unless given)")
                      ->type_name("N");
    list->add_flag("--json", options->as_json, "One JSON object a line");
    list->footer(
        "STATE is the first reason why an event waits; `flowrelay explain SEQ` has them all.\n\n"
        "  flowrelay queue list --source ci --limit 20\n"
        "  flowrelay queue list --json | jq -r 'select(.attempts > 10) | .seq'");
    list->callback([options, limit, &context] {
        options->limit_given = limit->count() > 0;
        context.run = [options, &context] { return list_queue(context, *options); };
    });
}

void add_show(CLI::App& queue, Context& context) {
    CLI::App* show = queue.add_subcommand("show", "Show one queued event with its contents");
    const auto id = std::make_shared<std::string>();
    const auto as_json = std::make_shared<bool>(false);
    show->add_option("ID", *id, "Its id or its seq (id:4711 for an id that is a number)")
        ->required()
        ->type_name("");
    show->add_flag("--json", *as_json, "As JSON");
    show->callback([id, as_json, &context] {
        context.run = [id, as_json, &context] { return show_event(context, *id, *as_json); };
    });
}

}  // namespace

void add_queue_commands(CLI::App& app, Context& context) {
    CLI::App* queue = app.add_subcommand("queue", "Look at the queue, retry and drop events");
    queue->require_subcommand(1);
    add_list(*queue, context);
    add_show(*queue, context);

    CLI::App* retry = queue->add_subcommand("retry", "Try events now that wait after a failure");
    auto options = add_selection(*retry, true, false);
    retry->footer(
        "Ends the wait of their threads; where a token or the destination waits as a whole, one\n"
        "event is tried at once. Pauses and rate limits stay.\n\n"
        "  flowrelay queue retry --source ci\n"
        "  flowrelay queue retry --all");
    retry->callback([options, &context] {
        context.run = [options, &context] {
            if (!check_selection(*options, true)) return ExitCode::usage;
            return change_queue(context, *options, "/v1/queue/retry", "retried");
        };
    });

    CLI::App* drop = queue->add_subcommand("drop", "Take events out of the queue for good");
    auto doomed = add_selection(*drop, true, true);
    drop->footer(
        "They are not delivered and are no dead letters; the books count them as dropped. An "
        "event\n"
        "whose request is under way stays.\n\n"
        "  flowrelay queue drop --thread build-42 --source ci --plan\n"
        "  flowrelay queue list --source ci --json | grep nightly | flowrelay queue drop --yes -");
    drop->callback([doomed, &context] {
        context.run = [doomed, &context] {
            if (!check_selection(*doomed, false)) return ExitCode::usage;
            return change_queue(context, *doomed, "/v1/queue/drop", "dropped");
        };
    });
}

}  // namespace flowrelay::cli
