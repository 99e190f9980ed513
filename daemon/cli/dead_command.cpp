// flowrelay dead
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

struct DeadListOptions {
    std::string source;
    std::size_t limit = 0;
    bool limit_given = false;
    bool as_json = false;
};

ExitCode list_dead(const Context& context, const DeadListOptions& options) {
    Operator daemon(context);
    std::string target = "/v1/dead";
    add_query(target, "source", options.source);
    const bool colour = wants_colour(stdout);
    const auto show = [&](const std::string& lines) {
        print_text(options.as_json ? lines : format_dead(parse_lines(lines), colour));
        return true;
    };
    const std::size_t limit = options.limit_given || options.as_json ? options.limit : usual_limit;
    bool more = false;
    if (!daemon.pages(target, limit, show, more)) return daemon.exit_code();
    if (more && !options.as_json) {
        fmt::print(stderr, "There are more: --limit 0 shows all of them.\n");
    }
    return ExitCode::ok;
}

ExitCode show_letter(const Context& context, const std::string& id, bool as_json) {
    Operator daemon(context);
    const auto reply = daemon.get("/v1/dead/" + url_encode(id));
    if (!reply) return daemon.exit_code();
    if (as_json) {
        print_text(reply->body);
        return ExitCode::ok;
    }
    const auto letter = parse_object(reply->body);
    if (!letter) {
        complain(letter.error().message);
        return ExitCode::try_later;
    }
    print_text(format_event(*letter, wants_colour(stdout)));
    return ExitCode::ok;
}

ExitCode change_letters(const Context& context, const SelectionOptions& options, const char* target,
                        const char* verb) {
    Operator daemon(context);
    json::object sum;
    if (!post_selection(daemon, target, options.selection, options.plan, sum)) {
        return daemon.exit_code();
    }
    if (options.as_json) {
        print_text(json::serialize(sum));
    } else if (options.plan) {
        print_text(fmt::format("{} would be {}", count_of(sum, "matched"), verb));
        if (const auto* examples = array_of(sum, "examples")) print_examples(*examples, true);
    } else {
        print_text(fmt::format("{} {}", count_of(sum, verb), verb));
    }
    return complain_of_missing(sum, "is among the dead letters") ? ExitCode::rejected
                                                                 : ExitCode::ok;
}

void add_list(CLI::App& dead, Context& context) {
    CLI::App* list =
        dead.add_subcommand("list", "Show the dead letters in the order of acceptance");
    const auto options = std::make_shared<DeadListOptions>();
    list->add_option("--source", options->source, "Of this source")->type_name("NAME");
    auto* limit = list->add_option("--limit", options->limit,
                                   "At most so many; 0: all (100; with --json all unless given)")
                      ->type_name("N");
    list->add_flag("--json", options->as_json, "One JSON object a line");
    list->callback([options, limit, &context] {
        options->limit_given = limit->count() > 0;
        context.run = [options, &context] { return list_dead(context, *options); };
    });
}

}  // namespace

void add_dead_commands(CLI::App& app, Context& context) {
    CLI::App* dead = app.add_subcommand(
        "dead", "Look at the events that could not be delivered; replay or drop them");
    dead->require_subcommand(1);
    add_list(*dead, context);

    CLI::App* show = dead->add_subcommand("show", "Show one dead letter with its contents");
    const auto id = std::make_shared<std::string>();
    const auto as_json = std::make_shared<bool>(false);
    show->add_option("ID", *id, "Its id or its seq (id:4711 for an id that is a number)")
        ->required()
        ->type_name("");
    show->add_flag("--json", *as_json, "As JSON");
    show->callback([id, as_json, &context] {
        context.run = [id, as_json, &context] { return show_letter(context, *id, *as_json); };
    });

    CLI::App* replay = dead->add_subcommand("replay", "Have dead letters delivered after all");
    auto revived = add_selection(*replay, false, false);
    replay->footer(
        "Each takes its old place in its thread, in front of what came later. What made the\n"
        "destination refuse it should be mended first: it dies again otherwise.\n\n"
        "  flowrelay dead replay --source ci --plan\n"
        "  flowrelay dead replay 4711");
    replay->callback([revived, &context] {
        context.run = [revived, &context] {
            if (!check_selection(*revived, true)) return ExitCode::usage;
            return change_letters(context, *revived, "/v1/dead/replay", "replayed");
        };
    });

    CLI::App* drop = dead->add_subcommand("drop", "Throw dead letters away for good");
    auto options = add_selection(*drop, false, true);
    drop->footer(
        "  flowrelay dead drop --source ci --plan\n"
        "  flowrelay dead list --json | jq -c 'select(.status == 422)' |\n"
        "      flowrelay dead drop --yes -");
    drop->callback([options, &context] {
        context.run = [options, &context] {
            if (!check_selection(*options, false)) return ExitCode::usage;
            return change_letters(context, *options, "/v1/dead/drop", "dropped");
        };
    });
}

}  // namespace flowrelay::cli
