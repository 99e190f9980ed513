// flowrelay: the command for producers and operators.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "cli/commands.hpp"

namespace {

using namespace flowrelay::cli;

void take_from_environment(const char* name, std::string& out) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') out = value;
}

/// The parser only says that a command is missing: says which of the words is none, and which there
/// are.
bool complain_of_command(const CLI::App& app, int argc, char** argv) {
    const CLI::App* level = &app;
    std::string name = "flowrelay";
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (word.starts_with("-") || level->get_subcommands({}).empty()) return false;
        const CLI::App* next = nullptr;
        std::string commands;
        for (const CLI::App* command : level->get_subcommands({})) {
            commands += (commands.empty() ? "" : ", ") + command->get_name();
            if (command->get_name() == word) next = command;
        }
        if (next == nullptr) {
            fmt::print(stderr, "{}: there is no command \"{:.40}\"; there are {}\n", name, word,
                       commands);
            return true;
        }
        level = next;
        name += " " + word;
    }
    return false;
}

int run(int argc, char** argv) {
    Context context;
    take_from_environment("FLOWRELAY_SOCKET", context.ingest_socket);
    take_from_environment("FLOWRELAY_CONTROL_SOCKET", context.control_socket);
    CLI::App app("Hands activity events to flowrelayd, which delivers them.", "flowrelay");
    app.set_version_flag("--version", std::string("flowrelay ") + FLOWRELAY_VERSION);
    app.require_subcommand(1);
    app.fallthrough();
    app.add_option("--socket", context.socket,
                   "The socket that the command talks to. send: where flowrelayd takes events,\n"
                   "$FLOWRELAY_SOCKET or " +
                       context.ingest_socket +
                       ". All others: where it takes\norders, $FLOWRELAY_CONTROL_SOCKET or " +
                       context.control_socket)
        ->type_name("PATH");
    app.add_option("--control-socket", context.control_socket)->group("");  // its former name
    app.footer(
        "To begin with:\n"
        "  flowrelay send --source ci --thread build-42 --title \"build failed\"\n"
        "  flowrelay status          how it is\n"
        "  flowrelay explain ci      why something waits, and until when\n"
        "  flowrelay COMMAND --help  more about a command");
    add_send_command(app, context);
    add_status_command(app, context);
    add_queue_commands(app, context);
    add_explain_command(app, context);
    add_dead_commands(app, context);
    add_source_commands(app, context);
    add_health_command(app, context);
    add_top_command(app, context);
    add_daemon_commands(app, context);
    add_config_commands(app, context);
    add_spool_commands(app, context);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        if (complain_of_command(app, argc, argv)) return static_cast<int>(ExitCode::usage);
        return app.exit(e) == 0 ? 0 : static_cast<int>(ExitCode::usage);
    }
    const int status = static_cast<int>(context.run());
    // What could not be written was not said.
    if (std::fflush(stdout) != 0) return static_cast<int>(ExitCode::try_later);
    return status;
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
