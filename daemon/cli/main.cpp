// flowrelay: the command for producers and operators.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "cli/commands.hpp"

namespace {

using namespace flowrelay::cli;

int run(int argc, char** argv) {
    Context context;
    CLI::App app("Hands activity events to flowrelayd, which delivers them.", "flowrelay");
    app.set_version_flag("--version", std::string("flowrelay ") + FLOWRELAY_VERSION);
    app.require_subcommand(1);
    app.fallthrough();
    app.add_option("--socket", context.ingest_socket,
                   "Where flowrelayd takes events (" + context.ingest_socket + ")")
        ->envname("FLOWRELAY_SOCKET")
        ->type_name("PATH");
    app.add_option("--control-socket", context.control_socket,
                   "Where flowrelayd takes orders (" + context.control_socket + ")")
        ->envname("FLOWRELAY_CONTROL_SOCKET")
        ->type_name("PATH");
    add_send_command(app, context);
    add_status_command(app, context);
    add_config_commands(app, context);
    add_spool_commands(app, context);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : static_cast<int>(ExitCode::usage);
    }
    return static_cast<int>(context.run());
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& e) {
        fmt::print(stderr, "flowrelay: {}\n", e.what());
        return 70;  // EX_SOFTWARE: out of memory, or a mistake of ours
    }
}
