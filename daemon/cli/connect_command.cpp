// flowrelay source connect
#include <memory>
#include <string>

#include "cli/access_options.hpp"
#include "cli/commands.hpp"
#include "cli/complain.hpp"
#include "cli/connecting.hpp"

namespace flowrelay::cli {

namespace {

ExitCode run_connect(const Context& context, ConnectOptions options) {
    options.access.interactive = is_interactive(options.access);
    if (!options.access.interactive && options.flow.empty()) {
        complain("--flow is needed because nobody can choose one: stdin is not a terminal");
        return ExitCode::usage;
    }
    if (!options.access.interactive && !options.yes && options.access.token_file.empty()) {
        complain("--yes is needed because nobody can confirm: stdin is not a terminal");
        return ExitCode::usage;
    }
    return run_with_access(options.access, [&](const app::Config& config, LineInput& input,
                                               const HeldSignals& signals) {
        return std::make_unique<Connecting>(context, options, config, input, signals);
    });
}

}  // namespace

void add_connect_command(Command source, Context& context) {
    const Command connect = source.add_subcommand(
        "connect", "Create a source in a flow, and add it with its new token");
    const auto options = std::make_shared<ConnectOptions>();
    connect.add_option("NAME", options->name, "The name of the source, for producers")
        .required()
        .type_name("");
    connect
        .add_option("--flow", options->flow,
                    "The flow: ORG/FLOW as in its address, or the id in a set-up link.\n"
                    "Without it, you choose from a list of flows")
        .type_name("FLOW");
    connect.add_option("--title", options->title, "The name of the source in the flow (NAME)")
        .type_name("TEXT");
    connect.add_option("--url", options->url, "The address of what it reports on").type_name("URL");
    add_access_options(connect, options->access);
    connect.add_flag("--yes", options->yes, "Do not ask to confirm");
    connect.add_flag("--hello", options->hello, "Send a first event through the new source");
    connect.add_flag("--json", options->as_json, "As JSON");
    connect.footer(
        "Asks a user for permission in a browser, creates a source in the flow, and gives its "
        "flow_token to\n"
        "flowrelayd like `source add`, without showing it. The application is the one of `connect` "
        "in the\n"
        "configuration; docs/integration.md says how to register one. The access token is revoked "
        "at the end.\n"
        "\n"
        "  flowrelay source connect ci\n"
        "  flowrelay source connect ci --flow example/main --yes --no-browser --hello");
    connect.callback([options, &context] {
        context.run = [options, &context] { return run_connect(context, *options); };
    });
}

}  // namespace flowrelay::cli
