// flowrelay source connect
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>

#include "app/secret_file.hpp"
#include "cli/authorization.hpp"
#include "cli/commands.hpp"
#include "cli/connecting.hpp"
#include "cli/operator.hpp"
#include "cli/read_secret.hpp"
#include "flowrelay/app/config.hpp"

namespace flowrelay::cli {

namespace {

/// The access token that the options name.
Result<Secret> read_access_token(const std::string& file) {
    const app::SecretRules rules{"access token", 4096, false};
    if (file == "-") return app::check_secret(read_secret_line("The access token"), rules);
    return app::read_secret_file(file, app::FileMode::checked, rules);
}

/// Lasts until nothing is half made: what ends the process meanwhile has to wait.
ExitCode connect_source(const Context& context, const ConnectOptions& options,
                        const app::Config& config, const Secret& given) {
    const HeldSignals signals;
    LineInput input(STDIN_FILENO);
    Connecting connecting(context, options, config, input, signals);
    if (!connecting.can_begin()) return connecting.exit_code();
    if (!options.access_token_file.empty()) {
        return connecting.run(given) ? ExitCode::ok : connecting.exit_code();
    }
    AuthorizationOptions how;
    how.interactive = options.interactive;
    how.may_browse = options.interactive && !options.no_browser && ::geteuid() != 0;
    how.wait = Seconds(options.wait_seconds);
    Authorization authorization(config, how, input, signals);
    const auto access = authorization.run();
    if (!access) return authorization.exit_code();
    const bool done = connecting.run(access->access_token);
    authorization.revoke(access->access_token);
    return done ? ExitCode::ok : connecting.exit_code();
}

ExitCode run_connect(const Context& context, ConnectOptions options) {
    options.interactive = ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1 &&
                          options.access_token_file != "-";
    if (!options.interactive && options.flow.empty()) {
        complain("--flow is needed where nobody can choose one: stdin is not a terminal");
        return ExitCode::usage;
    }
    if (!options.interactive && !options.yes && options.access_token_file.empty()) {
        complain("--yes is needed where nobody can confirm: stdin is not a terminal");
        return ExitCode::usage;
    }
    Secret access;
    if (!options.access_token_file.empty()) {
        auto read = read_access_token(options.access_token_file);
        const bool from_stdin = options.access_token_file == "-";
        if (!read) {
            complain(fmt::format("{}: access token: {}",
                                 from_stdin ? "stdin" : options.access_token_file,
                                 read.error().message));
            return from_stdin ? ExitCode::usage : ExitCode::bad_config;
        }
        access = std::move(*read);
    }
    try {
        const app::Config config = app::load_config(options.config);
        return connect_source(context, options, config, access);
    } catch (const app::ConfigError& error) {
        complain(error.what());
        return ExitCode::bad_config;
    }
}

}  // namespace

void add_connect_command(Command source, Context& context) {
    const Command connect =
        source.add_subcommand("connect", "Make a source in a flow, and add it with its new token");
    const auto options = std::make_shared<ConnectOptions>();
    connect.add_option("NAME", options->name, "The source, as producers will call it")
        .required()
        .type_name("");
    connect
        .add_option(
            "--flow", options->flow,
            "The flow: ORG/FLOW as in its address, or the id that a set-up page was given.\n"
            "Without it, the flows are listed to choose from")
        .type_name("FLOW");
    connect
        .add_option("--access-token-file", options->access_token_file,
                    "The file (mode 0600) with an OAuth access token of somebody in the flow,\n"
                    "instead of asking the server for one; - reads it from stdin")
        .type_name("FILE")
        .not_empty();
    connect.add_option("--title", options->title, "What the flow calls the source (NAME)")
        .type_name("TEXT");
    connect.add_option("--url", options->url, "Where what it reports on is found").type_name("URL");
    connect
        .add_option("--config", options->config,
                    "The configuration, which says where the API is (" + options->config + ")")
        .type_name("FILE");
    connect.add_flag("--no-browser", options->no_browser,
                     "Only print the address, open no browser");
    connect
        .add_option("--wait", options->wait_seconds,
                    "How long to wait until it is allowed in the browser (900)")
        .between(1, 86400)
        .type_name("SECONDS");
    connect.add_flag("--yes", options->yes, "Do not ask to confirm");
    connect.add_flag("--hello", options->hello, "Send a first event through the new source");
    connect.add_flag("--json", options->as_json, "As JSON");
    connect.footer(
        "Has somebody allow it in a browser, makes a source in the flow and hands its flow_token,\n"
        "which nobody sees, to flowrelayd, as `source add` does. The application is the one of\n"
        "`connect` in the configuration; docs/integration.md says how to register one. The access\n"
        "token is given back at the end.\n"
        "\n"
        "  flowrelay source connect ci\n"
        "  flowrelay source connect ci --flow example/main --yes --no-browser --hello");
    connect.callback([options, &context] {
        context.run = [options, &context] { return run_connect(context, *options); };
    });
}

}  // namespace flowrelay::cli
