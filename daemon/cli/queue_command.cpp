// flowrelay queue
#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <cstdio>

#include "cli/commands.hpp"
#include "cli/event_listing.hpp"
#include "cli/json_members.hpp"
#include "cli/operator.hpp"
#include "cli/operator_text.hpp"
#include "cli/selection_options.hpp"

namespace flowrelay::cli {

namespace {

namespace json = boost::json;

constexpr const char* queue_target = "/v1/queue";

std::string summary(const json::object& sum, const char* verb, bool plan) {
    // The plan of a drop has no count of its own: it drops all that match.
    const std::string count = count_of(sum, sum.contains(verb) ? verb : "matched");
    std::string text =
        plan ? fmt::format("{} would be {}", count, verb) : fmt::format("{} {}", count, verb);
    if (const auto held = number_of(sum, "held"); held && *held > 0) {
        text +=
            fmt::format("; {:.0f} left alone: the source is paused, gone or not configured", *held);
    }
    if (const auto busy = number_of(sum, "in_flight"); busy && *busy > 0) {
        text += fmt::format("; {:.0f} left alone: {} under way", *busy,
                            *busy == 1 ? "its request is" : "their requests are");
    }
    if (const auto left = number_of(sum, "not_queued"); left && *left > 0) {
        text += fmt::format("; {:.0f} had left meanwhile", *left);
    }
    return text + '\n';
}

ExitCode change_queue(const Context& context, const SelectionOptions& options, const char* route,
                      const char* verb) {
    Operator daemon(context);
    json::object sum;
    const bool done = post_selection(daemon, route, verb, options.selection, options.plan, sum);
    if (options.as_json) {
        if (done || sum.contains(verb)) print_json(json::serialize(sum));
    } else if (done) {
        print_text(summary(sum, verb, options.plan));
        if (const auto* examples = array_of(sum, "examples")) print_examples(*examples, false);
    } else if (number_of(sum, verb).value_or(0) > 0) {
        note(fmt::format("Until then: {} {}.", count_of(sum, verb), verb));
    }
    if (!done) return daemon.exit_code();
    return complain_of_missing(sum, "is queued") ? ExitCode::rejected : ExitCode::ok;
}

}  // namespace

void add_queue_commands(Command app, Context& context) {
    const Command queue = app.add_subcommand("queue", "Show the queue, retry and drop events");
    queue.require_subcommand();
    const Command list =
        add_event_list(queue, context,
                       {"Show the queued events, by source, oldest first", queue_target, true,
                        "Nothing is queued.", "No such event is queued.", format_events});
    list.footer(
        "STATE is the first reason why an event waits; `flowrelay explain SEQ` has them all.\n\n"
        "  flowrelay queue list --source ci --limit 20\n"
        "  flowrelay queue list --json | jq -r 'select(.attempts > 10) | .seq'");
    add_event_show(queue, context, "Show one queued event with its contents", queue_target);

    const Command retry =
        queue.add_subcommand("retry", "Try events now that are waiting after a failure");
    auto options = add_selection(retry, true, false);
    retry.footer(
        "Ends the waits of their threads. If a token or the destination waits as a whole, one "
        "event is\n"
        "tried at once. Pauses and rate limits stay in force.\n"
        "\n"
        "  flowrelay queue retry --source ci\n"
        "  flowrelay queue retry --all");
    retry.callback([options, &context] {
        context.run = [options, &context] {
            if (!check_selection(*options, true)) return ExitCode::usage;
            return change_queue(context, *options, "/v1/queue/retry", "retried");
        };
    });

    const Command drop = queue.add_subcommand("drop", "Remove events from the queue for good");
    auto doomed = add_selection(drop, true, true);
    drop.footer(
        "They are neither delivered nor kept as dead letters; the books count them as dropped. An "
        "event\n"
        "whose request is in flight stays.\n"
        "\n"
        "  flowrelay queue drop --thread build-42 --source ci --plan\n"
        "  flowrelay queue list --source ci --json | grep nightly | flowrelay queue drop --yes -");
    drop.callback([doomed, &context] {
        context.run = [doomed, &context] {
            if (!check_selection(*doomed, false)) return ExitCode::usage;
            return change_queue(context, *doomed, "/v1/queue/drop", "dropped");
        };
    });
}

}  // namespace flowrelay::cli
