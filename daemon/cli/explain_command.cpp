// flowrelay explain
#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "cli/commands.hpp"
#include "cli/json_members.hpp"
#include "cli/operator.hpp"
#include "cli/operator_text.hpp"
#include "cli/terminal.hpp"

namespace flowrelay::cli {

namespace {

struct ExplainOptions {
    std::string of;
    std::string event;
    std::string thread;
    std::string source;
    bool as_json = false;
};

ExitCode run_explain(const Context& context, const ExplainOptions& options) {
    const int ways = (options.of.empty() ? 0 : 1) + (options.event.empty() ? 0 : 1) +
                     (options.thread.empty() ? 0 : 1);
    if (ways > 1 || (ways == 0 && options.source.empty())) {
        complain(ways > 1 ? "an id, --event and --thread exclude each other: name one"
                          : "name an event, a thread or a source");
        return ExitCode::usage;
    }
    std::string target = "/v1/explain";
    add_query(target, "of", options.of);
    add_query(target, "event", options.event);
    add_query(target, "thread", options.thread);
    add_query(target, "source", options.source);
    Operator daemon(context);
    const auto reply = daemon.get(target);
    if (!reply) return daemon.exit_code();
    if (options.as_json) {
        print_json(reply->body);
        return ExitCode::ok;
    }
    const auto answer = parse_object(reply->body);
    if (!answer) {
        complain(answer.error().message);
        return ExitCode::try_later;
    }
    print_text(format_explanation(*answer, wants_colour(stdout)));
    return ExitCode::ok;
}

}  // namespace

void add_explain_command(Command app, Context& context) {
    const Command explain =
        app.add_subcommand("explain", "Say why something waits, until when, or what became of it");
    const auto options = std::make_shared<ExplainOptions>();
    explain
        .add_option("WHAT", options->of,
                    "The id or seq of an event, the name of a source, or a thread")
        .type_name("");
    explain.add_option("--event", options->event, "The id or seq of an event, and nothing else")
        .type_name("ID")
        .not_empty();
    explain.add_option("--thread", options->thread, "A thread, and nothing else")
        .type_name("ID")
        .not_empty();
    explain.add_option("--source", options->source, "This source, or a thread of it")
        .type_name("NAME")
        .not_empty();
    explain.add_flag("--json", options->as_json, "As JSON");
    explain.footer(
        "The answer is a chain of reasons from the event to the destination. Each line is an "
        "independent\n"
        "reason; the last line says when the event can go. For an event that has left, the answer "
        "says what\n"
        "became of it: from the dead letters, or from memory if it was one of the last since the "
        "start.\n"
        "\n"
        "  flowrelay explain build-42\n"
        "  flowrelay explain --source ci --thread build-42\n"
        "  flowrelay explain 01a207fc-14fc-758c-956c-1268ba75d680");
    explain.callback([options, &context] {
        context.run = [options, &context] { return run_explain(context, *options); };
    });
}

}  // namespace flowrelay::cli
