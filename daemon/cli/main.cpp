// flowrelay: the command for producers and operators.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "cli/commands.hpp"
#include "cli/complain.hpp"
#include "flowrelay/app/spelling.hpp"
#include "flowrelay/app/text.hpp"

namespace {

using namespace flowrelay::cli;

void take_from_environment(const char* name, std::string& out) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') out = value;
}

/// Replaces closed descriptors 0 to 2 with ones on which reading and writing fail. Otherwise the
/// next socket would get the number, and messages for users would go to the daemon.
void keep_standard_streams() {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
        // open() returns the lowest free descriptor: this one, since those below are open.
        if (::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) std::abort();
    }
}

/// Adds the common last part of each command's help.
void add_common_help(CLI::App& app) {
    for (CLI::App* command : app.get_subcommands({})) {
        add_common_help(*command);
        const std::string own = command->get_footer();
        const std::string common =
            "--socket PATH goes before or after the command: see flowrelay --help.";
        command->footer(own.empty() ? common : own + "\n\n" + common);
    }
}

/// Prints which word is not a command, and which commands exist, since the parser only reports that
/// a command is missing. Returns false if something else is missing.
bool complain_of_command(const CLI::App& app, int argc, char** argv) {
    const CLI::App* level = &app;
    std::string name = "flowrelay";
    std::string unknown;
    for (int i = 1; i < argc && unknown.empty(); ++i) {
        const std::string word = argv[i];
        if (i == 1 && word == "help") continue;
        if (word == "--socket") ++i;
        if (word.starts_with("-")) continue;
        const auto commands = level->get_subcommands({});
        const auto next = std::ranges::find(commands, word, &CLI::App::get_name);
        if (next == commands.end()) {
            unknown = word;
        } else {
            level = *next;
            name += " " + word;
        }
    }
    std::string commands;
    for (const CLI::App* command : level->get_subcommands({})) {
        commands += (commands.empty() ? "" : ", ") + command->get_name();
    }
    if (commands.empty()) return false;
    if (unknown.empty()) {
        note(fmt::format("{}: say which command: {}", name, commands));
        return true;
    }
    std::vector<std::string> names;
    std::vector<std::string_view> known;
    for (const CLI::App* command : level->get_subcommands({})) names.push_back(command->get_name());
    known.assign(names.begin(), names.end());
    const std::string_view meant = flowrelay::app::nearest(unknown, known);
    note(fmt::format("{}: there is no command \"{:.40}\"{}; there are {}", name,
                     flowrelay::app::printable(unknown),
                     meant.empty() ? "" : fmt::format(", did you mean \"{}\"?", meant), commands));
    return true;
}

/// Prints what is wrong with the command line, and the command whose help describes it.
void complain_of_arguments(const CLI::App& app, const CLI::ParseError& error) {
    std::string name = "flowrelay";
    for (const CLI::App* level = &app; !level->get_subcommands().empty();) {
        level = level->get_subcommands().front();
        name += " " + level->get_name();
    }
    complain(fmt::format("{}\nSee {} --help.", error.what(), name));
}

/// Runs the command and checks that its output was written.
int finish(const Context& context) {
    int status = static_cast<int>(ExitCode::try_later);
    std::string problem;
    try {
        status = static_cast<int>(context.run());
        if (std::fflush(stdout) != 0) problem = std::generic_category().message(errno);
    } catch (const std::system_error& e) {
        if (std::ferror(stdout) == 0) throw;
        problem = e.code().message();
    }
    if (problem.empty()) return status;
    if (problem == std::generic_category().message(EPIPE) && !context.output_counts) return status;
    complain("cannot write the output: " + problem);
    // Lost output is a failure, except for `send`: an accepted event stays accepted.
    return context.output_counts ? static_cast<int>(ExitCode::try_later) : status;
}

/// Returns whether a word looks like an option for a token or another secret. Its value must not be
/// printed.
bool gives_token(int argc, char** argv) {
    constexpr std::string_view secrets[] = {"--token", "--flow-token", "--access-token",
                                            "--client-secret", "--code"};
    for (int i = 1; i < argc; ++i) {
        std::string_view word = argv[i];
        if (word == "--") return false;
        std::string option(word.substr(0, word.find('=')));
        std::ranges::replace(option, '_', '-');
        if (std::ranges::find(secrets, option) != std::end(secrets)) return true;
    }
    return false;
}

/// Returns the words of the command line in reverse order, as the parser needs them. Turns
/// `help COMMAND` into `COMMAND --help`.
std::vector<std::string> words_of(int argc, char** argv) {
    std::vector<std::string> words(argv + 1, argv + argc);
    if (!words.empty() && words.front() == "help") {
        words.erase(words.begin());
        words.emplace_back("--help");
    }
    std::ranges::reverse(words);
    return words;
}

int run(int argc, char** argv) {
    Context context;
    take_from_environment("FLOWRELAY_SOCKET", context.ingest_socket);
    take_from_environment("FLOWRELAY_CONTROL_SOCKET", context.control_socket);
    take_from_environment("FLOWRELAY_INVITE_SOCKET", context.invite_socket);
    CLI::App app("Sends activity events to flowrelayd, which delivers them.", "flowrelay");
    app.set_version_flag("--version", std::string("flowrelay ") + FLOWRELAY_VERSION);
    app.require_subcommand(1);
    app.fallthrough();
    const Command root(&app);
    root.add_option("--socket", context.socket,
                    "The socket that the command uses. send: the one for events,\n"
                    "$FLOWRELAY_SOCKET or " +
                        context.ingest_socket +
                        ". All others: the\n"
                        "control socket, $FLOWRELAY_CONTROL_SOCKET or " +
                        context.control_socket)
        .type_name("PATH")
        .not_empty();
    add_send_command(root, context);
    add_status_command(root, context);
    add_queue_commands(root, context);
    add_explain_command(root, context);
    add_dead_commands(root, context);
    add_source_commands(root, context);
    add_health_command(root, context);
    add_top_command(root, context);
    add_daemon_commands(root, context);
    add_backup_command(root, context);
    add_restore_command(root, context);
    add_support_command(root, context);
    add_common_help(app);
    add_config_commands(root, context);
    add_spool_commands(root, context);
    app.footer(
        "To begin with:\n"
        "  flowrelay send --source ci --thread build-42 --title \"build failed\"\n"
        "  flowrelay status          the state of flowrelayd\n"
        "  flowrelay explain ci      why something waits, and until when\n"
        "  flowrelay COMMAND --help  more about a command");
    if (gives_token(argc, argv)) {
        complain(
            "a token, a code or a secret is not given on the command line, where every user of "
            "this "
            "host can read it: put it into a file of mode 0600 and name that with --token-file, "
            "--access-token-file or connect.client_secret_file; paste a code where it is asked "
            "for");
        return static_cast<int>(ExitCode::usage);
    }
    try {
        auto words = words_of(argc, argv);
        app.parse(words);
    } catch (const CLI::Success& help_or_version) {
        return app.exit(help_or_version);
    } catch (const CLI::RequiredError& e) {
        if (!complain_of_command(app, argc, argv)) complain_of_arguments(app, e);
        return static_cast<int>(ExitCode::usage);
    } catch (const CLI::ParseError& e) {
        complain_of_arguments(app, e);
        return static_cast<int>(ExitCode::usage);
    }
    return finish(context);
}

}  // namespace

int main(int argc, char** argv) {
    keep_standard_streams();
    try {
        return run(argc, argv);
    } catch (const std::exception& e) {
        flowrelay::cli::complain(e.what());
        return 70;  // EX_SOFTWARE: out of memory, or a bug
    }
}
