// flowrelay spool
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>

#include "cli/commands.hpp"
#include "cli/complain.hpp"
#include "cli/operator.hpp"
#include "cli/spool_commands.hpp"
#include "cli/spool_text.hpp"
#include "flowrelay/storage/declare_damaged.hpp"

namespace flowrelay::cli {

namespace {

// As monitoring plug-ins and fsck have it, and unlike the commands that talk to the daemon.
constexpr auto can_not_tell = static_cast<ExitCode>(1);
constexpr auto damage_found = static_cast<ExitCode>(2);

struct VerifyOptions {
    std::string directory;
    bool as_json = false;
    bool quiet = false;
};

ExitCode verify(const VerifyOptions& options) {
    const auto file_system = storage::make_posix_file_system();
    const auto report = storage::check_spool(*file_system, options.directory);
    if (report.has_error()) {
        complain(report.error().message);
        return can_not_tell;
    }
    fmt::print("{}", options.as_json
                         ? format_spool_json(*report)
                         : format_spool_report(*report, SystemClock().now().wall, options.quiet));
    return report->damage.empty() ? ExitCode::ok : damage_found;
}

void add_verify(Command spool, Context& context) {
    const Command command =
        spool.add_subcommand("verify", "Read a whole spool and say what is there");
    const auto options = std::make_shared<VerifyOptions>();
    command
        .add_option("DIR", options->directory,
                    "The spool.directory of the configuration, like /var/lib/flowrelay")
        .required()
        .type_name("")
        .not_empty();
    command.add_flag("--json", options->as_json, "Lines of JSON");
    command.add_flag("-q,--quiet", options->quiet, "No line for each file");
    command.footer(
        "flowrelayd must not run on it. Nothing is written, repaired or removed.\n\n"
        "Exit status: 0 all is whole, 1 it can't be read, 2 something is damaged, 64 wrong "
        "options.");
    command.callback([options, &context] { context.run = [options] { return verify(*options); }; });
}

ExitCode adopt(const Context& context) {
    Operator daemon(context);
    if (!daemon.post("/v1/spool/adopt", {})) return daemon.exit_code();
    fmt::print("The spool belongs to this machine now, and its events are delivered.\n");
    return ExitCode::ok;
}

void add_adopt(Command spool, Context& context) {
    const Command command =
        spool.add_subcommand("adopt", "Deliver from a spool that came from another machine");
    command.footer(
        "flowrelayd posts nothing from a state directory that another machine used last (a copy, "
        "or "
        "a clone\n"
        "of the machine): that one may post the same events. Say this when it is switched off for "
        "good.");
    command.callback([&context] { context.run = [&context] { return adopt(context); }; });
}

ExitCode give_up(const std::string& path) {
    const auto file_system = storage::make_posix_file_system();
    const auto lost = storage::declare_damaged(*file_system, path);
    if (lost.has_error()) {
        complain(lost.error().message);
        return can_not_tell;
    }
    if (lost->empty()) {
        fmt::print("{} can be read: nothing was changed\n", path);
        return ExitCode::ok;
    }
    for (const storage::LostBytes& range : *lost) {
        fmt::print("{}: {} bytes at offset {} are zeros now\n", path, range.bytes, range.offset);
    }
    fmt::print("What was in them is lost. Next: flowrelay spool verify, then start flowrelayd\n");
    return damage_found;
}

void add_declare_damaged(Command spool, Context& context) {
    const Command command = spool.add_subcommand(
        "declare-damaged", "Give up bytes of a file that the disk does not give any more");
    const auto path = std::make_shared<std::string>();
    command.add_option("FILE", *path, "A file of the spool, as flowrelayd names it in its error")
        .required()
        .type_name("")
        .not_empty();
    command.footer(
        "For a disk that has lost them for good: flowrelayd does not start on a file that it can't "
        "read, since an error of reading may pass. Try again first, and copy the disk. flowrelayd "
        "must not run. The file is replaced by a copy of all that can be read, with zeros for the "
        "rest; the next start then says what is lost (spool.damaged) and goes on.\n\n"
        "Exit status: 0 the file can be read and was left alone, 1 it can't be done, 2 bytes were "
        "given up, 64 wrong options.");
    command.callback([path, &context] { context.run = [path] { return give_up(*path); }; });
}

}  // namespace

void add_spool_commands(Command app, Context& context) {
    const Command spool = app.add_subcommand("spool", "Look at a spool, and at the disk for one");
    spool.require_subcommand();
    add_verify(spool, context);
    add_declare_damaged(spool, context);
    add_spool_test(spool, context);
    add_adopt(spool, context);
}

}  // namespace flowrelay::cli
