// flowrelay dead
#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "cli/commands.hpp"
#include "cli/event_listing.hpp"
#include "cli/json_members.hpp"
#include "cli/operator.hpp"
#include "cli/operator_text.hpp"
#include "cli/selection_options.hpp"

namespace flowrelay::cli {

namespace {

namespace json = boost::json;

constexpr const char* dead_target = "/v1/dead";

ExitCode change_letters(const Context& context, const SelectionOptions& options, const char* route,
                        const char* verb) {
    Operator daemon(context);
    json::object sum;
    if (!post_selection(daemon, route, verb, options.selection, options.plan, sum)) {
        return daemon.exit_code();
    }
    if (options.as_json) {
        print_json(json::serialize(sum));
    } else if (options.plan) {
        print_text(fmt::format("{} would be {}", count_of(sum, "matched"), verb));
        if (const auto* examples = array_of(sum, "examples")) print_examples(*examples, true);
    } else {
        const double left =
            number_of(sum, "matched").value_or(0) - number_of(sum, verb).value_or(0);
        std::string text = fmt::format("{} {}", count_of(sum, verb), verb);
        if (left > 0) {
            text += fmt::format("; {:.0f} left alone: {} queued to be delivered after all", left,
                                left == 1 ? "it is" : "they are");
        }
        print_text(text);
    }
    const double lost = number_of(sum, "without_event").value_or(0);
    if (lost > 0) {
        complain(fmt::format(
            "{} can't be replayed: {} event could not be read when it died, and "
            "there is nothing to deliver; `dead show` has the reason",
            counted_of(sum, "without_event", "dead letter"), lost == 1 ? "its" : "each"));
        complain_of_missing(sum, "is among the dead letters");
        return ExitCode::rejected;
    }
    return complain_of_missing(sum, "is among the dead letters") ? ExitCode::rejected
                                                                 : ExitCode::ok;
}

}  // namespace

void add_dead_commands(Command app, Context& context) {
    const Command dead =
        app.add_subcommand("dead", "Show, replay and drop events that could not be delivered");
    dead.require_subcommand();
    add_event_list(
        dead, context,
        {"Show the dead letters in the order of acceptance", dead_target, false,
         "There are no dead letters.", "There are no dead letters of this source.", format_dead});
    add_event_show(dead, context, "Show one dead letter with its contents", dead_target);

    const Command replay = dead.add_subcommand("replay", "Deliver dead letters after all");
    auto revived = add_selection(replay, false, false);
    replay.footer(
        "Each takes its old place in its thread, before later events. First fix what made the "
        "destination\n"
        "refuse it: otherwise it becomes a dead letter again.\n"
        "\n"
        "  flowrelay dead replay --source ci --plan\n"
        "  flowrelay dead replay 4711");
    replay.callback([revived, &context] {
        context.run = [revived, &context] {
            if (!check_selection(*revived, true)) return ExitCode::usage;
            return change_letters(context, *revived, "/v1/dead/replay", "replayed");
        };
    });

    const Command drop = dead.add_subcommand("drop", "Delete dead letters for good");
    auto options = add_selection(drop, false, true);
    drop.footer(
        "  flowrelay dead drop --source ci --plan\n"
        "  flowrelay dead list --json | jq -c 'select(.status == 422)' |\n"
        "      flowrelay dead drop --yes -");
    drop.callback([options, &context] {
        context.run = [options, &context] {
            if (!check_selection(*options, false)) return ExitCode::usage;
            return change_letters(context, *options, "/v1/dead/drop", "dropped");
        };
    });
}

}  // namespace flowrelay::cli
