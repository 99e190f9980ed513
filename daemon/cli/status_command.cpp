// flowrelay status
#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "cli/commands.hpp"
#include "cli/complain.hpp"
#include "cli/control_client.hpp"
#include "cli/status_text.hpp"
#include "cli/terminal.hpp"

namespace flowrelay::cli {

namespace {

ExitCode show_status(const std::string& socket, bool as_json) {
    auto text = get_from_daemon(socket, "/v1/status", patience);
    if (text && !as_json) text = format_status(*text, wants_colour(stdout));
    if (!text) {
        complain(text.error().message);
        return exit_code_of(text.error());
    }
    fmt::print("{}{}", *text, text->ends_with('\n') ? "" : "\n");
    return ExitCode::ok;
}

}  // namespace

void add_status_command(Command app, Context& context) {
    const Command status =
        app.add_subcommand("status", "Show the state of flowrelayd and its queue");
    const auto as_json = std::make_shared<bool>(false);
    status.add_flag("--json", *as_json, "As JSON");
    status.footer(
        "accepted = delivered + queued + dead + expired + erased + dropped + lost. The difference "
        "is\n"
        "unaccounted, which must be 0.\n"
        "\n"
        "Exit status: 0, 64 wrong options, 69 flowrelayd does not run, 75 no valid answer,\n"
        "77 not permitted.");
    status.callback([as_json, &context] {
        context.run = [as_json, &context] { return show_status(context.control(), *as_json); };
    });
}

}  // namespace flowrelay::cli
