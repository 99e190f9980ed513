// flowrelay support
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>

#include "cli/commands.hpp"
#include "cli/complain.hpp"
#include "cli/control_client.hpp"
#include "cli/disk_probe.hpp"
#include "cli/json_members.hpp"
#include "cli/operator.hpp"
#include "cli/support_text.hpp"
#include "cli/terminal.hpp"
#include "flowrelay/app/config.hpp"
#include "flowrelay/app/config_check.hpp"
#include "flowrelay/base/ascii.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/base/version.hpp"

namespace flowrelay::cli {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

struct SupportOptions {
    std::string config = "/etc/flowrelay/flowrelay.yaml";
    std::string unit = "flowrelayd";
    unsigned lines = 500;
};

void head(std::string_view name) {
    fmt::print("\n===== {}\n", name);
}

void print_machine() {
    head("machine");
    utsname names{};
    if (::uname(&names) == 0) {
        fmt::print("kernel {} {} {}\n", names.sysname, names.release, names.machine);
    }
    fmt::print("flowrelay {}\ntime {}\n", version(), format_time(SystemClock().now().wall));
}

void print_answer(const std::string& socket, std::string_view name, std::string_view target) {
    head(name);
    const auto answer = get_from_daemon(socket, target, patience);
    print_text(answer ? without_server_words(*answer) : answer.error().message);
}

/// Lists names, sizes and modes, never contents.
void print_files(const std::string& directory) {
    head("files of " + directory);
    std::error_code error;
    fs::recursive_directory_iterator at(directory, error);
    for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
        struct stat facts{};
        if (::lstat(at->path().c_str(), &facts) != 0) continue;
        fmt::print("{:06o} {:>5} {:>12} {}\n", facts.st_mode, facts.st_uid, facts.st_size,
                   at->path().lexically_relative(directory).string());
    }
    if (error) fmt::print("{}\n", error.message());
    const auto disk = look_at_file_system(directory);
    if (disk.has_value()) {
        fmt::print("file system: {}, {} free\n",
                   disk->mount.empty() ? disk->kind.name : disk->mount,
                   format_bytes(static_cast<double>(disk->free_bytes)));
    }
}

/// Prints the effective configuration. It contains names of files, but no secrets.
void print_config(const std::string& path) {
    head("configuration " + path);
    try {
        const app::Config config = app::load_config(path);
        print_text(app::show_config(config));
        for (const auto& problem : app::check_config(path).problems) {
            fmt::print("problem: {}\n", to_string(problem));
        }
        print_files(config.spool.directory);
    } catch (const std::exception& error) {
        fmt::print("{}\n", error.what());
    }
}

/// Prints the last lines of the journal, with names of sources and threads. Leaves out the
/// destination's words, since they may quote contents.
void print_journal(const SupportOptions& options) {
    head("journal");
    std::fflush(stdout);
    if (!ascii::all_word(options.unit, "-_.@")) {
        fmt::print("{} is no unit\n", options.unit);
        return;
    }
    const std::string command = fmt::format("journalctl -u {} -n {} --no-pager -o short-iso 2>&1",
                                            options.unit, options.lines);
    std::FILE* lines = ::popen(command.c_str(), "r");
    if (lines == nullptr) {
        fmt::print("journalctl can't be run\n");
        return;
    }
    char* line = nullptr;
    std::size_t room = 0;
    for (ssize_t size = 0; (size = ::getline(&line, &room, lines)) > 0;) {
        fmt::print("{}", without_server_words({line, static_cast<std::size_t>(size)}));
    }
    std::free(line);
    ::pclose(lines);
}

ExitCode run_support(const std::string& socket, const SupportOptions& options) {
    print_machine();
    print_answer(socket, "status", "/v1/status");
    print_answer(socket, "sources", "/v1/sources?limit=1000");
    print_answer(socket, "metrics", "/v1/metrics");
    print_config(options.config);
    print_journal(options);
    return ExitCode::ok;
}

}  // namespace

void add_support_command(Command app, Context& context) {
    const Command support = app.add_subcommand(
        "support", "Print information for a support ticket: no tokens, no contents");
    const auto options = std::make_shared<SupportOptions>();
    support.add_option("--config", options->config, "The configuration (" + options->config + ")")
        .type_name("FILE")
        .not_empty();
    support.add_option("--unit", options->unit, "The unit whose journal is read (flowrelayd)")
        .type_name("NAME")
        .not_empty();
    support.add_option("--lines", options->lines, "Lines of the journal (500)")
        .between(0, 100'000)
        .type_name("N");
    support.footer(
        "Version, status, sources, metrics, the effective configuration, names and sizes of the "
        "files of the\n"
        "spool, and the last lines of the journal. They contain names of sources, threads, files "
        "and hosts,\n"
        "but neither tokens nor contents of events. Messages of the destination are left out, "
        "since they may\n"
        "quote contents.\n"
        "\n"
        "  flowrelay support > ticket.txt");
    support.callback([options, &context] {
        context.run = [options, &context] { return run_support(context.control(), *options); };
    });
}

}  // namespace flowrelay::cli
